package behaviour

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrived is what a server saw of one request.
type arrived struct {
	*http.Request
	body string
}

// serveOne starts a server that hands over what it sees of each request, and answers with nothing.
func (e *env) serveOne() (*server, <-chan arrived) {
	seen := make(chan arrived, 16)
	s := e.serve(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- arrived{r, string(body)}
	})
	return s, seen
}

// arrives sends a request, once change has changed it, and returns what the server saw of it.
func (e *env) arrives(method, target string, change func(*http.Request)) arrived {
	e.t.Helper()
	s, seen := e.serveOne()
	req := e.request(method, s.URL+target, nil)
	if change != nil {
		change(req)
	}
	e.do(e.client(), req)
	return receive(e.t, "the request", seen)
}

var requests = []behaviour{
	{name: "method, path and query arrive as they were sent", run: func(t *testing.T, e *env) {
		r := e.arrives("REPORT", "/a/b?c=d&e=f", nil)
		assert.Equal(t, "REPORT /a/b?c=d&e=f", r.Method+" "+r.RequestURI)
	}},
	{name: "no method is GET", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Method = "" })
		assert.Equal(t, "GET", r.Method)
	}},
	{name: "no path is the root", run: func(t *testing.T, e *env) {
		assert.Equal(t, "/", e.arrives("GET", "", nil).RequestURI)
	}},
	{name: "no path but a query is the root with a query", run: func(t *testing.T, e *env) {
		assert.Equal(t, "/?q=1", e.arrives("GET", "?q=1", nil).RequestURI)
	}},
	{name: "a path keeps its own way of escaping", run: func(t *testing.T, e *env) {
		assert.Equal(t, "/a%2Fb/%7Ec/%e2%82%ac", e.arrives("GET", "/a%2Fb/%7Ec/%e2%82%ac", nil).RequestURI)
	}},
	{name: "a path that needs escaping gets it", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.URL.Path = "/ä b" })
		assert.Equal(t, "/%C3%A4%20b", r.RequestURI)
	}},
	{name: "a query is sent as it is, well-formed or not", run: func(t *testing.T, e *env) {
		assert.Equal(t, "/?a=%zz&;b", e.arrives("GET", "/?a=%zz&;b", nil).RequestURI)
	}},
	{name: "an empty query keeps its question mark", run: func(t *testing.T, e *env) {
		assert.Equal(t, "/a?", e.arrives("GET", "/a?", nil).RequestURI)
	}},
	{name: "two slashes at the start of a path stay", run: func(t *testing.T, e *env) {
		assert.Equal(t, "//a//b", e.arrives("GET", "//a//b", nil).RequestURI)
	}},
	{name: "an opaque URL is sent as it is", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.URL.Opaque = "/o%70aque" })
		assert.Equal(t, "/o%70aque", r.RequestURI)
	}},
	{name: "OPTIONS may be about the server as a whole", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		req := e.request("OPTIONS", s.URL, nil)
		req.URL.Path = "*"
		assert.Equal(t, 200, e.do(e.client(), req).StatusCode, "which is the server's own answer")
	}},
	{name: "a fragment stays at home", run: func(t *testing.T, e *env) {
		assert.Equal(t, "/a", e.arrives("GET", "/a#b", nil).RequestURI)
	}},
	{name: "the Host of a request goes before its URL's", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Host = "virtual.test:81" })
		assert.Equal(t, "virtual.test:81", r.Host)
	}},
	{name: "a Host field in the header does not count", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		req := e.request("GET", s.URL, nil)
		req.Header.Set("Host", "other.test")
		e.do(e.client(), req)
		assert.Equal(t, s.addr, receive(t, "the request", seen).Host)
	}},
	{name: "Go's name is the User-Agent", run: func(t *testing.T, e *env) {
		want := "Go-http-client/1.1"
		if e.mode.http2() {
			want = "Go-http-client/2.0"
		}
		assert.Equal(t, want, e.arrives("GET", "/", nil).UserAgent())
	}},
	{name: "a User-Agent of one's own replaces it", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header.Set("User-Agent", "own/1") })
		assert.Equal(t, []string{"own/1"}, r.Header["User-Agent"])
	}},
	{name: "an empty User-Agent is none", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header.Set("User-Agent", "") })
		assert.NotContains(t, r.Header, "User-Agent")
	}},
	{name: "several values of a field keep their order", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header["X-Many"] = []string{"b", "a", "", "c"} })
		assert.Equal(t, []string{"b", "a", "", "c"}, r.Header["X-Many"])
	}},
	{name: "a field without values is not sent", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header["X-None"] = nil })
		assert.NotContains(t, r.Header, "X-None")
	}},
	{name: "a field's name arrives in canonical form, however it was written", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header["x-loWER"] = []string{"v"} })
		assert.Equal(t, "v", r.Header.Get("X-Lower"))
	}},
	{name: "spaces around a value do not arrive", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header.Set("X-Spaces", "  a b\t") })
		assert.Equal(t, "a b", strings.TrimSpace(r.Header.Get("X-Spaces")))
	}},
	{name: "a header of 200 KB arrives whole", run: func(t *testing.T, e *env) {
		long := strings.Repeat("x", 200<<10)
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header.Set("X-Long", long) })
		assert.Len(t, r.Header.Get("X-Long"), len(long))
	}},
	{name: "a header of a thousand fields arrives whole", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) {
			for i := range 1000 {
				r.Header.Set("X-"+strings.Repeat("a", i+1), "v")
			}
		})
		assert.Equal(t, "v", r.Header.Get("X-"+strings.Repeat("a", 1000)))
	}},
	{name: "cookies arrive one by one", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "a", Value: "1"})
			r.AddCookie(&http.Cookie{Name: "b", Value: "2"})
		})
		require.Len(t, r.Cookies(), 2)
		assert.Equal(t, "a=1; b=2", r.Header.Get("Cookie"))
	}},
	{name: "gzip is asked for, and nothing else that was not", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header.Set("User-Agent", "") })
		assert.Equal(t, http.Header{"Accept-Encoding": {"gzip"}}, r.Header)
	}},
	{name: "TE: trailers arrives", run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) { r.Header.Set("TE", "trailers") })
		assert.Equal(t, "trailers", r.Header.Get("Te"))
	}},
	{name: "fields of the connection mean nothing in HTTP/2 and are left out", modes: overHTTP2, run: func(t *testing.T, e *env) {
		r := e.arrives("GET", "/", func(r *http.Request) {
			r.Header.Set("Connection", "keep-alive")
			r.Header.Set("Keep-Alive", "timeout=5")
			r.Header.Set("Proxy-Connection", "keep-alive")
		})
		for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection"} {
			assert.NotContains(t, r.Header, name)
		}
	}},
	{name: "a coding of the transfer cannot be asked for in HTTP/2", modes: overHTTP2, run: func(t *testing.T, e *env) {
		req := e.request("GET", e.serve(ok).URL, nil)
		req.Header.Set("Transfer-Encoding", "gzip")
		assert.ErrorContains(t, e.fail(e.client(), req), "invalid Transfer-Encoding")
	}},
	{name: "an upgrade cannot be asked for in HTTP/2", modes: overHTTP2, run: func(t *testing.T, e *env) {
		req := e.request("GET", e.serve(ok).URL, nil)
		req.Header.Set("Upgrade", "other")
		assert.ErrorContains(t, e.fail(e.client(), req), "invalid Upgrade")
	}},
	{name: "the caller's header is left as it was", run: func(t *testing.T, e *env) {
		s, _ := e.serveOne()
		req := e.request("POST", s.URL, strings.NewReader("body"))
		req.Header["x-lower"] = []string{"v"}
		before := req.Header.Clone()
		_, err := e.transport().RoundTrip(req)
		require.NoError(t, err)
		assert.Equal(t, before, req.Header)
	}},
	{name: "a request can be sent again", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		client, req := e.client(), e.request("GET", s.URL+"/again", nil)
		for range 3 {
			e.do(client, req)
			assert.Equal(t, "/again", receive(t, "the request", seen).RequestURI)
		}
	}},
	{name: "the URL's user is the client's business, not the transport's", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		req := e.request("GET", s.URL, nil)
		req.URL.User = url.UserPassword("u", "p")
		resp, err := e.transport().RoundTrip(req)
		require.NoError(t, err)
		e.readAll(resp)
		assert.NotContains(t, receive(t, "the request", seen).Header, "Authorization")
	}},
}
