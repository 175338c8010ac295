package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
)

// kind is a kind of request, and of a client's behaviour.
type kind struct {
	name, method string
	body         int  // at most so many bytes; 0: none
	stream       bool // of unknown length, and without GetBody
	key          bool // declared repeatable
	expect       bool // waits for 100
	answer       int  // at most so many bytes
	slow         bool // reads with pauses
	cancelled    bool // at some moment
	abandoned    bool // does not read to the end
	upgrade      bool // of the connection, to one that sends back what it gets
	weight       int
}

var kinds = []kind{
	{name: "GET", method: http.MethodGet, answer: 2 << 10, weight: 30},
	{name: "HEAD", method: http.MethodHead, weight: 4},
	{name: "PUT", method: http.MethodPut, body: 2 << 10, answer: 100, weight: 6},
	{name: "DELETE", method: http.MethodDelete, answer: 100, weight: 4},
	{name: "POST", method: http.MethodPost, body: 4 << 10, answer: 1 << 10, weight: 15},
	{name: "POST, streamed", method: http.MethodPost, body: 8 << 10, stream: true, answer: 1 << 10, weight: 15},
	{name: "POST, streamed, long", method: http.MethodPost, body: 300 << 10, stream: true, answer: 100, weight: 3},
	{name: "POST, streamed, with a key", method: http.MethodPost, body: 8 << 10, stream: true, key: true, answer: 1 << 10, weight: 6},
	{name: "POST, waits for 100", method: http.MethodPost, body: 8 << 10, stream: true, expect: true, answer: 100, weight: 2},
	{name: "GET, long", method: http.MethodGet, answer: 300 << 10, weight: 3},
	{name: "GET, read slowly", method: http.MethodGet, answer: 300 << 10, slow: true, weight: 2},
	{name: "GET, abandoned", method: http.MethodGet, answer: 300 << 10, abandoned: true, weight: 2},
	{name: "GET, cancelled", method: http.MethodGet, answer: 100 << 10, cancelled: true, weight: 4},
	{name: "upgrade", method: http.MethodGet, answer: 16 << 10, upgrade: true, weight: 6},
	{name: "POST, cancelled", method: http.MethodPost, body: 100 << 10, stream: true, answer: 100, cancelled: true, weight: 4},
}

// drawKind draws one by weight that the backend can serve.
func drawKind(b *backend) *kind {
	for {
		if k := drawAny(); b.upgrades || !k.upgrade {
			return k
		}
	}
}

func drawAny() *kind {
	total := 0
	for i := range kinds {
		total += kinds[i].weight
	}
	at := rand.IntN(total)
	for i := range kinds {
		if at -= kinds[i].weight; at < 0 {
			return &kinds[i]
		}
	}
	panic("unreachable: the weights add up")
}

// repeatable reports whether such a request may be processed twice.
func (k *kind) repeatable() bool { return k.key || k.method != http.MethodPost }

// draw returns a size of up to most.
func draw(most int) int { return rand.IntN(most + 1) }

// bodyOf returns a request's body, or nil.
func (k *kind) bodyOf(id string, size int) io.Reader {
	switch {
	case k.body == 0:
		return nil
	case k.stream:
		return io.NopCloser(newPattern(id, size)) // hides its kind from net/http
	}
	var text strings.Builder
	_, _ = io.Copy(&text, newPattern(id, size)) // to memory
	return strings.NewReader(text.String())
}
