package behaviour

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// raw is the server's end of a connection that speaks HTTP/1.1 by hand.
type raw struct {
	net.Conn
	in *bufio.Reader
}

// serveRaw starts a server that runs a script on each connection and then closes it. It returns its URL.
func (e *env) serveRaw(script func(raw)) string {
	e.t.Helper()
	addr := e.listenTLS(func(c net.Conn) { script(raw{c, bufio.NewReader(c)}) })
	return e.scheme() + "://" + addr
}

// head reads the head of a request, or returns nil if the connection has ended.
func (r raw) head() *http.Request {
	req, err := http.ReadRequest(r.in)
	if err != nil {
		return nil
	}
	return req
}

// says writes lines as HTTP ends them.
func (r raw) says(lines ...string) { _, _ = io.WriteString(r, strings.Join(lines, "\r\n")+"\r\n") }

// sends writes text as it is.
func (r raw) sends(text string) { _, _ = io.WriteString(r, text) }

// always answers every request in the same way, until the client closes.
func always(lines ...string) func(raw) {
	return func(r raw) {
		for r.head() != nil {
			r.says(lines...)
		}
	}
}

// once answers one request with text as it is, and closes.
func once(text string) func(raw) {
	return func(r raw) {
		if r.head() != nil {
			r.sends(text)
		}
	}
}

var corners = []behaviour{
	{name: "413 in the middle of an upload, and the connection closed", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			if r.head() == nil {
				return
			}
			_, _ = io.CopyN(io.Discard, r.in, 1000)
			r.says("HTTP/1.1 413 Too Large", "Connection: close", "Content-Length: 3", "", "no")
			_, _ = io.Copy(io.Discard, r.in)
		})
		body := newUpload(io.LimitReader(endless{}, 1<<20))
		got := e.post(e.client(), url, body)
		assert.Equal(t, 413, got.StatusCode)
		assert.Equal(t, "no\r", got.body)
		receive(t, "Close of the upload", body.closed.done)
	}},
	{name: "a close within a body of known length", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
		got, err := io.ReadAll(e.open(e.client(), e.request("GET", url, nil)).Body)
		assert.Equal(t, "half", string(got))
		assert.Equal(t, io.ErrUnexpectedEOF, err)
	}},
	{name: "a close is the end of a body of unknown length", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\n\r\nwhole"))
		got := e.get(e.client(), url)
		assert.Equal(t, "whole", got.body)
		assert.EqualValues(t, -1, got.ContentLength)
		assert.True(t, got.Close)
	}},
	{name: "a close within a chunk", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf"))
		got, err := io.ReadAll(e.open(e.client(), e.request("GET", url, nil)).Body)
		assert.Equal(t, "half", string(got))
		assert.Equal(t, io.ErrUnexpectedEOF, err)
	}},
	{name: "100 refused, and the connection kept by sending the body all the same", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			for req := r.head(); req != nil; req = r.head() {
				r.says("HTTP/1.1 401 Unauthorized", "Content-Length: 0", "")
				_, _ = io.Copy(io.Discard, req.Body)
			}
		})
		client := e.client(continues)
		for range 2 {
			assert.Equal(t, 401, e.do(client, e.expecting(url, strings.NewReader("text"))).StatusCode)
		}
	}},
	{name: "a length and chunks at once: the chunks count", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n"))
		got := e.get(e.client(), url)
		assert.Equal(t, "whole", got.body)
		assert.EqualValues(t, -1, got.ContentLength)
		assert.NotContains(t, got.Header, "Content-Length")
	}},
	{name: "two lengths that do not agree", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nfour"))
		_ = e.fail(e.client(), e.request("POST", url, nil))
	}},
	{name: "HEAD answered with a body has none", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(always("HTTP/1.1 200 OK", "Content-Length: 6", "", "body"))
		got := e.do(e.client(), e.request("HEAD", url, nil))
		assert.EqualValues(t, 6, got.ContentLength)
		assert.Empty(t, got.body)
	}},
	{name: "a flood of informational responses without an end", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			r.head()
			for err := error(nil); err == nil; {
				_, err = io.WriteString(r, "HTTP/1.1 103 Early Hints\r\nX-Long: "+strings.Repeat("x", 1000)+"\r\n\r\n")
			}
		})
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 64 << 10 }
		_ = e.fail(e.client(small), e.request("POST", url, nil))
	}},
	{name: "a flood that somebody receives is received", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			if r.head() != nil {
				r.sends(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 5000))
				r.says("HTTP/1.1 200 OK", "Content-Length: 0", "")
			}
		})
		n := 0
		req := e.traced(&httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { n++; return nil }}, "GET", url, nil)
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 64 << 10 }
		assert.Equal(t, 200, e.do(e.client(small), req).StatusCode)
		assert.Equal(t, 5000, n)
	}},
	{name: "a trailer that nobody announced", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n"))
		got := e.get(e.client(), url)
		assert.Equal(t, "body", got.body)
		assert.Equal(t, http.Header{"X-Sum": {"42"}}, got.Trailer)
	}},
	{name: "gzip of two members in chunks that cut across them", modes: overHTTP1, run: func(t *testing.T, e *env) {
		both := zip("one", "two")
		url := e.serveRaw(func(r raw) {
			if r.head() == nil {
				return
			}
			r.says("HTTP/1.1 200 OK", "Content-Encoding: gzip", "Transfer-Encoding: chunked", "")
			for _, b := range both {
				r.sends("1\r\n" + string([]byte{b}) + "\r\n")
			}
			r.sends("0\r\n\r\n")
		})
		assert.Equal(t, "onetwo", e.get(e.client(), url).body)
	}},
	{name: "a header without an end", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			r.head()
			_, err := io.WriteString(r, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(r, "X-Long: "+strings.Repeat("x", 1000)+"\r\n")
			}
		})
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 64 << 10 }
		err := e.fail(e.client(small), e.request("POST", url, nil))
		assert.ErrorContains(t, err, "server response headers exceeded 65536 bytes")
	}},
	{name: "a second answer that nobody asked for is nobody's answer", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			if req := r.head(); req != nil {
				r.sends("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nownHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nforeign")
			}
			for r.head() != nil {
			}
		})
		client := e.client()
		for range 3 {
			assert.Equal(t, "own", e.get(client, url).body)
		}
	}},
	{name: "a body closed before its end, and the next request answered right", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			for req := r.head(); req != nil; req = r.head() {
				r.sends("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + req.URL.Path + strings.Repeat("x", 100000-len(req.URL.Path)))
			}
		})
		client := e.client()
		for _, path := range []string{"/one", "/two", "/three"} {
			resp := e.open(client, e.request("GET", url+path, nil))
			begin := make([]byte, len(path))
			_, err := io.ReadFull(resp.Body, begin)
			require.NoError(t, err)
			assert.Equal(t, path, string(begin))
			require.NoError(t, resp.Body.Close())
		}
	}},
	{name: "keep-alive in HTTP/1.0", modes: overHTTP1, run: func(t *testing.T, e *env) {
		conns := make(chan struct{}, 10)
		url := e.serveRaw(func(r raw) {
			conns <- struct{}{}
			always("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 0", "")(r)
		})
		client := e.client()
		e.get(client, url)
		e.get(client, url)
		assert.Len(t, conns, 1)
	}},
	{name: "no keep-alive in HTTP/1.0", modes: overHTTP1, run: func(t *testing.T, e *env) {
		conns := make(chan struct{}, 10)
		url := e.serveRaw(func(r raw) {
			conns <- struct{}{}
			always("HTTP/1.0 200 OK", "Content-Length: 0", "")(r)
		})
		client := e.client()
		e.get(client, url)
		e.get(client, url)
		assert.Len(t, conns, 2)
	}},
	{name: "CONNECT as a method of the caller's own carries bytes both ways", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			if req := r.head(); req == nil || req.Method != "CONNECT" || req.Host != "target.test:22" {
				r.says("HTTP/1.1 400 Bad Request", "Content-Length: 0", "")
				return
			}
			r.says("HTTP/1.1 200 OK", "")
			_, _ = io.Copy(r, r.in)
		})
		in, out := io.Pipe()
		req := e.request("CONNECT", url, in)
		req.Host = "target.test:22"
		resp := e.open(e.client(), req)
		require.Equal(t, 200, resp.StatusCode)
		go func() { _, _ = io.WriteString(out, "SSH-2.0") }()
		echo := make([]byte, 7)
		_, err := io.ReadFull(resp.Body, echo)
		require.NoError(t, err)
		assert.Equal(t, "SSH-2.0", string(echo))
		_ = out.Close()
	}},
	{name: "CONNECT of the caller's own refused with a body", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(always("HTTP/1.1 403 Forbidden", "Content-Length: 4", "", "no"))
		got := e.do(e.client(), e.request("CONNECT", url, nil))
		assert.Equal(t, 403, got.StatusCode)
		assert.Equal(t, "no\r\n", got.body)
	}},
	{name: "an upgrade refused, with a body and the connection kept", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(always("HTTP/1.1 426 Upgrade Required", "Upgrade: other", "Connection: Upgrade", "Content-Length: 4", "", "no"))
		client := e.client()
		for range 2 {
			got := e.do(client, e.upgrading(url, "echo/1"))
			assert.Equal(t, 426, got.StatusCode)
			assert.Equal(t, "no\r\n", got.body)
		}
	}},
	{name: "101 that nobody asked for", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"))
		assert.Equal(t, 101, e.open(e.client(), e.request("GET", url, nil)).StatusCode)
	}},
	{name: "a field without a colon", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n"))
		assert.ErrorContains(t, e.fail(e.client(), e.request("POST", url, nil)), "malformed MIME header")
	}},
	{name: "a status line without a text", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"))
		assert.Equal(t, 200, e.get(e.client(), url).StatusCode)
	}},
	{name: "a length with a sign", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(once("HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc"))
		assert.ErrorContains(t, e.fail(e.client(), e.request("POST", url, nil)), `bad Content-Length "+3"`)
	}},
}
