package behaviour

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// own makes a transport of ours, with options, and a client on it.
func (e *env) own(opts ...ttlpool.Option) (*ttlpool.Transport, *http.Client) {
	e.t.Helper()
	tr := ownTransport(e.t, append([]ttlpool.Option{ttlpool.WithBase(e.base())}, opts...)...)
	return tr, &http.Client{Transport: tr}
}

// closing notes the reasons for which connections are closed.
func closing(reasons chan<- ttlpool.CloseReason) ttlpool.Option {
	return ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(c ttlpool.ConnInfo) { reasons <- c.Closed }})
}

// holding is a handler that keeps /hold waiting, and answers everything else with the connection's name.
func (e *env) holding() (h http.HandlerFunc, begin, answer *latch) {
	begin, answer = newLatch(), newLatch()
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			begin.set()
			select {
			case <-answer.done:
			case <-e.ctx.Done():
			}
		}
		tellsConn(w, r)
	}, begin, answer
}

// elapse waits until a connection is older than its time.
func elapse(d time.Duration) { <-time.After(d) }

func dialsNowhere(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("nowhere")
}

var lives = []behaviour{
	{name: "an idle connection is closed before its TTL is over", run: func(t *testing.T, e *env) {
		s, reasons := e.serve(ok), make(chan ttlpool.CloseReason, 1)
		_, client := e.own(ttlpool.WithTTL(50*time.Millisecond), closing(reasons))
		e.get(client, s.URL)
		s.conns.awaitOpen(t, 0)
		assert.Equal(t, ttlpool.ClosedTTL, receive(t, "the reason", reasons))
	}},
	{name: "an idle connection serves until its timeout, and not after", modes: []mode{h2c}, run: servesUntilTimeout},
	{name: "the TTL does not concern a request in flight", run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s := e.serve(h)
		_, client := e.own(ttlpool.WithTTL(10 * time.Millisecond))
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		elapse(30 * time.Millisecond)
		answer.set()
		assert.NoError(t, u.ended())
		s.conns.awaitOpen(t, 0)
	}},
	{name: "what cannot be sent again takes no connection that has been idle long", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		_, client := e.own(ttlpool.WithTTL(time.Minute), ttlpool.WithStrictTTL(time.Millisecond))
		e.get(client, s.URL)
		elapse(2 * time.Millisecond)
		e.get(client, s.URL)
		assert.Equal(t, 1, s.conns.count().total)
		elapse(2 * time.Millisecond)
		e.post(client, s.URL, inMemory())
		assert.Equal(t, 2, s.conns.count().total)
	}},
	{name: "a connection past its age gets no new request, and ends with its last", run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s, reasons := e.serve(h), make(chan ttlpool.CloseReason, 2)
		_, client := e.own(ttlpool.WithMaxAge(50*time.Millisecond), closing(reasons))
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		elapse(60 * time.Millisecond)
		e.get(client, s.URL)
		assert.Equal(t, 2, s.conns.count().total)
		answer.set()
		assert.NoError(t, u.ended())
		s.conns.awaitOpen(t, 0)
		for range 2 {
			assert.Equal(t, ttlpool.ClosedMaxAge, receive(t, "the reason", reasons))
		}
	}},
	{name: "a connection serves as often as it may", run: func(t *testing.T, e *env) {
		s, reasons := e.serve(ok), make(chan ttlpool.CloseReason, 3)
		_, client := e.own(ttlpool.WithMaxUses(3), closing(reasons))
		for range 9 {
			e.get(client, s.URL)
		}
		s.conns.awaitOpen(t, 0)
		assert.Equal(t, 3, s.conns.count().total)
		for range 3 {
			assert.Equal(t, ttlpool.ClosedMaxUses, receive(t, "the reason", reasons))
		}
	}},
	{name: "requests at once on a connection count against its uses", modes: overHTTP2, run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s := e.serve(h)
		_, client := e.own(ttlpool.WithMaxUses(2))
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		first := e.get(client, s.URL).body
		assert.NotEqual(t, first, e.get(client, s.URL).body)
		answer.set()
		assert.NoError(t, u.ended())
	}},
	{name: "those who wait for a place wait no longer than allowed", modes: overHTTP1, run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s := e.serve(h)
		_, client := e.own(ttlpool.WithMaxConnsPerHost(1), ttlpool.WithAcquireTimeout(20*time.Millisecond))
		require.Eventually(t, func() bool { // that is the time for a dial, too
			resp, err := client.Do(e.request("OPTIONS", s.URL, nil))
			if err != nil {
				return false
			}
			e.readAll(resp) // or its connection would be closed
			return true
		}, patience, time.Millisecond)
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		assert.ErrorIs(t, e.fail(client, e.request("GET", s.URL, nil)), ttlpool.ErrAcquireTimeout)
		answer.set()
		assert.NoError(t, u.ended())
	}},
	{name: "closing idle connections closes those in use when they are idle", run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s := e.serve(h)
		_, client := e.own()
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		client.CloseIdleConnections()
		answer.set()
		assert.NoError(t, u.ended())
		s.conns.awaitOpen(t, 0)
	}},
	{name: "Shutdown refuses new requests and waits for those in flight", run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s := e.serve(h)
		tr, client := e.own()
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		down := make(chan error, 1)
		hurried, cancel := context.WithCancel(e.ctx)
		cancel()
		require.ErrorIs(t, tr.Shutdown(hurried), context.Canceled)
		assert.ErrorIs(t, e.fail(client, e.request("GET", s.URL, nil)), ttlpool.ErrClosed)
		go func() { down <- tr.Shutdown(e.ctx) }()
		answer.set()
		assert.NoError(t, u.ended())
		assert.NoError(t, receive(t, "the end of Shutdown", down))
		s.conns.awaitOpen(t, 0)
	}},
	{name: "Shutdown waits for the body of a response", run: func(t *testing.T, e *env) {
		s := e.serve(answers(large(1 << 20)))
		tr, client := e.own()
		resp := e.open(client, e.request("GET", s.URL, nil))
		hurried, cancel := context.WithCancel(e.ctx)
		cancel()
		require.ErrorIs(t, tr.Shutdown(hurried), context.Canceled)
		assert.Len(t, e.readAll(resp).body, 1<<20)
		assert.NoError(t, tr.Shutdown(e.ctx))
	}},
	{name: "Close ends requests in flight and refuses new ones", run: func(t *testing.T, e *env) {
		h, begin, answer := e.holding()
		s := e.serve(h)
		tr, client := e.own()
		u := e.send(client, e.request("POST", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		require.NoError(t, tr.Close())
		assert.Error(t, u.ended())
		assert.ErrorIs(t, e.fail(client, e.request("GET", s.URL, nil)), ttlpool.ErrClosed)
		answer.set()
		s.conns.awaitOpen(t, 0)
	}},
	{name: "Close ends the body of a response", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			e.stalls(w, r)
		})
		tr, client := e.own()
		resp := e.open(client, e.request("GET", s.URL, nil))
		require.NoError(t, tr.Close())
		_, err := resp.Body.Read(make([]byte, 1))
		assert.Error(t, err)
	}},
}

var ownTries = []behaviour{
	{name: "a POST whose context says so is sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serveStale()
		_, client := e.own()
		e.get(client, s.URL)
		req := e.request("POST", s.URL, inMemory())
		assert.Equal(t, "text", e.do(client, req.WithContext(ttlpool.Idempotent(req.Context()))).body)
	}},
	{name: "a POST that a function picks is sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serveStale()
		tr, client := e.own(ttlpool.WithIdempotent(func(r *http.Request) bool { return r.URL.Path == "/pure" }))
		e.get(client, s.URL)
		assert.Equal(t, "text", e.post(client, s.URL+"/pure", inMemory()).body)
		assert.EqualValues(t, 1, tr.Stats().Retries)
	}},
	{name: "a stream beyond the replay limit is not sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serveStale()
		_, client := e.own(ttlpool.WithReplayLimit(3))
		e.get(client, s.URL)
		err := e.fail(client, e.request("PUT", s.URL, streamed()))
		assert.ErrorContains(t, err, "the body cannot be sent again")
	}},
	{name: "a stream through a reverse proxy is sent again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxyTo(e.serveStale().URL)
		for range 5 {
			req := e.request("PUT", f.URL, streamed())
			assert.Equal(t, "text", e.do(f.client, req).body)
		}
	}},
	{name: "a stream that a new HTTP/2 connection refuses is sent again", modes: overHTTP2, run: refusedOnce("POST", streamed)},
	{name: "a second try that fails as well says so", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/first" {
				panic(http.ErrAbortHandler)
			}
		})
		_, client := e.own()
		e.get(client, s.URL+"/first")
		var wrapped *ttlpool.ExchangeError
		require.ErrorAs(t, e.fail(client, e.request("GET", s.URL, nil)), &wrapped)
		assert.True(t, wrapped.Retried)
		assert.Equal(t, 2, s.conns.count().total)
	}},
}
