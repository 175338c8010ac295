package behaviour

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// redirecting is a handler that sends /from on to a place, and elsewhere tells what it got.
func redirecting(code int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/from" {
			w.Header().Set("Location", to)
			w.WriteHeader(code)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
	}
}

// redirected sends a request through a redirect with a code, and wants what then arrives.
func redirected(code int, method, body, want string) func(*testing.T, *env) {
	return func(t *testing.T, e *env) {
		s := e.serve(redirecting(code, "/to"))
		got := e.do(e.client(), e.request(method, s.URL+"/from", strings.NewReader(body)))
		assert.Equal(t, want, got.body)
	}
}

// withJar gives a client a cookie jar.
func withJar(t *testing.T, c *http.Client) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c.Jar = jar
	return c
}

var redirects = []behaviour{
	{name: "301 turns POST into GET", run: redirected(301, "POST", "text", "GET /to ")},
	{name: "302 turns POST into GET", run: redirected(302, "POST", "text", "GET /to ")},
	{name: "303 turns POST into GET", run: redirected(303, "POST", "text", "GET /to ")},
	{name: "303 turns PUT into GET", run: redirected(303, "PUT", "text", "GET /to ")},
	{name: "307 keeps method and body", run: redirected(307, "POST", "text", "POST /to text")},
	{name: "308 keeps method and body", run: redirected(308, "PUT", "text", "PUT /to text")},
	{name: "307 of a body that cannot be sent again is the caller's", run: func(t *testing.T, e *env) {
		s := e.serve(redirecting(307, "/to"))
		got := e.post(e.client(), s.URL+"/from", io.MultiReader(strings.NewReader("text")))
		assert.Equal(t, 307, got.StatusCode)
	}},
	{name: "HEAD stays HEAD", run: func(t *testing.T, e *env) {
		s := e.serve(redirecting(302, "/to"))
		got := e.do(e.client(), e.request("HEAD", s.URL+"/from", nil))
		assert.Equal(t, "HEAD", got.Request.Method)
		assert.Equal(t, "/to", got.Request.URL.Path)
	}},
	{name: "a redirect may be relative", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/a/b" {
				http.Redirect(w, r, "../c?d", http.StatusFound)
			}
		})
		assert.Equal(t, s.URL+"/c?d", e.get(e.client(), s.URL+"/a/b").Request.URL.String())
	}},
	{name: "a redirect may lead to another server", run: func(t *testing.T, e *env) {
		target := e.serve(redirecting(0, ""))
		s := e.serve(redirecting(302, target.URL+"/to"))
		assert.Equal(t, "GET /to ", e.get(e.client(), s.URL+"/from").body)
	}},
	{name: "a redirect is followed on the same connection", run: func(t *testing.T, e *env) {
		s := e.serve(redirecting(302, "/to"))
		client := e.client()
		for range 3 {
			e.get(client, s.URL+"/from")
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "a redirect names where it came from", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/from" {
				http.Redirect(w, r, "/to", http.StatusFound)
			}
			_, _ = io.WriteString(w, r.Referer())
		})
		u, _ := url.Parse(s.URL + "/from")
		u.User = url.UserPassword("user", "secret")
		assert.Equal(t, s.URL+"/from", e.get(e.client(), u.String()).body)
	}},
	{name: "the eleventh request is one too many", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
		assert.ErrorContains(t, e.fail(e.client(), e.request("GET", s.URL, nil)), "stopped after 10 redirects")
	}},
	{name: "a client that wants to see redirects gets them with their body", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/to")
			w.WriteHeader(http.StatusFound)
			_, _ = io.WriteString(w, "moved")
		})
		client := e.client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got := e.get(client, s.URL)
		assert.Equal(t, 302, got.StatusCode)
		assert.Equal(t, "moved", got.body)
	}},
	{name: "a client that refuses a redirect gets its own error and the response", run: func(t *testing.T, e *env) {
		own := errors.New("not there")
		client := e.client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return own }
		resp, err := client.Do(e.request("GET", e.serve(redirecting(302, "/to")).URL+"/from", nil))
		require.ErrorIs(t, err, own)
		assert.Equal(t, 302, resp.StatusCode)
		_, err = resp.Body.Read(make([]byte, 1))
		assert.Error(t, err, "of a body that is closed")
	}},
	{name: "a redirect that says not where to is a response like any other", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) })
		assert.Equal(t, 302, e.get(e.client(), s.URL).StatusCode)
	}},
	{name: "a redirect to a place that is none is an error", run: func(t *testing.T, e *env) {
		s := e.serve(redirecting(302, "://"))
		assert.ErrorContains(t, e.fail(e.client(), e.request("GET", s.URL+"/from", nil)), "failed to parse Location header")
	}},
	{name: "a redirect to a scheme that nobody speaks is an error", run: func(t *testing.T, e *env) {
		s := e.serve(redirecting(302, "gopher://host.test/"))
		err := e.fail(e.client(), e.request("GET", s.URL+"/from", nil))
		assert.ErrorContains(t, err, `unsupported protocol scheme "gopher"`)
	}},
	{name: "a password is not sent on to another host, a field of no secret is", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/from" {
				http.Redirect(w, r, e.scheme()+"://other.test/to", http.StatusFound)
				return
			}
			fmt.Fprint(w, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X-Plain"))
		})
		client := e.client(dialsTo(s.addr, nil), trustAnyName)
		req := e.request("GET", e.scheme()+"://first.test/from", nil)
		req.Header.Set("Authorization", "secret")
		req.Header.Set("Cookie", "a=1")
		req.Header.Set("X-Plain", "plain")
		assert.Equal(t, "plain", e.do(client, req).body)
	}},
	{name: "a password is sent on to the same host", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/from" {
				http.Redirect(w, r, "/to", http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		})
		req := e.request("GET", s.URL+"/from", nil)
		req.Header.Set("Authorization", "secret")
		assert.Equal(t, "secret", e.do(e.client(), req).body)
	}},
	{name: "a cookie of a redirect is in the next request", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/from" {
				http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
				http.Redirect(w, r, "/to", http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, r.Header.Get("Cookie"))
		})
		assert.Equal(t, "a=1", e.get(withJar(t, e.client()), s.URL+"/from").body)
	}},
	{name: "cookies are kept from one request to the next, until they expire", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", r.Header.Get("X-Set"))
			_, _ = io.WriteString(w, r.Header.Get("Cookie"))
		})
		client := withJar(t, e.client())
		for _, step := range []struct{ has, set string }{{"", "a=1"}, {"a=1", "a=2"}, {"a=2", "a=; Max-Age=0"}, {"", "a=3"}} {
			req := e.request("GET", s.URL, nil)
			req.Header.Set("X-Set", step.set)
			assert.Equal(t, step.has, e.do(client, req).body)
		}
	}},
}
