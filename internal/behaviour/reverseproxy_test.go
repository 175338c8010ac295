package behaviour

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// front is a reverse proxy on the transport that is examined. What stands before it is of no concern: it is net/http.
type front struct {
	*server
	client *http.Client
}

// proxyTo puts a reverse proxy in front of a backend that speaks the mode of the run.
func (e *env) proxyTo(backend string, adjust ...func(*httputil.ReverseProxy)) *front {
	target, err := url.Parse(backend)
	require.NoError(e.t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: e.transport(continues),
	}
	for _, a := range adjust {
		a(proxy)
	}
	return e.frontIn(plain, proxy)
}

// frontIn serves a proxy in a mode of its own.
func (e *env) frontIn(m mode, proxy http.Handler) *front {
	f := &front{server: e.serveIn(m, proxy.ServeHTTP)}
	tr := (&env{t: e.t, mode: m}).base(continues)
	e.t.Cleanup(tr.CloseIdleConnections)
	f.client = &http.Client{Transport: tr}
	return f
}

// proxied puts a reverse proxy in front of a handler.
func (e *env) proxied(h http.HandlerFunc, adjust ...func(*httputil.ReverseProxy)) *front {
	return e.proxyTo(e.serve(h).URL, adjust...)
}

var reverseProxies = []behaviour{
	{name: "request and response pass", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Seen", r.Header.Get("X-Own"))
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", string(body))
		})
		req := e.request("PUT", f.URL+"/a%2Fb?c", strings.NewReader("text"))
		req.Header.Set("X-Own", "value")
		got := e.do(f.client, req)
		assert.Equal(t, http.StatusCreated, got.StatusCode)
		assert.Equal(t, "value", got.Header.Get("X-Seen"))
		assert.Equal(t, "PUT /a%2Fb?c text", got.body)
	}},
	{name: "fields of one hop do not pass", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Keep-Alive", "Proxy-Authorization", "Te", "X-Hop"} {
				if r.Header.Get(name) != "" {
					http.Error(w, name, http.StatusBadRequest)
				}
			}
		})
		req := e.request("GET", f.URL, nil)
		for _, name := range []string{"Keep-Alive", "Proxy-Authorization", "Te", "X-Hop"} {
			req.Header.Set(name, "1")
		}
		req.Header.Set("Connection", "X-Hop")
		assert.Equal(t, 200, e.do(f.client, req).StatusCode)
	}},
	{name: "who asked is added", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-For"))
		},
			func(p *httputil.ReverseProxy) {
				rewrite := p.Rewrite
				p.Rewrite = func(r *httputil.ProxyRequest) { rewrite(r); r.SetXForwarded() }
			})
		assert.Equal(t, "127.0.0.1", e.get(f.client, f.URL).body)
	}},
	{name: "HEAD, 204 and 304 pass", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/204":
				w.WriteHeader(204)
			case "/304":
				w.WriteHeader(304)
			default:
				w.Header().Set("Content-Length", "1234")
			}
		})
		for range 2 {
			assert.Equal(t, 204, e.get(f.client, f.URL+"/204").StatusCode)
			assert.Equal(t, 304, e.get(f.client, f.URL+"/304").StatusCode)
			assert.EqualValues(t, 1234, e.do(f.client, e.request("HEAD", f.URL, nil)).ContentLength)
		}
	}},
	{name: "gzip that the client asked for passes untouched", run: func(t *testing.T, e *env) {
		raw := zip("text")
		f := e.proxied(zipped(raw))
		req := e.request("GET", f.URL, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		got := e.do(f.client, req)
		assert.Equal(t, "gzip", got.Header.Get("Content-Encoding"))
		assert.Equal(t, string(raw), got.body)
	}},
	{name: "gzip between proxy and server is their affair", run: func(t *testing.T, e *env) {
		f := e.proxied(zipped(zip("text")))
		f.client.Transport.(*http.Transport).DisableCompression = true
		got := e.get(f.client, f.URL)
		assert.Equal(t, "text", got.body)
		assert.Empty(t, got.Header.Get("Content-Encoding"))
	}},
	{name: "events are handed on at once", run: func(t *testing.T, e *env) {
		next := make(chan struct{})
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for {
				_, _ = io.WriteString(w, "data: 1\n\n")
				flush(w)
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		})
		resp := e.open(f.client, e.request("GET", f.URL, nil))
		for range 3 {
			event := make([]byte, len("data: 1\n\n"))
			_, err := io.ReadFull(resp.Body, event)
			require.NoError(t, err)
			assert.Equal(t, "data: 1\n\n", string(event))
			next <- struct{}{}
		}
	}},
	{name: "a stream of unknown length is handed on at once", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "piece")
			flush(w)
			e.stalls(w, r)
		})
		piece := make([]byte, 5)
		_, err := io.ReadFull(e.open(f.client, e.request("GET", f.URL, nil)).Body, piece)
		require.NoError(t, err)
		assert.Equal(t, "piece", string(piece))
	}},
	{name: "a stream of known length is flushed as the proxy says", run: func(t *testing.T, e *env) {
		for _, interval := range []time.Duration{-1, 5 * time.Millisecond} {
			f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, "piece")
				flush(w)
				e.stalls(w, r)
			}, func(p *httputil.ReverseProxy) { p.FlushInterval = interval })
			piece := make([]byte, 5)
			_, err := io.ReadFull(e.open(f.client, e.request("GET", f.URL, nil)).Body, piece)
			require.NoError(t, err)
			assert.Equal(t, "piece", string(piece))
		}
	}},
	{name: "trailers of the response pass, announced or not", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Announced")
			_, _ = io.WriteString(w, "body")
			flush(w)
			w.Header().Set("X-Announced", "1")
			w.Header().Set(http.TrailerPrefix+"X-Other", "2")
		})
		got := e.get(f.client, f.URL)
		assert.Equal(t, "1", got.Trailer.Get("X-Announced"))
		assert.Equal(t, "2", got.Trailer.Get("X-Other"))
	}},
	{name: "trailers of the request pass, where the proxy shares them", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
		}, func(p *httputil.ReverseProxy) {
			rewrite := p.Rewrite
			p.Rewrite = func(r *httputil.ProxyRequest) { rewrite(r); r.Out.Trailer = r.In.Trailer }
		})
		req := e.request("POST", f.URL, io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Sum": {"42"}}
		assert.Equal(t, "42", e.do(f.client, req).body)
	}},
	{name: "early hints pass", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusEarlyHints)
		})
		var links []string
		req := e.traced(&httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			links = append(links, h.Get("Link"))
			return nil
		}}, "GET", f.URL, nil)
		assert.Equal(t, 200, e.do(f.client, req).StatusCode)
		assert.Equal(t, []string{"</style.css>", "</style.css>"}, links)
	}},
	{name: "the expectation of 100 passes from end to end", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		var before atomic.Int32
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			before.Store(body.reads.Load())
			got, _ := io.ReadAll(r.Body)
			_, _ = w.Write(got)
		})
		assert.Equal(t, "text", e.do(f.client, e.expecting(f.URL, body)).body)
		assert.Zero(t, before.Load(), "reads before the server asked")
	}},
	{name: "a refusal of the expectation spares the client's upload", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusExpectationFailed)
		})
		req := e.expecting(f.URL, body)
		req.Close = true // or the client would send it all the same
		assert.Equal(t, http.StatusExpectationFailed, e.do(f.client, req).StatusCode)
		assert.Zero(t, body.reads.Load())
	}},
	{name: "an upload of 32 MB is never held in memory", run: func(t *testing.T, e *env) {
		var taken atomic.Int64
		f := e.proxied(func(_ http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 32<<10)
			for {
				n, err := r.Body.Read(buf)
				taken.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		body := &meter{left: 32 << 20, taken: &taken}
		e.post(f.client, f.URL, body)
		assert.EqualValues(t, 32<<20, taken.Load())
		assert.Less(t, body.ahead, int64(24<<20))
	}},
	{name: "a response may be changed or refused on the way", run: func(t *testing.T, e *env) {
		f := e.proxied(answers("text"), func(p *httputil.ReverseProxy) {
			p.ModifyResponse = func(resp *http.Response) error {
				if resp.Request.Header.Get("X-Refuse") != "" {
					return errors.New("refused")
				}
				resp.Header.Set("X-Changed", "yes")
				return nil
			}
		})
		assert.Equal(t, "yes", e.get(f.client, f.URL).Header.Get("X-Changed"))
		req := e.request("GET", f.URL, nil)
		req.Header.Set("X-Refuse", "1")
		assert.Equal(t, http.StatusBadGateway, e.do(f.client, req).StatusCode)
		assert.Equal(t, "yes", e.get(f.client, f.URL).Header.Get("X-Changed"))
	}},
	{name: "fifty at once pass over few connections", run: func(t *testing.T, e *env) {
		s := e.serve(answers(large(1 << 12)))
		f := e.proxyTo(s.URL, func(p *httputil.ReverseProxy) { p.Transport = e.transport(maxConns(4)) })
		e.atOnce(50, e.ask(f.client, f.URL))
		assert.LessOrEqual(t, s.conns.count().most, 4)
	}},
	{name: "HTTP/2 to the client and both sides at once pass", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			buf := make([]byte, 64)
			for {
				n, err := r.Body.Read(buf)
				_, _ = w.Write(buf[:n])
				flush(w)
				if err != nil {
					return
				}
			}
		})
		target, _ := url.Parse(s.URL)
		f := e.frontIn(h2, &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport: e.transport(),
		})
		in, out := io.Pipe()
		resp := e.open(f.client, e.request("POST", f.URL, in))
		for _, word := range []string{"ping", "pong"} {
			_, err := io.WriteString(out, word)
			require.NoError(t, err)
			echo := make([]byte, 4)
			_, err = io.ReadFull(resp.Body, echo)
			require.NoError(t, err)
			assert.Equal(t, word, string(echo))
		}
		require.NoError(t, out.Close())
		assert.Empty(t, e.readAll(resp).body)
	}},
	{name: "what was written to the proxy's buffer pool comes from it", run: func(t *testing.T, e *env) {
		pool := new(buffers)
		f := e.proxied(answers("text"), func(p *httputil.ReverseProxy) { p.BufferPool = pool })
		assert.Equal(t, "text", e.get(f.client, f.URL).body)
		f.Close()
		assert.Equal(t, pool.got.Load(), pool.put.Load())
		assert.Positive(t, pool.got.Load())
	}},
	{name: "a server that closed its idle connection is no 502 for a GET", modes: overHTTP1, run: func(t *testing.T, e *env) {
		f := e.proxyTo(e.serveStale().URL)
		for range 5 {
			assert.Equal(t, 200, e.get(f.client, f.URL).StatusCode)
		}
	}},
}

// buffers is a pool that counts.
type buffers struct{ got, put atomic.Int32 }

func (b *buffers) Get() []byte { b.got.Add(1); return make([]byte, 1<<10) }
func (b *buffers) Put([]byte)  { b.put.Add(1) }
