package behaviour

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// switching is a handler that switches to a protocol, says something at once, and then runs it.
func switching(to, first string, run func(net.Conn, *bufio.Reader)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), to) {
			http.Error(w, "no "+to, http.StatusUpgradeRequired)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n%s", to, first)
		_ = rw.Flush()
		run(conn, rw.Reader)
	}
}

// echoes sends back line after line.
func echoes(conn net.Conn, in *bufio.Reader) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, strings.ToUpper(line))
	}
}

// upgrading makes a request that asks for a protocol.
func (e *env) upgrading(url, to string) *http.Request {
	e.t.Helper()
	req := e.request("GET", url, nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", to)
	return req
}

// wire is the connection behind a response that has switched.
type wire struct {
	t *testing.T
	io.ReadWriteCloser
	in *bufio.Reader
}

// upgraded sends such a request and returns the connection.
func (e *env) upgraded(c *http.Client, url, to string) *wire {
	e.t.Helper()
	resp := e.open(c, e.upgrading(url, to))
	require.Equal(e.t, http.StatusSwitchingProtocols, resp.StatusCode)
	rwc, ok := resp.Body.(io.ReadWriteCloser)
	require.True(e.t, ok, "the body can be written")
	return &wire{e.t, rwc, bufio.NewReader(rwc)}
}

// says writes a line and returns the answer.
func (w *wire) says(line string) string {
	w.t.Helper()
	_, err := io.WriteString(w, line+"\n")
	require.NoError(w.t, err)
	return w.line()
}

func (w *wire) line() string {
	w.t.Helper()
	line, err := w.in.ReadString('\n')
	require.NoError(w.t, err)
	return strings.TrimSuffix(line, "\n")
}

var upgrades = []behaviour{
	{name: "both sides speak the new protocol", modes: overHTTP1, run: func(t *testing.T, e *env) {
		w := e.upgraded(e.client(), e.serve(switching("echo/1", "", echoes)).URL, "echo/1")
		assert.Equal(t, "ONE", w.says("one"))
		assert.Equal(t, "TWO", w.says("two"))
	}},
	{name: "what the server says at once is not lost", modes: overHTTP1, run: func(t *testing.T, e *env) {
		w := e.upgraded(e.client(), e.serve(switching("echo/1", "hello\n", echoes)).URL, "echo/1")
		assert.Equal(t, "hello", w.line())
		assert.Equal(t, "ONE", w.says("one"))
	}},
	{name: "closing the body closes the connection", modes: overHTTP1, run: func(t *testing.T, e *env) {
		ended := newLatch()
		s := e.serve(switching("echo/1", "", func(c net.Conn, in *bufio.Reader) { echoes(c, in); ended.set() }))
		require.NoError(t, e.upgraded(e.client(), s.URL, "echo/1").Close())
		receive(t, "the end at the server", ended.done)
	}},
	{name: "the server's close ends the body", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(switching("echo/1", "bye\n", func(net.Conn, *bufio.Reader) {}))
		w := e.upgraded(e.client(), s.URL, "echo/1")
		assert.Equal(t, "bye", w.line())
		_, err := w.Read(make([]byte, 1))
		assert.Error(t, err)
	}},
	{name: "a refusal is a response like any other", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(switching("echo/1", "", echoes))
		client := e.client()
		for range 2 {
			got := e.do(client, e.upgrading(s.URL, "other/1"))
			assert.Equal(t, http.StatusUpgradeRequired, got.StatusCode)
			assert.Equal(t, "no echo/1\n", got.body)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "the connection is not used for anything else", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(switching("echo/1", "", echoes))
		client := e.client()
		w := e.upgraded(client, s.URL, "echo/1")
		assert.Equal(t, http.StatusUpgradeRequired, e.get(client, s.URL).StatusCode)
		client.CloseIdleConnections()
		assert.Equal(t, "STILL THERE", w.says("still there"))
	}},
	{name: "it goes where keep-alive is off", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(switching("echo/1", "", echoes))
		client := e.client(func(base *http.Transport) { base.DisableKeepAlives = true })
		assert.Equal(t, "ONE", e.upgraded(client, s.URL, "echo/1").says("one"))
	}},
	{name: "a WebSocket to a server of HTTP/2 goes by HTTP/1.1", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		s := e.serve(switching("websocket", "", echoes), func(s *httptest.Server) { s.TLS = serverTLS().Clone(); s.TLS.NextProtos = []string{"h2", "http/1.1"} })
		client := e.client()
		assert.Equal(t, "HTTP/2.0", e.get(client, s.URL).Proto)
		assert.Equal(t, "ONE", e.upgraded(client, s.URL, "websocket").says("one"))
		assert.Equal(t, "HTTP/2.0", e.get(client, s.URL).Proto)
	}},
	{name: "a WebSocket passes a reverse proxy, both ways", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxied(switching("websocket", "hello\n", echoes))
		w := e.upgraded(f.client, f.URL, "websocket")
		assert.Equal(t, "hello", w.line())
		assert.Equal(t, "ONE", w.says("one"))
		assert.Equal(t, "TWO", w.says("two"))
	}},
	{name: "another protocol passes a reverse proxy", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxied(switching("echo/1", "", echoes))
		assert.Equal(t, "ONE", e.upgraded(f.client, f.URL, "echo/1").says("one"))
	}},
	{name: "100 KB pass a reverse proxy after an upgrade", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxied(switching("echo/1", "", echoes))
		w := e.upgraded(f.client, f.URL, "echo/1")
		long := strings.Repeat("x", 100<<10)
		assert.Equal(t, strings.ToUpper(long), w.says(long))
	}},
	{name: "a refused upgrade passes a reverse proxy", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxied(switching("echo/1", "", echoes))
		got := e.do(f.client, e.upgrading(f.URL, "other/1"))
		assert.Equal(t, http.StatusUpgradeRequired, got.StatusCode)
		assert.Equal(t, "no echo/1\n", got.body)
	}},
	{name: "a client that hangs up after an upgrade hangs up on the server", modes: overHTTP1, run: func(t *testing.T, e *env) {
		ended := newLatch()
		f := e.proxied(switching("echo/1", "", func(c net.Conn, in *bufio.Reader) { echoes(c, in); ended.set() }))
		w := e.upgraded(f.client, f.URL, "echo/1")
		assert.Equal(t, "ONE", w.says("one"))
		require.NoError(t, w.Close())
		receive(t, "the end at the server", ended.done)
	}},
	{name: "a server that hangs up after an upgrade hangs up on the client", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxied(switching("echo/1", "bye\n", func(net.Conn, *bufio.Reader) {}))
		w := e.upgraded(f.client, f.URL, "echo/1")
		assert.Equal(t, "bye", w.line())
		_, err := w.Read(make([]byte, 1))
		assert.Error(t, err)
	}},
	{name: "one side may end before the other after an upgrade", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxied(switching("echo/1", "", func(c net.Conn, in *bufio.Reader) {
			all, _ := io.ReadAll(in) // until the client ends its side
			_, _ = c.Write(all)
		}))
		w := e.upgraded(f.client, f.URL, "echo/1")
		_, err := io.WriteString(w, "last words")
		require.NoError(t, err)
		half, ok := w.ReadWriteCloser.(interface{ CloseWrite() error })
		require.True(t, ok)
		require.NoError(t, half.CloseWrite())
		got, err := io.ReadAll(w.in)
		require.NoError(t, err)
		assert.Equal(t, "last words", string(got))
	}},
	{name: "a WebSocket passes a reverse proxy in front of HTTP/2", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		s := e.serve(switching("websocket", "", echoes), func(s *httptest.Server) { s.TLS = serverTLS().Clone(); s.TLS.NextProtos = []string{"h2", "http/1.1"} })
		target, _ := url.Parse(s.URL)
		f := e.frontIn(plain, &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport: e.transport(),
		})
		assert.Equal(t, "ONE", e.upgraded(f.client, f.URL, "websocket").says("one"))
	}},
}
