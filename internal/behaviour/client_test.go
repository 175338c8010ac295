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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authorising is what wrappers in the manner of oauth2 do: a copy of the request gets a header.
type authorising struct {
	below http.RoundTripper
	token string
}

func (a *authorising) RoundTrip(req *http.Request) (*http.Response, error) {
	own := req.Clone(req.Context())
	own.Header.Set("Authorization", "Bearer "+a.token)
	return a.below.RoundTrip(own)
}

// CloseIdleConnections is found by http.Client.
func (a *authorising) CloseIdleConnections() {
	a.below.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

var clients = []behaviour{
	{name: "the user of a URL becomes basic authentication", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		u, _ := url.Parse(s.URL)
		u.User = url.UserPassword("user", "pass:word")
		e.get(e.client(), u.String())
		name, password, ok := receive(t, "the request", seen).BasicAuth()
		assert.True(t, ok)
		assert.Equal(t, "user pass:word", name+" "+password)
	}},
	{name: "an authorization that is stated goes before the user of a URL", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		req := e.request("GET", strings.Replace(s.URL, "://", "://user@", 1), nil)
		req.Header.Set("Authorization", "own")
		e.do(e.client(), req)
		assert.Equal(t, "own", receive(t, "the request", seen).Header.Get("Authorization"))
	}},
	{name: "a form is posted as one", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Method, r.FormValue("a"), r.FormValue("b"))
		})
		resp, err := e.client().PostForm(s.URL, url.Values{"a": {"1"}, "b": {"2&3"}})
		require.NoError(t, err)
		assert.Equal(t, "POST12&3", e.readAll(resp).body)
	}},
	{name: "a request without a header gets along", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		u, _ := url.Parse(s.URL)
		resp, err := e.client().Do((&http.Request{URL: u}).WithContext(e.ctx))
		require.NoError(t, err)
		assert.Equal(t, 200, e.readAll(resp).StatusCode)
	}},
	{name: "an error names the operation and the URL, not the password", run: func(t *testing.T, e *env) {
		client := e.client(failsToDial(errors.New("no way")))
		_, err := client.Do(e.request("GET", e.scheme()+"://user:secret@host.test/a?b", nil))
		assert.EqualError(t, err, fmt.Sprintf("Get %q: no way", e.scheme()+"://user:***@host.test/a?b"))
	}},
	{name: "a client's timeout ends the wait for the response", run: func(t *testing.T, e *env) {
		client := e.client()
		client.Timeout = 30 * time.Millisecond
		_, err := client.Get(e.serve(e.stalls).URL)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}},
	{name: "a client's timeout ends the reading of the body", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			if r.Method != "OPTIONS" {
				e.stalls(w, r)
			}
		})
		resp := e.open(e.impatient(s), e.request("GET", s.URL, nil))
		_, err := io.ReadAll(resp.Body)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}},
	{name: "a client's timeout ends a dial that heeds nothing", run: func(t *testing.T, e *env) {
		end := newLatch()
		defer end.set()
		client := e.client(func(base *http.Transport) {
			base.DialContext = func(context.Context, string, string) (net.Conn, error) {
				<-end.done
				return nil, errors.New("too late")
			}
		})
		client.Timeout = 30 * time.Millisecond
		_, err := client.Get(e.scheme() + "://host.test")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}},
	{name: "a client's timeout tells the server", run: func(t *testing.T, e *env) {
		gone := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "OPTIONS" {
				defer gone.set()
				e.stalls(w, r)
			}
		})
		_, err := e.impatient(s).Get(s.URL)
		require.Error(t, err)
		receive(t, "the handler's end", gone.done)
	}},
	{name: "a client's timeout that is not reached does no harm", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		client.Timeout = patience
		first := e.get(client, s.URL).body
		for range 3 {
			assert.Equal(t, first, e.get(client, s.URL).body)
		}
	}},
	{name: "a client's timeout holds over redirects", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/from" {
				http.Redirect(w, r, "/to", http.StatusFound)
				return
			}
			e.stalls(w, r)
		})
		client := e.client()
		client.Timeout = 50 * time.Millisecond
		_, err := client.Get(s.URL + "/from")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}},
	{name: "a client can close idle connections", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client()
		e.get(client, s.URL)
		client.CloseIdleConnections()
		s.conns.awaitOpen(t, 0)
		assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
		assert.Equal(t, 2, s.conns.count().total)
	}},
	{name: "a wrapper adds a header of its own", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		client := &http.Client{Transport: &authorising{e.transport(), "token"}}
		req := e.request("GET", s.URL, nil)
		e.do(client, req)
		assert.Equal(t, "Bearer token", receive(t, "the request", seen).Header.Get("Authorization"))
		assert.Empty(t, req.Header)
	}},
	{name: "a wrapper passes on the closing of idle connections", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := &http.Client{Transport: &authorising{e.transport(), "token"}}
		e.get(client, s.URL)
		client.CloseIdleConnections()
		s.conns.awaitOpen(t, 0)
	}},
	{name: "a wrapper may send a request twice after an answer", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			_, _ = w.Write(body)
		})
		tr := e.transport()
		wrapper := roundTripper(func(req *http.Request) (*http.Response, error) {
			resp, err := tr.RoundTrip(req)
			if err != nil || resp.StatusCode != http.StatusUnauthorized {
				return resp, err
			}
			_ = resp.Body.Close()
			again := req.Clone(req.Context())
			again.Body, _ = req.GetBody()
			again.Header.Set("Authorization", "now")
			return tr.RoundTrip(again)
		})
		got := e.post(&http.Client{Transport: wrapper}, s.URL, strings.NewReader("text"))
		assert.Equal(t, "200 text", fmt.Sprint(got.StatusCode, " ", got.body))
	}},
	{name: "http.Get goes by the default transport, whatever that is", alone: true, run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		before := http.DefaultTransport
		http.DefaultTransport = e.transport()
		defer func() { http.DefaultTransport = before }()
		var first string
		for range 2 {
			resp, err := http.Get(s.URL)
			require.NoError(t, err)
			got := e.readAll(resp).body
			require.NotEmpty(t, got)
			if first == "" {
				first = got
			}
			assert.Equal(t, first, got)
		}
		http.DefaultClient.CloseIdleConnections()
		s.conns.awaitOpen(t, 0)
	}},
}

// impatient makes a client that waits half a second for all of a response, and has a connection to the server already.
func (e *env) impatient(s *server) *http.Client {
	e.t.Helper()
	client := e.client()
	e.do(client, e.request("OPTIONS", s.URL, nil))
	client.Timeout = 500 * time.Millisecond
	return client
}

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
