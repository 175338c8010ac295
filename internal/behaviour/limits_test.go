package behaviour

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func maxConns(n int) func(*http.Transport) {
	return func(base *http.Transport) { base.MaxConnsPerHost = n }
}

func maxIdlePerHost(n int) func(*http.Transport) {
	return func(base *http.Transport) { base.MaxIdleConnsPerHost = n }
}

var limits = []behaviour{
	{name: "no more connections to a host than allowed", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		e.atOnce(30, e.ask(e.client(maxConns(3)), s.URL))
		assert.LessOrEqual(t, s.conns.count().most, 3)
	}},
	{name: "those who wait for a place all get one", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		e.atOnce(30, e.ask(e.client(maxConns(1)), s.URL))
		// http.Transport gives up a connection's place before it closes it.
		assert.LessOrEqual(t, s.conns.count().most, each(e, 2, 1))
	}},
	{name: "a limit for one host does not concern another", run: func(t *testing.T, e *env) {
		held := e.serve(e.stalls)
		s := e.serve(ok)
		client := e.client(maxConns(1))
		u := e.send(client, e.request("GET", held.URL, nil))
		held.conns.awaitOpen(t, 1)
		assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
		require.Error(t, u.cancelled())
	}},
	{name: "a dial counts", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		var dialling, most atomic.Int32
		client := e.client(maxConns(2), func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				n := dialling.Add(1)
				defer dialling.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		})
		e.atOnce(20, e.ask(client, s.URL))
		assert.LessOrEqual(t, most.Load(), int32(2))
	}},
	{name: "a dial that fails gives its place up", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		var dials atomic.Int32
		client := e.client(maxConns(1), func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials.Add(1) <= 3 {
					return nil, errors.New("not yet")
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		})
		for range 3 {
			assert.EqualError(t, e.fail(client, e.request("GET", s.URL, nil)), "not yet")
		}
		assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
	}},
	{name: "a request that is given up gives its place up", modes: overHTTP1, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				h(w, r)
			}
		})
		client := e.client(maxConns(1))
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		waiting := e.send(client, e.request("GET", s.URL, nil))
		require.Error(t, u.cancelled())
		assert.NoError(t, waiting.ended())
	}},
	{name: "a body that is closed early gives its place up", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(answers(large(1 << 20)))
		client := e.client(maxConns(1))
		for range 3 {
			require.NoError(t, e.open(client, e.request("GET", s.URL, nil)).Body.Close())
		}
	}},
	{name: "no more idle connections to a host than allowed", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(gathers(6))
		e.atOnce(6, e.ask(e.client(maxIdlePerHost(2)), s.URL))
		s.conns.awaitOpen(t, 2)
	}},
	{name: "no idle connections at all, if so wished", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client(maxIdlePerHost(-1))
		for i := range 3 {
			e.get(client, s.URL)
			s.conns.awaitOpen(t, 0)
			assert.Equal(t, i+1, s.conns.count().total)
		}
	}},
	{name: "no more idle connections in all than allowed", modes: overHTTP1, run: func(t *testing.T, e *env) {
		a, b := e.serve(ok), e.serve(ok)
		client := e.client(func(base *http.Transport) { base.MaxIdleConns = 1 })
		e.get(client, a.URL)
		e.get(client, b.URL)
		a.conns.awaitOpen(t, 0)
		b.conns.awaitOpen(t, 1)
	}},
	{name: "the connection used last is used again, and not each in turn", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(gathers(3))
		client := e.client(maxIdlePerHost(3))
		e.atOnce(3, e.ask(client, s.URL))
		first := e.get(client, s.URL).body
		for range 5 {
			assert.Equal(t, first, e.get(client, s.URL).body)
		}
		assert.Equal(t, 3, s.conns.count().total)
	}},
}
