package behaviour

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onRead is a body that does something before it says that it has ended.
type onRead struct {
	io.Reader
	atEnd func()
}

func (r *onRead) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.atEnd()
	}
	return n, err
}

var trailers = []behaviour{
	{name: "a trailer that was announced comes after the body", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-Other")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		assert.Equal(t, http.Header{"X-Sum": nil, "X-Other": nil}, resp.Trailer, "before the body")
		assert.Equal(t, "body", e.readAll(resp).body)
		assert.Equal(t, []string{"42"}, resp.Trailer["X-Sum"])
		assert.Empty(t, resp.Trailer.Get("X-Other"))
		assert.NotContains(t, resp.Header, "Trailer")
		assert.NotContains(t, resp.Header, "X-Sum")
	}},
	{name: "a trailer that was not announced comes too", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "body")
			flush(w)
			w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
		})
		assert.Equal(t, http.Header{"X-Sum": {"42"}}, got.Trailer)
	}},
	{name: "a trailer may have several values", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Many")
			_, _ = io.WriteString(w, "body")
			w.Header()["X-Many"] = []string{"b", "a"}
		})
		assert.Equal(t, []string{"b", "a"}, got.Trailer["X-Many"])
	}},
	{name: "a trailer may follow a body of nothing", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			flush(w)
			w.Header().Set("X-Sum", "0")
		})
		assert.Empty(t, got.body)
		assert.Equal(t, "0", got.Trailer.Get("X-Sum"))
	}},
	{name: "a trailer may follow gzip", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zip("text"))
			w.Header().Set("X-Sum", "42")
		})
		assert.Equal(t, "text", got.body)
		assert.Equal(t, "42", got.Trailer.Get("X-Sum"))
	}},
	{name: "a response without trailers has none", run: func(t *testing.T, e *env) {
		assert.Empty(t, e.answer(answers("body")).Trailer)
	}},
	{name: "a connection that carried trailers is used again", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			flush(w)
			w.Header().Set("X-Sum", "42")
		})
		client := e.client()
		e.get(client, s.URL)
		e.get(client, s.URL)
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "a trailer of the request gets its value while the body is read", run: func(t *testing.T, e *env) {
		before, after := make(chan http.Header, 1), make(chan http.Header, 1)
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) {
			before <- r.Trailer.Clone()
			_, _ = io.Copy(io.Discard, r.Body)
			after <- r.Trailer
		})
		req := e.request("POST", s.URL, nil)
		req.Trailer = http.Header{"X-Sum": nil}
		req.Body = io.NopCloser(&onRead{strings.NewReader("body"), func() { req.Trailer.Set("X-Sum", "42") }})
		req.ContentLength = -1
		e.do(e.client(), req)
		assert.Equal(t, http.Header{"X-Sum": nil}, receive(t, "the announcement", before))
		assert.Equal(t, http.Header{"X-Sum": {"42"}}, receive(t, "the trailer", after))
	}},
	{name: "trailers of the request are sent as they stand if nobody changes them", run: func(t *testing.T, e *env) {
		after := make(chan http.Header, 1)
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			after <- r.Trailer
		})
		req := e.request("POST", s.URL, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-A": {"1"}, "X-B": {"2", "3"}}
		e.do(e.client(), req)
		assert.Equal(t, http.Header{"X-A": {"1"}, "X-B": {"2", "3"}}, receive(t, "the trailer", after))
	}},
	{name: "trailers go both ways", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Echo")
			_, _ = io.Copy(w, r.Body)
			w.Header().Set("X-Echo", r.Trailer.Get("X-Sum"))
		})
		req := e.request("POST", s.URL, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Sum": {"42"}}
		got := e.do(e.client(), req)
		assert.Equal(t, "body", got.body)
		assert.Equal(t, "42", got.Trailer.Get("X-Echo"))
	}},
	{name: "a trailer with a name that is none is refused, and nothing sent", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		req := e.request("POST", s.URL, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"bad name": {"1"}}
		require.ErrorContains(t, e.fail(e.client(), req), "invalid trailer field name")
		assert.Zero(t, s.conns.count().total)
	}},
	{name: "the length cannot be a trailer", run: func(t *testing.T, e *env) {
		req := e.request("POST", e.serve(ok).URL, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"Content-Length": {"4"}}
		assert.Error(t, e.fail(e.client(), req))
	}},
}
