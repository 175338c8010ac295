package behaviour

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// staleServer serves one request on each connection, and closes it when the next one has come, unanswered: what a
// client sees when a server gives up an idle connection at the wrong moment.
type staleServer struct {
	*server
	mu     sync.Mutex
	served map[string]bool
	lost   []arrived // the requests that got no answer
}

func (e *env) serveStale() *staleServer {
	s := &staleServer{served: make(map[string]bool)}
	s.server = e.serve(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		again := s.served[r.RemoteAddr]
		s.served[r.RemoteAddr] = true
		if again {
			s.lost = append(s.lost, arrived{r, string(body)})
		}
		s.mu.Unlock()
		if again {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(body)
	})
	return s
}

func (s *staleServer) losses() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lost)
}

// sentAgain wants a request to survive a connection that was closed while idle.
func sentAgain(method, body string, header http.Header) func(*testing.T, *env) {
	return func(t *testing.T, e *env) {
		s := e.serveStale()
		client := e.client()
		e.get(client, s.URL)
		req := e.request(method, s.URL, nil)
		if body != "" {
			req = e.request(method, s.URL, strings.NewReader(body))
		}
		for name, values := range header {
			req.Header[name] = values
		}
		got := e.do(client, req)
		assert.Equal(t, body, got.body)
		assert.Equal(t, 1, s.losses())
		assert.Equal(t, 2, s.conns.count().total)
	}
}

// sentOnce wants a request to fail with such a connection.
func sentOnce(method string, body func() io.Reader, header http.Header) func(*testing.T, *env) {
	return func(t *testing.T, e *env) {
		s := e.serveStale()
		client := e.client()
		e.get(client, s.URL)
		req := e.request(method, s.URL, body())
		for name, values := range header {
			req.Header[name] = values
		}
		assert.ErrorIs(t, e.fail(client, req), io.EOF)
		assert.Equal(t, 1, s.losses())
		assert.Equal(t, 1, s.conns.count().total)
	}
}

func inMemory() io.Reader { return strings.NewReader("text") }

func noBody() io.Reader { return nil }

var retries = []behaviour{
	{name: "GET is sent again", modes: overHTTP1, run: sentAgain("GET", "", nil)},
	{name: "HEAD is sent again", modes: overHTTP1, run: sentAgain("HEAD", "", nil)},
	{name: "OPTIONS is sent again", modes: overHTTP1, run: sentAgain("OPTIONS", "", nil)},
	{name: "TRACE is sent again", modes: overHTTP1, run: sentAgain("TRACE", "", nil)},
	{name: "GET is sent again with its body", modes: overHTTP1, run: sentAgain("GET", "text", nil)},
	{name: "POST that says it may be is sent again", modes: overHTTP1,
		run: sentAgain("POST", "text", http.Header{"Idempotency-Key": {"1"}})},
	{name: "POST that says it may be in the other way is sent again", modes: overHTTP1,
		run: sentAgain("POST", "text", http.Header{"X-Idempotency-Key": {"1"}})},
	{name: "POST that says it may be, and does not tell the server, is sent again", modes: overHTTP1,
		run: sentAgain("POST", "text", http.Header{"Idempotency-Key": nil})},
	{name: "PATCH that says it may be is sent again", modes: overHTTP1,
		run: sentAgain("PATCH", "text", http.Header{"Idempotency-Key": {"1"}})},
	{name: "POST is not sent again", modes: overHTTP1, run: sentOnce("POST", inMemory, nil)},
	{name: "POST without a body is not sent again", modes: overHTTP1, run: sentOnce("POST", noBody, nil)},
	{name: "PATCH is not sent again", modes: overHTTP1, run: sentOnce("PATCH", inMemory, nil)},
	{name: "a method of one's own is not sent again", modes: overHTTP1, run: sentOnce("REPORT", inMemory, nil)},
	{name: "a body that cannot be had again is not sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		sentOnce("GET", func() io.Reader { return io.LimitReader(endless{}, 1<<20) }, nil)(t, e)
	}},
	{name: "on a new connection nothing is sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(aborts(""))
		assert.ErrorIs(t, e.fail(e.client(), e.request("GET", s.URL, nil)), io.EOF)
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "after the first byte of a response nothing is sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		var n int
		var mu sync.Mutex
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n == 2 {
				conn, _, _ := w.(http.Hijacker).Hijack()
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Half: 1\r\n")
				_ = conn.Close()
			}
		})
		client := e.client()
		e.get(client, s.URL)
		assert.ErrorIs(t, e.fail(client, e.request("GET", s.URL, nil)), io.ErrUnexpectedEOF)
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, 2, n)
	}},
	{name: "a request that timed out is not sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		requests := make(chan string, 10)
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			requests <- r.URL.Path
			if r.URL.Path == "/stall" {
				e.stalls(w, r)
			}
		})
		client := e.client()
		e.get(client, s.URL+"/first")
		ctx, cancel := context.WithCancel(e.ctx)
		u := e.send(client, e.request("GET", s.URL+"/stall", nil).WithContext(ctx))
		assert.Equal(t, "/first", receive(t, "the first request", requests))
		assert.Equal(t, "/stall", receive(t, "the second request", requests))
		cancel()
		require.ErrorIs(t, u.ended(), context.Canceled)
		s.Close()
		assert.Empty(t, requests)
	}},
	{name: "a second try that cannot be dialled fails with the dialer's error", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serveStale()
		dials := 0
		client := e.client(func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials > 1 {
					return nil, &net.OpError{Op: "dial", Err: io.ErrNoProgress}
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		})
		e.get(client, s.URL)
		assert.ErrorIs(t, e.fail(client, e.request("GET", s.URL, nil)), io.ErrNoProgress)
	}},
	{name: "a second try is traced as one", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serveStale()
		client := e.client()
		e.get(client, s.URL)
		h, _ := e.follow(client, "GET", s.URL, nil)
		conns := slices.DeleteFunc(h.list(), func(step string) bool { return !strings.Contains(step, "tConn ") })
		assert.Equal(t, []string{"GetConn " + s.addr, "GotConn true", "GetConn " + s.addr, "GotConn false"}, conns)
	}},
}
