package behaviour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tellsTarget is a handler that answers with what it was asked for.
func tellsTarget(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s%s %s", r.Method, r.Host, r.RequestURI, body)
}

var proxies = []behaviour{
	{name: "a request in the clear goes to the proxy in absolute form", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(tellsTarget).addr)
		client := e.client(p.through())
		assert.Equal(t, "POST host.test:81/a?b text", e.post(client, "http://host.test:81/a?b", strings.NewReader("text")).body)
		assert.Equal(t, []string{"POST http://host.test:81/a?b"}, p.asked.list())
	}},
	{name: "a request in the clear names the host that it is for, not the one it goes to", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(tellsTarget).addr)
		req := e.request("GET", "http://host.test/a", nil)
		req.Host = "virtual.test"
		e.do(e.client(p.through()), req)
		assert.Equal(t, []string{"GET http://virtual.test/a"}, p.asked.list())
	}},
	{name: "the user of the proxy's URL becomes its password", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		e.get(e.client(p.through("user", "pass:word")), "http://host.test/")
		e.get(e.client(p.through("user")), "http://host.test/")
		assert.Equal(t, []string{"GET http://host.test/ user:pass:word", "GET http://host.test/ user:"}, p.asked.list())
	}},
	{name: "a proxy's refusal of a request in the clear is a response like any other", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, "")
		p.answer = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "who?", http.StatusProxyAuthRequired) }
		got := e.get(e.client(p.through()), "http://host.test/")
		assert.Equal(t, http.StatusProxyAuthRequired, got.StatusCode)
		assert.Equal(t, "who?\n", got.body)
	}},
	{name: "requests in the clear to many hosts share a connection to the proxy", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through())
		for i := range 5 {
			e.get(client, fmt.Sprintf("http://host%d.test/", i))
		}
		assert.Equal(t, 1, p.conns.count().total)
	}},
	{name: "an upgrade in the clear goes through the proxy", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, "")
		p.answer = switching("echo/1", "", echoes)
		assert.Equal(t, "ONE", e.upgraded(e.client(p.through()), "http://host.test/", "echo/1").says("one"))
		assert.Equal(t, []string{"GET http://host.test/"}, p.asked.list())
	}},
	{name: "a request with TLS goes through a tunnel", modes: overTLS, run: func(t *testing.T, e *env) {
		s := e.serve(tellsTarget)
		p := e.serveProxy(plain, s.addr)
		got := e.post(e.client(p.through()), "https://example.com/a", strings.NewReader("text"))
		assert.Equal(t, "POST example.com/a text", got.body)
		assert.Equal(t, []string{"CONNECT example.com:443"}, p.asked.list())
		assert.Equal(t, e.mode.http2(), got.ProtoMajor == 2)
	}},
	{name: "a tunnel's end proves who it is", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		assert.ErrorContains(t, e.fail(e.client(p.through()), e.request("GET", "https://other.test/", nil)), "certificate")
	}},
	{name: "the proxy is asked for a tunnel with its password", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		e.get(e.client(p.through("user", "secret")), "https://example.com/")
		assert.Equal(t, []string{"CONNECT example.com:443 user:secret"}, p.asked.list())
	}},
	{name: "the server does not see the proxy's password", modes: overTLS, run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		e.get(e.client(e.serveProxy(plain, s.addr).through("user", "secret")), "https://example.com/")
		assert.NotContains(t, receive(t, "the request", seen).Header, "Proxy-Authorization")
	}},
	{name: "a tunnel is used again", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through())
		for range 3 {
			e.get(client, "https://example.com/")
		}
		assert.Len(t, p.asked.list(), 1)
	}},
	{name: "a tunnel leads to one host only", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through())
		e.get(client, "https://example.com/")
		e.get(client, "https://www.example.com/")
		assert.Equal(t, []string{"CONNECT example.com:443", "CONNECT www.example.com:443"}, p.asked.list())
	}},
	{name: "an IPv6 address is asked for in brackets", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		e.get(e.client(p.through(), trustAnyName), "https://[2001:db8::1]/")
		assert.Equal(t, []string{"CONNECT [2001:db8::1]:443"}, p.asked.list())
	}},
	{name: "a header for CONNECT is sent, and not changed", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		header := http.Header{"User-Agent": {"own/1"}, "X-Own": {"a", "b"}}
		client := e.client(p.through("user", "secret"), func(base *http.Transport) { base.ProxyConnectHeader = header })
		e.get(client, "https://example.com/")
		got := receive(t, "CONNECT", p.headers)
		assert.Equal(t, []string{"a", "b"}, got["X-Own"])
		assert.Equal(t, "own/1", got.Get("User-Agent"))
		assert.Equal(t, http.Header{"User-Agent": {"own/1"}, "X-Own": {"a", "b"}}, header)
	}},
	{name: "a header for CONNECT may depend on proxy and target", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through(), func(base *http.Transport) {
			base.ProxyConnectHeader = http.Header{"X-Own": {"not this"}}
			base.GetProxyConnectHeader = func(_ context.Context, proxy *url.URL, target string) (http.Header, error) {
				return http.Header{"X-Own": {proxy.Host + " " + target}}, nil
			}
		})
		e.get(client, "https://example.com/")
		assert.Equal(t, []string{p.addr + " example.com:443"}, receive(t, "CONNECT", p.headers)["X-Own"])
	}},
	{name: "an error of that function ends the request", modes: overTLS, run: func(t *testing.T, e *env) {
		own := errors.New("no header today")
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through(), func(base *http.Transport) {
			base.GetProxyConnectHeader = func(context.Context, *url.URL, string) (http.Header, error) { return nil, own }
		})
		assert.Same(t, own, e.fail(client, e.request("GET", "https://example.com/", nil)))
		p.conns.awaitOpen(t, 0)
	}},
	{name: "the proxy's answer to CONNECT is shown", modes: overTLS, run: func(t *testing.T, e *env) {
		var seen record
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through(), func(base *http.Transport) {
			base.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
				seen.add(fmt.Sprint(proxy.Host, " ", req.Method, " ", req.URL.Opaque, " ", resp.StatusCode))
				return nil
			}
		})
		e.get(client, "https://example.com/")
		assert.Equal(t, []string{p.addr + " CONNECT example.com:443 200"}, seen.list())
	}},
	{name: "who is shown the answer may refuse it", modes: overTLS, run: func(t *testing.T, e *env) {
		own := errors.New("not through this one")
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(p.through(), func(base *http.Transport) {
			base.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error { return own }
		})
		assert.Same(t, own, e.fail(client, e.request("GET", "https://example.com/", nil)))
	}},
	{name: "a refusal of CONNECT with a body is an error with the status's text", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, "")
		p.answer = func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, large(10000), http.StatusProxyAuthRequired)
		}
		body := newUpload(strings.NewReader("text"))
		err := e.fail(e.client(p.through()), e.request("POST", "https://example.com/", body))
		assert.EqualError(t, err, "Proxy Authentication Required")
		receive(t, "Close of the upload", body.closed.done)
		p.conns.awaitOpen(t, 0)
	}},
	{name: "a CONNECT that was refused does no harm to the next", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		refuse := make(chan bool, 2)
		p.answer = func(w http.ResponseWriter, r *http.Request) {
			if <-refuse {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			p.connect(w, r)
		}
		client := e.client(p.through())
		refuse <- true
		assert.EqualError(t, e.fail(client, e.request("GET", "https://example.com/", nil)), "Service Unavailable")
		refuse <- false
		assert.Equal(t, 200, e.get(client, "https://example.com/").StatusCode)
	}},
	{name: "a proxy that closes after its 200 is an error", modes: overTLS, run: func(t *testing.T, e *env) {
		addr := listen(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufioReader(c)); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			}
		})
		client := e.client(proxyAt(t, "http://"+addr))
		_ = e.fail(client, e.request("GET", "https://example.com/", nil))
	}},
	{name: "a proxy that closes without a word is an error", modes: overTLS, run: func(t *testing.T, e *env) {
		addr := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
		_ = e.fail(e.client(proxyAt(t, "http://"+addr)), e.request("GET", "https://example.com/", nil))
	}},
	{name: "a proxy that answers CONNECT without end is an error", modes: overTLS, run: func(t *testing.T, e *env) {
		addr := listen(t, func(c net.Conn) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(c, "X-Endless: "+large(1 << 10)[:1000]+"\r\n")
			}
		})
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 64 << 10 }
		_ = e.fail(e.client(proxyAt(t, "http://"+addr), small), e.request("GET", "https://example.com/", nil))
	}},
	{name: "a request that is cancelled in CONNECT ends", modes: overTLS, run: func(t *testing.T, e *env) {
		asked := newLatch()
		addr := listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			asked.set()
			_, _ = io.Copy(io.Discard, c)
		})
		client := e.client(proxyAt(t, "http://"+addr))
		u := e.send(client, e.request("GET", "https://example.com/", nil))
		receive(t, "CONNECT", asked.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
		client.CloseIdleConnections()
	}},
	{name: "a proxy with TLS is spoken to in TLS, for requests in the clear too", modes: overALPN, run: func(t *testing.T, e *env) {
		p := e.serveProxy(https, e.serve(tellsTarget).addr)
		got := e.get(e.client(p.through("user", "secret")), e.scheme()+"://example.com/a")
		assert.Equal(t, "GET example.com/a ", got.body)
		want := "CONNECT example.com:443 user:secret"
		if e.mode == plain {
			want = "GET http://example.com/a user:secret"
		}
		assert.Equal(t, []string{want}, p.asked.list())
	}},
	{name: "a proxy with TLS must prove who it is", modes: overALPN, run: func(t *testing.T, e *env) {
		p := e.serveProxy(https, e.serve(ok).addr)
		client := e.client(func(base *http.Transport) {
			base.Proxy = http.ProxyURL(proxyURL(t, "https://other.test:3128"))
		}, dialsTo(p.addr, nil))
		assert.ErrorContains(t, e.fail(client, e.request("GET", e.scheme()+"://example.com/", nil)), "certificate")
	}},
	{name: "a proxy that cannot be reached is told from a server", modes: overALPN, run: func(t *testing.T, e *env) {
		own := errors.New("no way")
		client := e.client(proxyAt(t, "http://proxy.test:3128"), failsToDial(own))
		err := e.fail(client, e.request("GET", e.scheme()+"://example.com/", nil))
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		assert.Equal(t, "proxyconnect", op.Op)
		assert.ErrorIs(t, err, own)
	}},
	{name: "the proxy's port may be left out", modes: overALPN, run: func(t *testing.T, e *env) {
		for scheme, port := range map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"} {
			var dialled record
			client := e.client(proxyAt(t, scheme+"://proxy.test"), dialsTo("127.0.0.1:1", &dialled))
			_ = e.fail(client, e.request("GET", e.scheme()+"://example.com/", nil))
			assert.Equal(t, []string{"proxy.test:" + port}, dialled.list())
		}
	}},
}

// proxyAt makes all requests go through the proxy at a URL.
func proxyAt(t *testing.T, text string) func(*http.Transport) {
	u := proxyURL(t, text)
	return func(base *http.Transport) { base.Proxy = http.ProxyURL(u) }
}
