package behaviour

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gathers is a handler that answers only when n requests are there; OPTIONS at once.
func gathers(n int32) http.HandlerFunc {
	var there atomic.Int32
	all := newLatch()
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "OPTIONS" {
			return
		}
		if there.Add(1) == n {
			all.set()
		}
		select {
		case <-all.done:
			tellsConn(w, r)
		case <-r.Context().Done():
		}
	}
}

// ask returns a call that sends one request and reads the answer.
func (e *env) ask(c *http.Client, url string) func() error {
	return func() error {
		resp, err := c.Do(e.request("GET", url, nil))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}

var reuse = []behaviour{
	{name: "one request after the other goes on one connection", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		first := e.get(client, s.URL).body
		for range 10 {
			assert.Equal(t, first, e.get(client, s.URL).body)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "reading to the end suffices, without a close", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		for range 3 {
			_, err := io.Copy(io.Discard, e.open(client, e.request("GET", s.URL, nil)).Body)
			require.NoError(t, err)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "an empty body needs neither reading nor closing", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client()
		for range 3 {
			_ = e.open(client, e.request("GET", s.URL, nil))
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "the answer to HEAD needs neither reading nor closing", run: func(t *testing.T, e *env) {
		s := e.serve(answers("text"))
		client := e.client()
		for range 3 {
			_ = e.open(client, e.request("HEAD", s.URL, nil))
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "the connection is there when the last byte has been read", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "four")
		})
		client := e.client()
		for range 20 {
			assert.Equal(t, "four", e.get(client, s.URL).body)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "a body half read does not give its connection back", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(answers(large(1 << 20)))
		client := e.client()
		resp := e.open(client, e.request("GET", s.URL, nil))
		require.NoError(t, resp.Body.Close())
		s.conns.awaitOpen(t, 0)
		e.get(client, s.URL)
		assert.Equal(t, 2, s.conns.count().total)
	}},
	{name: "a POST goes on the connection of the GET before", run: func(t *testing.T, e *env) {
		s, _ := e.serveOne()
		client := e.client()
		e.get(client, s.URL)
		e.post(client, s.URL, newUpload(io.LimitReader(endless{}, 1000)))
		e.get(client, s.URL)
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "requests at once go on connections of their own", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(gathers(8))
		client := e.client(maxIdlePerHost(8))
		e.atOnce(8, e.ask(client, s.URL))
		assert.Equal(t, 8, s.conns.count().total)
		s.conns.await(t, "idle connections", func(n count) bool { return n.idle == 8 })
	}},
	{name: "idle connections are used again by many at once", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(gathers(8))
		client := e.client(maxIdlePerHost(8))
		for range 3 {
			e.atOnce(8, e.ask(client, s.URL))
		}
		assert.LessOrEqual(t, s.conns.count().total, 16)
	}},
	{name: "different hosts have different connections", run: func(t *testing.T, e *env) {
		a, b := e.serve(tellsConn), e.serve(tellsConn)
		client := e.client()
		for range 3 {
			e.get(client, a.URL)
			e.get(client, b.URL)
		}
		assert.Equal(t, 1, a.conns.count().total)
		assert.Equal(t, 1, b.conns.count().total)
	}},
	{name: "one transport's connections are not another's", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		a, b := e.get(e.client(), s.URL).body, e.get(e.client(), s.URL).body
		assert.NotEqual(t, a, b)
	}},
	{name: "with TLS and without are different places at the same address", modes: overTLS, run: func(t *testing.T, e *env) {
		asked := new(record)
		tlsServer := e.serve(ok)
		plainServer := e.serveIn(plain, ok)
		client := e.client(func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				addr := map[int]string{0: tlsServer.addr, 1: plainServer.addr}[len(asked.list())]
				asked.add(address)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		})
		for range 2 {
			e.get(client, "https://example.com:8123/")
			e.get(client, "http://example.com:8123/")
		}
		assert.Equal(t, []string{"example.com:8123", "example.com:8123"}, asked.list())
	}},
	{name: "a request that wants to close does", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client()
		req := e.request("GET", s.URL, nil)
		req.Close = true
		e.do(client, req)
		s.conns.awaitOpen(t, 0)
		e.get(client, s.URL)
		assert.Equal(t, 2, s.conns.count().total)
	}},
	{name: "a request's header that wants to close does", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client()
		req := e.request("GET", s.URL, nil)
		req.Header.Set("Connection", "close")
		e.do(client, req)
		s.conns.awaitOpen(t, 0)
		e.get(client, s.URL)
		assert.Equal(t, 2, s.conns.count().total)
	}},
	{name: "a response that wants to close does", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			tellsConn(w, r)
		})
		client := e.client()
		first := e.get(client, s.URL).body
		s.conns.awaitOpen(t, 0)
		assert.NotEqual(t, first, e.get(client, s.URL).body)
	}},
	{name: "idle connections that the server closes are not used", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		for range 5 {
			first := e.get(client, s.URL).body
			s.CloseClientConnections()
			s.conns.awaitOpen(t, 0)
			assert.NotEqual(t, first, e.get(client, s.URL).body)
		}
	}},
	{name: "a server that restarts at its address is found again", modes: overHTTP1, run: func(t *testing.T, e *env) {
		first := e.serve(answers("first"))
		client := e.client()
		require.Equal(t, "first", e.get(client, first.URL).body)
		first.Close()
		second := e.serve(answers("second"), func(s *httptest.Server) {
			_ = s.Listener.Close()
			l, err := net.Listen("tcp", first.addr)
			require.NoError(t, err)
			s.Listener = l
		})
		assert.Equal(t, "second", e.get(client, second.URL).body)
	}},
	{name: "closing idle connections closes them all", run: func(t *testing.T, e *env) {
		a, b := e.serve(ok), e.serve(ok)
		client := e.client()
		e.get(client, a.URL)
		e.get(client, b.URL)
		client.CloseIdleConnections()
		a.conns.awaitOpen(t, 0)
		b.conns.awaitOpen(t, 0)
	}},
	{name: "closing idle connections leaves those in use, until they are idle", run: func(t *testing.T, e *env) {
		answer := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-answer.done
			_, _ = io.WriteString(w, "whole")
		})
		client := e.client()
		resp := e.open(client, e.request("GET", s.URL, nil))
		client.CloseIdleConnections()
		answer.set()
		assert.Equal(t, "whole", e.readAll(resp).body)
		if !e.mode.http2() { // http.Transport keeps these
			s.conns.awaitOpen(t, 0)
		}
	}},
	{name: "without keep-alive each request has a connection of its own", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		client := e.client(func(base *http.Transport) { base.DisableKeepAlives = true })
		for range 3 {
			e.get(client, s.URL)
			r := receive(t, "the request", seen)
			assert.Equal(t, !e.mode.http2(), r.Close, "asks the server to close")
			s.conns.awaitOpen(t, 0)
		}
		assert.Equal(t, 3, s.conns.count().total)
	}},
	{name: "an idle connection is closed in time", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client(func(base *http.Transport) { base.IdleConnTimeout = 30 * time.Millisecond })
		e.get(client, s.URL)
		s.conns.awaitOpen(t, 0)
		e.get(client, s.URL)
		assert.Equal(t, 2, s.conns.count().total)
	}},
	{name: "a response in progress is not idle", run: func(t *testing.T, e *env) {
		answer := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-answer.done
			_, _ = io.WriteString(w, "whole")
		})
		client := e.client(func(base *http.Transport) { base.IdleConnTimeout = 10 * time.Millisecond })
		resp := e.open(client, e.request("GET", s.URL, nil))
		time.AfterFunc(50*time.Millisecond, answer.set)
		assert.Equal(t, "whole", e.readAll(resp).body)
	}},
}
