package ttlpool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool"
)

// newRudeHub starts a server that hangs up on the second request instead of answering.
func newRudeHub() *httptest.Server {
	var requests atomic.Int64
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler) // closes the connection
		}
		fmt.Fprint(w, "done")
	}))
}

// post sends a question with a context.
func post(ctx context.Context, client *http.Client, url, question string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(question))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// A question by POST may be asked again, although POST alone says that it may not.
func ExampleIdempotent() {
	transport, err := ttlpool.NewTransport()
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	client := &http.Client{Transport: transport}

	ctx := context.Background()
	for _, c := range []context.Context{ctx, ttlpool.Idempotent(ctx)} {
		hub := newRudeHub()
		fmt.Println("first:", post(c, client, hub.URL, "getTaskInfo"))
		err := post(c, client, hub.URL, "getTaskInfo")
		var failed *ttlpool.ExchangeError
		if errors.As(err, &failed) {
			fmt.Println("second: not retried:", failed.NotRetried)
		} else {
			fmt.Println("second:", err)
		}
		hub.Close()
	}
	fmt.Println("sent again:", transport.Stats().Retries)
	// Output:
	// first: <nil>
	// second: not retried: POST is not idempotent
	// first: <nil>
	// second: <nil>
	// sent again: 1
}

// All requests of a kind may be declared repeatable at once.
func ExampleWithIdempotent() {
	transport, err := ttlpool.NewTransport(
		ttlpool.WithIdempotent(func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/search") }),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	client := &http.Client{Transport: transport}
	hub := newRudeHub()
	defer hub.Close()
	for range 2 {
		fmt.Println(post(context.Background(), client, hub.URL+"/search", "hello"))
	}
	fmt.Println("sent again:", transport.Stats().Retries)
	// Output:
	// <nil>
	// <nil>
	// sent again: 1
}

// The log has what an operator should know, here without what differs from run to run.
func ExampleWithLogger() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey, "address", "error":
				return slog.Attr{}
			}
			return a
		},
	}))
	transport, err := ttlpool.NewTransport(ttlpool.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	defer transport.Close()
	client := &http.Client{Transport: transport}
	hub := newRudeHub()
	defer hub.Close()
	for range 2 {
		_ = post(context.Background(), client, hub.URL, "build")
	}
	// Output: level=WARN msg="stale connection" method=POST retried=false
}

// The error of a request that met a stale connection tells of it.
func ExampleExchangeError() {
	err := error(&ttlpool.ExchangeError{
		Conn: ttlpool.ConnInfo{
			Address: "hub:80", Idle: 15980 * time.Millisecond, Age: 250 * time.Second, Uses: 31,
		},
		Stale: true, Written: 412, Acknowledged: 412, NotRetried: "POST is not idempotent", Err: io.EOF,
	})

	fmt.Println(err)
	var failed *ttlpool.ExchangeError
	fmt.Println(errors.Is(err, io.EOF), errors.As(err, &failed) && failed.Stale)
	// Output:
	// hub:80: stale connection: EOF after 15.98s idle (age 4m10s, 31 uses; 412 bytes written, 412 acknowledged, 0 read); not retried: POST is not idempotent
	// true true
}
