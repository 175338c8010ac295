package behaviour

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpproxy"
)

// chosen returns the addresses that are dialled for some URLs, by the choice of a function.
func (e *env) chosen(choose func(*http.Request) (*url.URL, error), urls ...string) []string {
	e.t.Helper()
	var dialled record
	client := e.client(func(base *http.Transport) {
		base.Proxy = choose
		base.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
			dialled.add(address)
			return nil, errors.New("not dialled at all")
		}
	})
	for _, u := range urls {
		_ = e.fail(client, e.request("GET", u, nil))
	}
	return dialled.list()
}

// byRules chooses as the environment would if it were so.
func byRules(c httpproxy.Config) func(*http.Request) (*url.URL, error) {
	choose := c.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return choose(req.URL) }
}

var proxyChoices = []behaviour{
	{name: "the environment chooses by scheme", modes: overALPN, run: func(t *testing.T, e *env) {
		assert.Equal(t, []string{"plain.proxy.test:3128", "secure.proxy.test:3129"},
			e.chosen(http.ProxyFromEnvironment, "http://far.test/", "https://far.test/"))
	}},
	{name: "the environment's password is the proxy's", modes: overTLS, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		client := e.client(func(base *http.Transport) { base.Proxy = http.ProxyFromEnvironment }, dialsTo(p.addr, nil))
		e.get(client, "https://example.com/")
		assert.Equal(t, []string{"CONNECT example.com:443 user:secret"}, p.asked.list())
	}},
	{name: "NO_PROXY names hosts, domains, networks, addresses and ports", modes: overALPN, run: func(t *testing.T, e *env) {
		assert.Equal(t, []string{
			"direct.test:80", "a.direct.test:80", "a.inner.test:80", "plain.proxy.test:3128", "192.0.2.77:80",
			"plain.proxy.test:3128", "198.51.100.7:80", "port.test:8080", "plain.proxy.test:3128",
		}, e.chosen(http.ProxyFromEnvironment,
			"http://direct.test/", "http://a.direct.test/", "http://a.inner.test/", "http://inner.test/", "http://192.0.2.77/",
			"http://192.0.3.77/", "http://198.51.100.7/", "http://port.test:8080/", "http://port.test:8081/"))
	}},
	{name: "the loopback is always reached without a proxy", modes: overALPN, run: func(t *testing.T, e *env) {
		assert.Equal(t, []string{"localhost:80", "127.0.0.1:80", "[::1]:80"},
			e.chosen(http.ProxyFromEnvironment, "http://localhost/", "http://127.0.0.1/", "http://[::1]/"))
	}},
	{name: "a star in NO_PROXY is everything", modes: overALPN, run: func(t *testing.T, e *env) {
		rules := byRules(httpproxy.Config{HTTPProxy: "proxy.test:3128", NoProxy: "*"})
		assert.Equal(t, []string{"far.test:80"}, e.chosen(rules, "http://far.test/"))
	}},
	{name: "a proxy without a scheme is one of HTTP", modes: overALPN, run: func(t *testing.T, e *env) {
		rules := byRules(httpproxy.Config{HTTPProxy: "proxy.test:3128", HTTPSProxy: "proxy.test:3129"})
		assert.Equal(t, []string{"proxy.test:3128", "proxy.test:3129"}, e.chosen(rules, "http://far.test/", "https://far.test/"))
	}},
	{name: "a function that names none means none", run: func(t *testing.T, e *env) {
		s := e.serve(answers("direct"))
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		})
		assert.Equal(t, "direct", e.get(client, s.URL).body)
	}},
	{name: "a function's error comes back as it is, and the upload is closed", run: func(t *testing.T, e *env) {
		own := errors.New("no proxy today")
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(*http.Request) (*url.URL, error) { return nil, own }
		})
		body := newUpload(inMemory())
		assert.Same(t, own, e.fail(client, e.request("POST", e.scheme()+"://example.com/", body)))
		receive(t, "Close of the upload", body.closed.done)
	}},
	{name: "a function is asked for each request, redirects included", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		var asked record
		p := e.serveProxy(plain, e.serve(redirecting(302, "http://second.test/to")).addr)
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(req *http.Request) (*url.URL, error) { asked.add(req.URL.Host); return p.url(), nil }
		})
		e.get(client, "http://first.test/from")
		assert.Equal(t, []string{"first.test", "second.test"}, asked.list())
	}},
	{name: "a function may choose by the request", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		a, b := e.serveProxy(plain, s.addr), e.serveProxy(plain, s.addr)
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(req *http.Request) (*url.URL, error) {
				if req.Header.Get("X-Way") == "b" {
					return b.url(), nil
				}
				return a.url(), nil
			}
		})
		for _, way := range []string{"a", "b", "a"} {
			req := e.request("GET", e.scheme()+"://example.com/", nil)
			req.Header.Set("X-Way", way)
			e.do(client, req)
		}
		assert.Equal(t, 1, a.conns.count().total)
		assert.Equal(t, 1, b.conns.count().total)
	}},
	{name: "with and without a proxy are different ways", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		p := e.serveProxy(plain, s.addr)
		var by *url.URL
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(*http.Request) (*url.URL, error) { return by, nil }
		})
		for range 2 {
			by = nil
			e.get(client, s.URL)
			by = p.url()
			e.get(client, s.URL)
		}
		assert.Equal(t, 1, p.conns.count().total)
	}},
	{name: "users of a proxy do not share its connections", modes: overHTTP1, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		var by *url.URL
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(*http.Request) (*url.URL, error) { return by, nil }
		})
		for range 2 {
			for _, user := range []string{"a", "b"} {
				by = p.url(user, "secret")
				e.get(client, e.scheme()+"://example.com/")
			}
		}
		assert.Equal(t, 2, p.conns.count().total)
	}},
	{name: "a proxy's name in the trace is what is connected to", modes: overALPN, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		h, _ := e.follow(e.client(p.through()), "GET", e.scheme()+"://example.com/", nil)
		assert.Equal(t, "GetConn "+p.addr, h.list()[0])
	}},
	{name: "SOCKS carries it, and resolves the name", modes: overALPN, run: func(t *testing.T, e *env) {
		for _, scheme := range []string{"socks5", "socks5h"} {
			p := serveSOCKS(t, e.serve(tellsTarget).addr)
			got := e.get(e.client(p.through(scheme, nil)), e.scheme()+"://example.com/a")
			assert.Equal(t, "GET example.com/a ", got.body)
			assert.Equal(t, []string{"example.com:" + e.port()}, p.asked.list())
		}
	}},
	{name: "SOCKS gets an address as one", modes: overALPN, run: func(t *testing.T, e *env) {
		p := serveSOCKS(t, e.serve(ok).addr)
		client := e.client(p.through("socks5", nil), trustAnyName)
		e.get(client, e.scheme()+"://192.0.2.1:81/")
		e.get(client, e.scheme()+"://[2001:db8::1]:81/")
		assert.Equal(t, []string{"192.0.2.1:81", "[2001:db8::1]:81"}, p.asked.list())
	}},
	{name: "SOCKS gets a password if it wants one", modes: overALPN, run: func(t *testing.T, e *env) {
		p := serveSOCKS(t, e.serve(ok).addr)
		p.user = "user:pass:word"
		e.get(e.client(p.through("socks5", url.UserPassword("user", "pass:word"))), e.scheme()+"://example.com/")
		assert.Equal(t, []string{"user:pass:word"}, p.users.list())
	}},
	{name: "SOCKS that wants no password gets none", modes: overALPN, run: func(t *testing.T, e *env) {
		p := serveSOCKS(t, e.serve(ok).addr)
		e.get(e.client(p.through("socks5", url.UserPassword("user", "secret"))), e.scheme()+"://example.com/")
		assert.Empty(t, p.users.list())
	}},
	{name: "SOCKS that refuses a password is an error", modes: overALPN, run: func(t *testing.T, e *env) {
		p := serveSOCKS(t, e.serve(ok).addr)
		p.user = "user:secret"
		client := e.client(p.through("socks5", url.UserPassword("user", "wrong")))
		_ = e.fail(client, e.request("GET", e.scheme()+"://example.com/", nil))
		_ = e.fail(e.client(p.through("socks5", nil)), e.request("GET", e.scheme()+"://example.com/", nil))
		assert.Empty(t, p.asked.list())
	}},
	{name: "SOCKS that refuses a target is an error", modes: overALPN, run: func(t *testing.T, e *env) {
		p := serveSOCKS(t, "")
		p.refusing = 5
		err := e.fail(e.client(p.through("socks5", nil)), e.request("GET", e.scheme()+"://example.com/", nil))
		assert.ErrorContains(t, err, "connection refused")
	}},
	{name: "SOCKS leads to one host only, and is used again", modes: overALPN, run: func(t *testing.T, e *env) {
		p := serveSOCKS(t, e.serve(ok).addr)
		client := e.client(p.through("socks5", nil))
		for range 2 {
			e.get(client, e.scheme()+"://example.com/")
			e.get(client, e.scheme()+"://www.example.com/")
		}
		assert.Len(t, p.asked.list(), 2)
	}},
	{name: "SOCKS that cannot be reached is an error", modes: overALPN, run: func(t *testing.T, e *env) {
		own := errors.New("no way")
		client := e.client(proxyAt(t, "socks5://proxy.test:1080"), failsToDial(own))
		err := e.fail(client, e.request("GET", e.scheme()+"://example.com/", nil))
		require.ErrorIs(t, err, own)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		assert.Equal(t, "proxyconnect", op.Op)
	}},
}
