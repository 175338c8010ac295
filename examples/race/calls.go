package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"

	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// callKind is a way to ask. What a transport may do about a stale connection depends on it.
type callKind int

const (
	getLog     callKind = iota // idempotent by its method
	postLength                 // Koji's way: not idempotent, though the body is small
	postStream                 // the same with a body of unknown length
	postKeyed                  // declared safe to repeat by its sender
	callKinds  = iota
)

func (k callKind) String() string {
	return [...]string{"GET", "POST", "POST, streamed", "POST, Idempotency-Key"}[k]
}

// call is one request to make.
type call struct {
	kind   callKind
	id     string
	method string
	args   []any
}

// randomCall draws what a client that watches a build asks for.
func randomCall(rng *rand.Rand, id string) call {
	task := 1 + rng.Int64N(1000)
	c := call{kind: callKind(rng.IntN(callKinds)), id: id}
	switch rng.IntN(8) {
	case 0:
		c.method = "getAPIVersion"
	case 1:
		c.method = "listTasks"
	case 2:
		c.method, c.args = "getTaskResult", []any{task}
	default:
		c.method, c.args = "getTaskInfo", []any{task}
	}
	return c
}

// request makes the request for a call to the proxy at base; target names the paths behind it.
func (c call) request(ctx context.Context, base string, to target) (*http.Request, error) {
	if c.kind == getLog {
		return c.finish(http.NewRequestWithContext(ctx, http.MethodGet, base+to.getPath, nil))
	}
	var body bytes.Buffer
	if err := xmlrpc.WriteCall(&body, c.method, c.args...); err != nil {
		return nil, err
	}
	var reader io.Reader = &body
	if c.kind == postStream {
		reader = io.MultiReader(&body) // of a type that hides its length, so that it goes out chunked
	}
	return c.finish(http.NewRequestWithContext(ctx, http.MethodPost, base+to.postPath, reader))
}

func (c call) finish(req *http.Request, err error) (*http.Request, error) {
	if err != nil {
		return nil, err
	}
	req.Header.Set(callHeader, c.id)
	if req.Method == http.MethodPost {
		req.Header.Set("Content-Type", "text/xml")
	}
	if c.kind == postKeyed {
		req.Header.Set(idempotencyKey, c.id)
	}
	return req, nil
}

var errWrongAnswer = errors.New("wrong answer")

// check reports an answer of our own hub that does not belong to the call.
func (c call) check(resp *http.Response, body []byte) error {
	if got := resp.Header.Get(callHeader); got != c.id {
		return fmt.Errorf("%w: for call %q, not %q", errWrongAnswer, got, c.id)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errWrongAnswer, resp.Status)
	}
	if c.kind == getLog {
		return nil
	}
	result, err := xmlrpc.ReadResponse(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errWrongAnswer, err)
	}
	if info, ok := result.(map[string]any); ok && info["id"] != c.args[0] {
		return fmt.Errorf("%w: task %v, not %v", errWrongAnswer, info["id"], c.args[0])
	}
	return nil
}
