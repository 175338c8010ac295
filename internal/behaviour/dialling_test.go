package behaviour

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dialler dials an address, whatever it is asked for, and notes by what name it was called.
func dialler(calls *record, name, addr string) func(string, string) (net.Conn, error) {
	return func(network, _ string) (net.Conn, error) {
		calls.add(name)
		return net.Dial(network, addr)
	}
}

// withContext gives such a function a context.
func withContext(dial func(string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) }
}

// overTLSTo is a dialler that speaks TLS by itself; the handshake is left to whoever uses the connection.
func (e *env) overTLSTo(calls *record, name, addr string) func(string, string) (net.Conn, error) {
	dial := dialler(calls, name, addr)
	config := &tls.Config{RootCAs: trusted(), ServerName: "example.com"}
	if e.mode == h2 {
		config.NextProtos = []string{"h2"}
	}
	return func(network, address string) (net.Conn, error) {
		conn, err := dial(network, address)
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, config), nil
	}
}

// meddling is a connection of a type that nobody knows. It notes the sizes of its reads and writes.
type meddling struct {
	net.Conn
	reads, writes *atomic.Int64 // the largest
}

func (m *meddling) Read(p []byte) (int, error)  { raise(m.reads, len(p)); return m.Conn.Read(p) }
func (m *meddling) Write(p []byte) (int, error) { raise(m.writes, len(p)); return m.Conn.Write(p) }

func raise(most *atomic.Int64, n int) {
	for old := most.Load(); int64(n) > old && !most.CompareAndSwap(old, int64(n)); old = most.Load() {
	}
}

// meddled makes the connections such.
func meddled(reads, writes *atomic.Int64) func(*http.Transport) {
	return func(base *http.Transport) {
		base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &meddling{conn, reads, writes}, nil
		}
	}
}

var dialling = []behaviour{
	{name: "DialContext goes before Dial", run: func(t *testing.T, e *env) {
		var calls record
		s := e.serve(ok)
		client := e.client(func(base *http.Transport) {
			base.DialContext = withContext(dialler(&calls, "DialContext", s.addr))
			//lint:ignore SA1019 it is what the test is about
			base.Dial = dialler(&calls, "Dial", s.addr)
		})
		e.get(client, e.scheme()+"://example.com")
		assert.Equal(t, []string{"DialContext"}, calls.list())
	}},
	{name: "Dial alone is used", run: func(t *testing.T, e *env) {
		var calls record
		s := e.serve(ok)
		//lint:ignore SA1019 it is what the test is about
		client := e.client(func(base *http.Transport) { base.Dial = dialler(&calls, "Dial", s.addr) })
		e.get(client, e.scheme()+"://example.com")
		assert.Equal(t, []string{"Dial"}, calls.list())
	}},
	{name: "DialTLSContext goes before DialTLS and DialContext", modes: overTLS, run: func(t *testing.T, e *env) {
		var calls record
		s := e.serve(ok)
		client := e.client(func(base *http.Transport) {
			base.DialTLSContext = withContext(e.overTLSTo(&calls, "DialTLSContext", s.addr))
			//lint:ignore SA1019 it is what the test is about
			base.DialTLS = e.overTLSTo(&calls, "DialTLS", s.addr)
			base.DialContext = withContext(dialler(&calls, "DialContext", s.addr))
		})
		got := e.get(client, "https://anything.test")
		assert.Equal(t, []string{"DialTLSContext"}, calls.list())
		assert.Equal(t, e.mode == h2, got.ProtoMajor == 2)
		assert.NotNil(t, got.TLS)
	}},
	{name: "DialTLS goes before DialContext", modes: overTLS, run: func(t *testing.T, e *env) {
		var calls record
		s := e.serve(ok)
		client := e.client(func(base *http.Transport) {
			//lint:ignore SA1019 it is what the test is about
			base.DialTLS = e.overTLSTo(&calls, "DialTLS", s.addr)
			base.DialContext = withContext(dialler(&calls, "DialContext", s.addr))
		})
		e.get(client, "https://anything.test")
		assert.Equal(t, []string{"DialTLS"}, calls.list())
	}},
	{name: "DialTLSContext is not for requests in the clear", modes: inTheClear, run: func(t *testing.T, e *env) {
		var calls record
		s := e.serve(ok)
		client := e.client(func(base *http.Transport) {
			base.DialTLSContext = withContext(dialler(&calls, "DialTLSContext", s.addr))
			base.DialContext = withContext(dialler(&calls, "DialContext", s.addr))
		})
		e.get(client, "http://example.com")
		assert.Equal(t, []string{"DialContext"}, calls.list())
	}},
	{name: "DialTLSContext may give a connection that knows nothing of TLS", modes: []mode{https}, run: func(t *testing.T, e *env) {
		var calls record
		s := e.serveIn(plain, ok)
		client := e.client(func(base *http.Transport) {
			base.DialTLSContext = withContext(dialler(&calls, "DialTLSContext", s.addr))
		})
		assert.Nil(t, e.get(client, "https://example.com").TLS)
	}},
	{name: "a connection of a type that nobody knows will do", run: func(t *testing.T, e *env) {
		var reads, writes atomic.Int64
		s, seen := e.serveOne()
		client := e.client(meddled(&reads, &writes))
		for range 3 {
			e.post(client, s.URL, io.MultiReader(strings.NewReader(large(100<<10))))
			assert.Len(t, receive(t, "the request", seen).body, 100<<10)
		}
		assert.Equal(t, 1, s.conns.count().total)
		assert.Positive(t, reads.Load())
	}},
	{name: "a connection within the process will do", run: func(t *testing.T, e *env) {
		pipes := newPipes()
		e.serve(tellsTarget, func(s *httptest.Server) { _ = s.Listener.Close(); s.Listener = pipes })
		client := e.client(func(base *http.Transport) { base.DialContext = pipes.dial })
		for range 3 {
			got := e.post(client, e.scheme()+"://example.com/a", io.MultiReader(strings.NewReader("text")))
			assert.Equal(t, "POST example.com/a text", got.body)
		}
	}},
	{name: "a clone of the default transport leads to a unix socket", run: func(t *testing.T, e *env) {
		path := filepath.Join(shortDir(t), "s")
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		s := e.serve(tellsTarget, func(s *httptest.Server) { _ = s.Listener.Close(); s.Listener = l })
		base := http.DefaultTransport.(*http.Transport).Clone()
		base.Protocols = protocolsFor(e.mode)
		base.TLSClientConfig = &tls.Config{RootCAs: trusted(), ServerName: "example.com"}
		base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		client := &http.Client{Transport: e.make(t, base)}
		for range 3 {
			got := e.post(client, e.scheme()+"://localhost/a", strings.NewReader("text"))
			assert.Equal(t, "POST localhost/a text", got.body)
			assert.Equal(t, e.mode.http2(), got.ProtoMajor == 2)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
}

// shortDir returns a directory whose name leaves room for that of a socket.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "b")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// pipes is a listener within the process.
type pipes struct {
	conns chan net.Conn
	done  *latch
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), newLatch()} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.done.set(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
