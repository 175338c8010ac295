package behaviour

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hooks records which hooks of a trace were called, in order.
type hooks struct {
	record
	mu    sync.Mutex
	conns []httptrace.GotConnInfo
	puts  []error
	done  *latch // set by PutIdleConn
}

func newHooks() *hooks { return &hooks{done: newLatch()} }

func (h *hooks) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:              func(hostPort string) { h.add("GetConn " + hostPort) },
		GotConn:              h.gotConn,
		PutIdleConn:          h.putIdleConn,
		GotFirstResponseByte: func() { h.add("GotFirstResponseByte") },
		DNSStart:             func(i httptrace.DNSStartInfo) { h.add("DNSStart " + i.Host) },
		DNSDone:              func(i httptrace.DNSDoneInfo) { h.add("DNSDone") },
		ConnectStart:         func(network, addr string) { h.add("ConnectStart " + addr) },
		ConnectDone:          func(network, addr string, err error) { h.add(fmt.Sprint("ConnectDone ", addr, " ", err != nil)) },
		TLSHandshakeStart:    func() { h.add("TLSHandshakeStart") },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { h.add(fmt.Sprint("TLSHandshakeDone ", err != nil)) },
		WroteHeaders:         func() { h.add("WroteHeaders") },
		WroteRequest:         func(i httptrace.WroteRequestInfo) { h.add(fmt.Sprint("WroteRequest ", i.Err != nil)) },
	}
}

func (h *hooks) gotConn(info httptrace.GotConnInfo) {
	h.add(fmt.Sprint("GotConn ", info.Reused))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = append(h.conns, info)
}

func (h *hooks) putIdleConn(err error) {
	h.add(fmt.Sprint("PutIdleConn ", err != nil))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.puts = append(h.puts, err)
	h.done.set()
}

// got returns what the last GotConn was told.
func (h *hooks) got() httptrace.GotConnInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[len(h.conns)-1]
}

// follow sends a request under a trace and reads the response.
func (e *env) follow(c *http.Client, method, url string, body io.Reader) (*hooks, reply) {
	e.t.Helper()
	h := newHooks()
	return h, e.do(c, e.traced(h.trace(), method, url, body))
}

// without drops the steps with some beginnings.
func without(steps []string, beginnings ...string) []string {
	return slices.DeleteFunc(steps, func(step string) bool {
		return slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(step, b) })
	})
}

// afterDial are the steps of a request that has a connection, but for those that a response may outrun.
func (e *env) afterDial(reused bool) []string {
	got := fmt.Sprint("GotConn ", reused)
	if e.mode.http2() {
		return []string{got, "GotFirstResponseByte"}
	}
	return []string{got, "WroteHeaders", "GotFirstResponseByte", "PutIdleConn false"}
}

// ordered are the steps that were told, but for those that a response may outrun, as somebody else tells of them: they
// are told at some time.
func (e *env) ordered(h *hooks) []string {
	e.t.Helper()
	outrun := []string{"WroteRequest"}
	if e.mode.http2() {
		outrun = append(outrun, "WroteHeaders")
	}
	told := func() bool { return len(h.list())-len(without(h.list(), outrun...)) >= len(outrun) }
	assert.Eventually(e.t, told, patience, time.Millisecond)
	return without(h.list(), outrun...)
}

var traces = []behaviour{
	{name: "all the steps of a first request, in order", run: func(t *testing.T, e *env) {
		s := e.serve(answers("text"))
		h, _ := e.follow(e.client(), "GET", s.URL, nil)
		want := []string{"GetConn " + s.addr, "ConnectStart " + s.addr, "ConnectDone " + s.addr + " false"}
		if e.mode.tls() {
			want = append(want, "TLSHandshakeStart", "TLSHandshakeDone false")
		}
		assert.Equal(t, append(want, e.afterDial(false)...), e.ordered(h))
	}},
	{name: "all the steps of a second request, in order", run: func(t *testing.T, e *env) {
		s := e.serve(answers("text"))
		client := e.client()
		e.get(client, s.URL)
		h, _ := e.follow(client, "GET", s.URL, nil)
		want := append([]string{"GetConn " + s.addr}, e.afterDial(true)...)
		assert.Equal(t, want, slices.Compact(e.ordered(h))) // http.Transport may tell of GetConn twice
	}},
	{name: "all the steps of an upload, in order", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			readsAll(w, r)
			_, _ = io.WriteString(w, "text")
		})
		client := e.client()
		e.get(client, s.URL)
		h, _ := e.follow(client, "POST", s.URL, io.MultiReader(strings.NewReader("text")))
		want := append([]string{"GetConn " + s.addr}, e.afterDial(true)...)
		assert.Equal(t, want, slices.Compact(e.ordered(h))) // http.Transport may tell of GetConn twice
	}},
	{name: "the end of the writing is told", run: func(t *testing.T, e *env) {
		wrote := make(chan error, 2)
		req := e.traced(&httptrace.ClientTrace{
			WroteRequest: func(i httptrace.WroteRequestInfo) { wrote <- i.Err },
		}, "POST", e.serve(readsAll).URL, io.MultiReader(strings.NewReader("text")))
		e.do(e.client(), req)
		assert.NoError(t, receive(t, "WroteRequest", wrote))
		assert.Empty(t, wrote)
	}},
	{name: "the name of the host is looked up", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		_, port, _ := net.SplitHostPort(s.addr)
		client := e.client(trustAnyName)
		h, _ := e.follow(client, "GET", e.scheme()+"://localhost:"+port, nil)
		assert.Equal(t, []string{"GetConn localhost:" + port, "DNSStart localhost", "DNSDone"}, h.list()[:3])
	}},
	{name: "a first connection is new, and was not idle", run: func(t *testing.T, e *env) {
		h, _ := e.follow(e.client(), "GET", e.serve(ok).URL, nil)
		info := h.got()
		assert.False(t, info.Reused)
		assert.False(t, info.WasIdle)
		assert.Zero(t, info.IdleTime)
	}},
	{name: "a second request finds the connection idle, and for how long", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client()
		e.get(client, s.URL)
		h, _ := e.follow(client, "GET", s.URL, nil)
		info := h.got()
		assert.True(t, info.Reused)
		assert.True(t, info.WasIdle)
		assert.Positive(t, info.IdleTime)
		assert.Less(t, info.IdleTime, patience)
	}},
	{name: "a connection in use is not idle", modes: overHTTP2, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				h(w, r)
			}
		})
		client := e.client()
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		trace, _ := e.follow(client, "GET", s.URL, nil)
		info := trace.got()
		assert.True(t, info.Reused)
		assert.False(t, info.WasIdle)
		assert.Zero(t, info.IdleTime)
		require.Error(t, u.cancelled())
	}},
	{name: "the connection that was got is the real one", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		h, got := e.follow(e.client(), "GET", s.URL, nil)
		conn := h.got().Conn
		assert.Equal(t, got.body, conn.LocalAddr().String())
		assert.Equal(t, s.addr, conn.RemoteAddr().String())
		_, ok := conn.(*tls.Conn)
		assert.Equal(t, e.mode.tls(), ok)
	}},
	{name: "every field that is written is told, the added ones too", run: func(t *testing.T, e *env) {
		var names record
		req := e.traced(&httptrace.ClientTrace{
			WroteHeaderField: func(name string, _ []string) { names.add(strings.ToLower(name)) },
		}, "POST", e.serve(readsAll).URL, strings.NewReader("text"))
		req.Header.Set("X-Own", "1")
		e.do(e.client(), req)
		want := []string{"host", "user-agent", "content-length", "x-own", "accept-encoding"}
		if e.mode.http2() {
			want[0] = ":authority"
		}
		got := names.list()
		for _, name := range want {
			assert.Contains(t, got, name)
		}
		assert.Equal(t, slices.Compact(slices.Sorted(slices.Values(got))), slices.Sorted(slices.Values(got)), "each once")
	}},
	{name: "a field's values are told", run: func(t *testing.T, e *env) {
		fields := make(map[string][]string)
		req := e.traced(&httptrace.ClientTrace{
			WroteHeaderField: func(name string, values []string) { fields[strings.ToLower(name)] = values },
		}, "GET", e.serve(ok).URL, nil)
		req.Header["X-Many"] = []string{"a"}
		e.do(e.client(), req)
		assert.Equal(t, []string{"a"}, fields["x-many"])
		assert.Equal(t, []string{"gzip"}, fields["accept-encoding"])
	}},
	{name: "a trace without hooks does no harm", run: func(t *testing.T, e *env) {
		req := e.traced(&httptrace.ClientTrace{}, "POST", e.serve(informs(103)).URL, strings.NewReader("text"))
		assert.Equal(t, 200, e.do(e.client(), req).StatusCode)
	}},
	{name: "of two traces both are told, the later one first", run: func(t *testing.T, e *env) {
		var order record
		req := e.traced(&httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { order.add("first") }}, "GET", e.serve(ok).URL, nil)
		second := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { order.add("second") }}
		e.do(e.client(), req.WithContext(httptrace.WithClientTrace(req.Context(), second)))
		assert.Equal(t, []string{"second", "first"}, order.list())
	}},
	{name: "a dial that fails got no connection", run: func(t *testing.T, e *env) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		addr, h := l.Addr().String(), newHooks()
		_ = e.fail(e.client(), e.traced(h.trace(), "GET", e.scheme()+"://"+addr, nil))
		assert.Equal(t, []string{"GetConn " + addr, "ConnectStart " + addr, "ConnectDone " + addr + " true"}, h.list())
	}},
	{name: "a handshake that fails got no connection", modes: overTLS, run: func(t *testing.T, e *env) {
		s, h := e.serve(ok), newHooks()
		client := e.client(dialsTo(s.addr, nil))
		_ = e.fail(client, e.traced(h.trace(), "GET", "https://other.test", nil))
		want := []string{"GetConn other.test:443", "TLSHandshakeStart", "TLSHandshakeDone true"}
		assert.Equal(t, want, without(h.list(), "Connect"))
	}},
	{name: "the state of TLS is told", modes: overTLS, run: func(t *testing.T, e *env) {
		var state tls.ConnectionState
		req := e.traced(&httptrace.ClientTrace{
			TLSHandshakeDone: func(s tls.ConnectionState, _ error) { state = s },
		}, "GET", e.serve(ok).URL, nil)
		e.do(e.client(), req)
		assert.True(t, state.HandshakeComplete)
		assert.NotEmpty(t, state.PeerCertificates)
	}},
	{name: "a request that could not be written says why", run: func(t *testing.T, e *env) {
		wrote := make(chan error, 1)
		own := errors.New("the body's own")
		req := e.traced(&httptrace.ClientTrace{
			WroteRequest: func(i httptrace.WroteRequestInfo) { wrote <- i.Err },
		}, "POST", e.serve(readsAll).URL, iotest.ErrReader(own))
		_ = e.fail(e.client(), req)
		assert.ErrorContains(t, receive(t, "WroteRequest", wrote), own.Error())
	}},
	{name: "a request that is cancelled already asks for no connection", run: func(t *testing.T, e *env) {
		h := newHooks()
		req := e.traced(h.trace(), "GET", e.serve(ok).URL, nil)
		ctx, cancel := context.WithCancel(req.Context())
		cancel()
		_ = e.fail(e.client(), req.WithContext(ctx))
		assert.Empty(t, h.list())
	}},
	{name: "a connection that is not kept is not told to be idle", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, "text")
		})
		h, _ := e.follow(e.client(), "GET", s.URL, nil)
		s.conns.awaitOpen(t, 0)
		assert.Equal(t, h.list(), without(h.list(), "PutIdleConn"))
	}},
	{name: "a connection given up in the body is not told to be idle", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s, h := e.serve(answers(large(1<<20))), newHooks()
		resp := e.open(e.client(), e.traced(h.trace(), "GET", s.URL, nil))
		require.NoError(t, resp.Body.Close())
		s.conns.awaitOpen(t, 0)
		assert.Equal(t, h.list(), without(h.list(), "PutIdleConn"))
	}},
	{name: "who waits for a place asks once and gets one", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client(maxConns(1))
		var all [10]*hooks
		var running sync.WaitGroup
		for i := range all {
			all[i] = newHooks()
			req := e.traced(all[i].trace(), "GET", s.URL, nil)
			running.Go(func() {
				if resp, err := client.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			})
		}
		running.Wait()
		for _, h := range all {
			steps := h.list()
			assert.Equal(t, "GetConn "+s.addr, steps[0])
			assert.Len(t, without(steps, "GetConn"), len(steps)-1)
			assert.Len(t, without(steps, "GotConn"), len(steps)-1)
		}
	}},
	{name: "what the request brought along is there in the dial", run: func(t *testing.T, e *env) {
		type mark struct{}
		s := e.serve(ok)
		seen := make(chan any, 1)
		client := e.client(func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				seen <- ctx.Value(mark{})
				return new(net.Dialer).DialContext(ctx, network, address)
			}
		})
		req := e.request("GET", s.URL, nil)
		e.do(client, req.WithContext(context.WithValue(req.Context(), mark{}, "mine")))
		assert.Equal(t, "mine", receive(t, "the dial", seen))
	}},
	{name: "a dial that outlives its request is told of all the same", run: func(t *testing.T, e *env) {
		s, dial := e.serve(ok), newHangs()
		client := e.client(dial.base)
		connected := make(chan string, 1)
		req := e.traced(&httptrace.ClientTrace{
			ConnectDone: func(_, addr string, _ error) { connected <- addr },
		}, "GET", s.URL, nil)
		u := e.send(client, req)
		receive(t, "the dial", dial.begun.done)
		require.Error(t, u.cancelled())
		dial.end.set()
		assert.Equal(t, s.addr, receive(t, "ConnectDone", connected))
	}},
}
