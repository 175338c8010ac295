package behaviour

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// each chooses what a contestant is to do.
func each[T any](e *env, theirs, ours T) T {
	if e.ours {
		return ours
	}
	return theirs
}

// theyFail wants a request on a stale connection to be sent again by ours only.
func theyFail(method string, body func() io.Reader, header http.Header) func(*testing.T, *env) {
	return func(t *testing.T, e *env) {
		s := e.serveStale()
		client := e.client()
		e.get(client, s.URL)
		req := e.request(method, s.URL, body())
		for name, values := range header {
			req.Header[name] = values
		}
		resp, err := client.Do(req)
		if !e.ours {
			assert.Error(t, err)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, 200, e.readAll(resp).StatusCode)
		assert.Equal(t, 1, s.losses())
	}
}

// streamed is a body without GetBody.
func streamed() io.Reader { return io.MultiReader(strings.NewReader("text")) }

var secondTries = []behaviour{
	{name: "PUT is sent again by ttlpool only", modes: overHTTP1, run: theyFail("PUT", inMemory, nil)},
	{name: "DELETE is sent again by ttlpool only", modes: overHTTP1, run: theyFail("DELETE", noBody, nil)},
	{name: "a stream is recorded and sent again by ttlpool only", modes: overHTTP1,
		run: theyFail("POST", streamed, http.Header{"Idempotency-Key": {"1"}})},
	{name: "a GET on an HTTP/2 connection that has died is sent again by ttlpool only", modes: overHTTP2,
		run: func(t *testing.T, e *env) {
			url := e.serveH2(func(p *h2Peer) {
				if p.index == 0 {
					p.request().answer(200, "first")
					p.request()
					return
				}
				p.answerAll("second")
			})
			client := e.client()
			e.get(client, url)
			resp, err := client.Do(e.request("GET", url, nil))
			if !e.ours {
				assert.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "second", e.readAll(resp).body)
		}},
	{name: "http.Transport tries one stale connection after the other, ttlpool a new one at once", modes: overHTTP1,
		run: func(t *testing.T, e *env) {
			var (
				mu    sync.Mutex
				seen  = make(map[string]int)
				lost  int
				three = gathers(3)
			)
			s := e.serve(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				seen[r.RemoteAddr]++
				stale := seen[r.RemoteAddr] > 1
				if stale {
					lost++
				}
				mu.Unlock()
				if stale {
					panic(http.ErrAbortHandler)
				}
				three(w, r)
			})
			client := e.client(maxIdlePerHost(3))
			e.atOnce(3, e.ask(client, s.URL))
			assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
			assert.Equal(t, each(e, 3, 1), lost)
		}},
	{name: "an error on a connection is wrapped by ttlpool, with what is known of the connection", modes: overHTTP1,
		run: func(t *testing.T, e *env) {
			s := e.serveStale()
			client := e.client()
			e.get(client, s.URL)
			err := e.fail(client, e.request("POST", s.URL, inMemory()))
			assert.ErrorIs(t, err, io.EOF)
			var wrapped *ttlpool.ExchangeError
			require.Equal(t, e.ours, errors.As(err, &wrapped))
			if !e.ours {
				return
			}
			assert.True(t, wrapped.Stale)
			assert.Equal(t, s.addr, wrapped.Conn.Address)
			assert.Positive(t, wrapped.Written)
			assert.Zero(t, wrapped.Read)
			assert.Equal(t, "POST is not idempotent", wrapped.NotRetried)
		}},
}

var earlyDifferences = []behaviour{
	{name: "who reads a response is told why its upload has failed, over HTTP/1.1 here only",
		run: func(t *testing.T, e *env) {
			s := e.serve(func(w http.ResponseWriter, r *http.Request) {
				fullDuplex(w)
				_, _ = io.WriteString(w, "early")
				flush(w)
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler) // an end of the response must not come first
			})
			own := errors.New("no more")
			in, out := io.Pipe()
			resp := e.open(e.client(), e.request("POST", s.URL, in))
			require.NoError(t, out.CloseWithError(own))
			_, err := io.ReadAll(resp.Body)
			require.Error(t, err)
			assert.Equal(t, e.ours || resp.ProtoMajor == 2, err == own, "%T: %v", err, err)
		}},
	{name: "the upload of a request without a version, as some libraries make them, waits for 100 here only", modes: overHTTP1,
		run: func(t *testing.T, e *env) {
			first := newLatch()
			body := newUpload(&onFirstRead{Reader: strings.NewReader("text"), first: first})
			var early int32
			s := e.serve(func(w http.ResponseWriter, r *http.Request) {
				if !e.ours {
					<-first.done // before anything is asked for
				}
				early = body.reads.Load()
				got, _ := io.ReadAll(r.Body)
				_, _ = w.Write(got)
			})
			req := e.expecting(s.URL, body)
			req.Proto, req.ProtoMajor, req.ProtoMinor = "", 0, 0
			assert.Equal(t, "text", e.do(e.client(continues), req).body)
			assert.Equal(t, each(e, true, false), early > 0)
		}},
}

var lifeDifferences = []behaviour{
	{name: "what a server says in Keep-Alive is heeded here only", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Keep-Alive", "timeout=5, max=0") // no more requests
		})
		client := e.client()
		e.get(client, s.URL)
		e.get(client, s.URL)
		assert.Equal(t, each(e, 1, 2), s.conns.count().total)
	}},
	{name: "an HTTP/2 connection in use survives CloseIdleConnections there, and ends with its last request here", modes: []mode{h2},
		run: func(t *testing.T, e *env) {
			h, begin, answer := e.holding()
			s := e.serve(h)
			client := e.client()
			u := e.send(client, e.request("GET", s.URL+"/hold", nil))
			receive(t, "the request", begin.done)
			client.CloseIdleConnections()
			answer.set()
			require.NoError(t, u.ended())
			if e.ours {
				s.conns.awaitOpen(t, 0)
			}
			e.get(client, s.URL)
			assert.Equal(t, each(e, 1, 2), s.conns.count().total)
		}},
}

var baseDifferences = []behaviour{
	{name: "MaxIdleConnsPerHost unset is 2 there, 256 here", modes: overHTTP1, run: func(t *testing.T, e *env) {
		s := e.serve(gathers(6))
		e.atOnce(6, e.ask(e.client(), s.URL))
		s.conns.awaitOpen(t, each(e, 2, 6))
	}},
	{name: "MaxIdleConns counts HTTP/2 here only", modes: overHTTP2, run: func(t *testing.T, e *env) {
		a, b := e.serve(ok), e.serve(ok)
		client := e.client(func(base *http.Transport) { base.MaxIdleConns = 1 })
		e.get(client, a.URL)
		e.get(client, b.URL)
		a.conns.awaitOpen(t, each(e, 1, 0))
	}},
	{name: "a base changed later has no effect here", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		base := e.base()
		client := &http.Client{Transport: e.make(t, base)}
		base.DisableCompression = true
		base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		base.DialContext = dialsNowhere
		base.TLSClientConfig.RootCAs = nil
		resp, err := client.Do(e.request("GET", s.URL, nil))
		if !e.ours {
			assert.Error(t, err)
			return
		}
		require.NoError(t, err)
		e.readAll(resp)
		assert.Equal(t, "gzip", receive(t, "the request", seen).Header.Get("Accept-Encoding"))
	}},
	{name: "a base's TLSClientConfig is changed there, and left alone here", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		base := e.base()
		e.get(&http.Client{Transport: e.make(t, base)}, e.serve(ok).URL)
		assert.Equal(t, !e.ours, len(base.TLSClientConfig.NextProtos) > 0)
	}},
	{name: "users of a proxy share an HTTP/2 connection there, and not here", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		var by *url.URL
		client := e.client(func(base *http.Transport) {
			base.Proxy = func(*http.Request) (*url.URL, error) { return by, nil }
		})
		for _, user := range []string{"a", "b"} {
			by = p.url(user, "secret")
			e.get(client, "https://example.com/")
		}
		assert.Len(t, p.asked.list(), each(e, 1, 2))
	}},
	{name: "a proxy of an unknown scheme is taken for one of HTTP there, and refused here", modes: overALPN, run: func(t *testing.T, e *env) {
		p := e.serveProxy(plain, e.serve(ok).addr)
		odd := p.url()
		odd.Scheme = "odd"
		resp, err := e.client(func(base *http.Transport) { base.Proxy = http.ProxyURL(odd) }).Do(e.request("GET", e.scheme()+"://example.com/", nil))
		if e.ours {
			assert.ErrorContains(t, err, `unknown proxy scheme "odd"`)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, 200, e.readAll(resp).StatusCode)
	}},
	{name: "prior knowledge of HTTP/2 is used with a proxy that forwards there, and not here", modes: []mode{h2c}, run: func(t *testing.T, e *env) {
		p := e.serveIn(h2c, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.ProtoMajor, " ", r.RequestURI) },
			func(s *httptest.Server) { s.Config.Protocols.SetHTTP1(true) })
		client := e.client(proxyAt(t, p.URL))
		assert.Equal(t, each(e, "2 /a", "1 http://example.com/a"), e.get(client, "http://example.com/a").body)
	}},
	{name: "https that was registered on the base is honoured there only", modes: []mode{https}, run: func(t *testing.T, e *env) {
		base := e.base()
		base.RegisterProtocol("https", roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 299, Body: http.NoBody, Request: req}, nil
		}))
		client := &http.Client{Transport: e.make(t, base)}
		assert.Equal(t, each(e, 299, 200), e.get(client, e.serve(ok).URL).StatusCode)
	}},
	{name: "CancelRequest, which nobody should use, is there and not here", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		_, has := e.transport().(interface{ CancelRequest(*http.Request) })
		assert.Equal(t, !e.ours, has)
	}},
}
