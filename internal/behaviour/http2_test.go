package behaviour

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xhttp2 "golang.org/x/net/http2"
)

// busy notes how many requests each connection has at once.
type busy struct {
	mu   sync.Mutex
	now  map[string]int
	most int
}

func (b *busy) add(addr string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now[addr] += n
	b.most = max(b.most, b.now[addr])
}

// maxStreams makes a server allow so many requests at once on a connection.
func maxStreams(n int) func(*httptest.Server) {
	return func(s *httptest.Server) { s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: n} }
}

var streams = []behaviour{
	{name: "a hundred requests share a connection", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(gathers(100))
		client := e.client()
		e.do(client, e.request("OPTIONS", s.URL, nil)) // makes the connection
		e.atOnce(100, e.ask(client, s.URL))
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "a hundred first requests at once leave few connections", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		e.atOnce(100, e.ask(client, s.URL))
		e.get(client, s.URL)
		s.conns.await(t, "few connections", func(n count) bool { return n.open <= 5 })
	}},
	{name: "first requests that wait for one place are all served by it", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		e.atOnce(50, e.ask(e.client(maxConns(1)), s.URL))
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "no more requests at once than the server allows", modes: overHTTP2, run: func(t *testing.T, e *env) {
		b, three := &busy{now: make(map[string]int)}, gathers(3)
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			b.add(r.RemoteAddr, 1)
			defer b.add(r.RemoteAddr, -1)
			three(w, r)
		}, maxStreams(3))
		e.atOnce(30, e.ask(e.client(), s.URL))
		assert.LessOrEqual(t, b.most, 3)
	}},
	{name: "requests over the server's limit of one do not wait for a long response", modes: overHTTP2, run: overTheLimit(1)},
	{name: "requests over the server's limit of three do not wait for three long responses", modes: overHTTP2, run: overTheLimit(3)},
	{name: "a request over a limit that has fallen does not wait for a long response", modes: overHTTP2, run: func(t *testing.T, e *env) {
		fallen := newLatch()
		url := e.serveH2(func(p *h2Peer) {
			if p.index > 0 {
				p.answerAll("another connection")
				return
			}
			p.request().begin(200, false)
			_ = p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 1})
			p.ping()
			fallen.set()
			p.drain()
		})
		client := e.client()
		e.open(client, e.request("GET", url, nil))
		receive(t, "the client's answer to the settings", fallen.done)
		assert.Equal(t, "another connection", e.get(client, url).body)
	}},
	{name: "a response that nobody reads does not stop the others", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				_, _ = io.Copy(w, io.LimitReader(endless{}, 64<<20))
			}
		})
		client := e.client()
		resp := e.open(client, e.request("GET", s.URL+"/long", nil))
		for range 10 {
			assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
		}
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "a body closed early ends its stream, not the connection", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(answers(large(1 << 20)))
		client := e.client()
		for range 5 {
			require.NoError(t, e.open(client, e.request("GET", s.URL, nil)).Body.Close())
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "a handler that breaks off ends its stream, not the connection", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				aborts("")(w, r)
			}
		})
		client := e.client()
		for range 3 {
			_ = e.fail(client, e.request("POST", s.URL, nil))
			e.get(client, s.URL)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "the server is told of a request that is given up", modes: overHTTP2, run: func(t *testing.T, e *env) {
		asked, given := newLatch(), make(chan xhttp2.ErrCode, 1)
		url := e.serveH2(func(p *h2Peer) {
			wants(t, "the request", p.request())
			asked.set()
			f := p.until(func(f xhttp2.Frame) bool { _, ok := f.(*xhttp2.RSTStreamFrame); return ok })
			if f != nil {
				given <- f.(*xhttp2.RSTStreamFrame).ErrCode
			}
		})
		u := e.send(e.client(), e.request("GET", url, nil))
		receive(t, "the request", asked.done)
		require.Error(t, u.cancelled())
		assert.Equal(t, xhttp2.ErrCodeCancel, receive(t, "RST_STREAM", given))
	}},
	{name: "no server may push", modes: overHTTP2, run: func(t *testing.T, e *env) {
		assert.Equal(t, uint32(0), e.says(nil)[xhttp2.SettingEnablePush])
	}},
	{name: "the limit for headers is told to the server", modes: overHTTP2, run: func(t *testing.T, e *env) {
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 12345 }
		got := e.says(small)[xhttp2.SettingMaxHeaderListSize]
		assert.InDelta(t, 12345, got, 1000, "with what HTTP/2 counts in addition")
	}},
	{name: "the sizes of the settings are told to the server", modes: overHTTP2, run: func(t *testing.T, e *env) {
		got := e.says(func(base *http.Transport) {
			base.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: 1 << 15, MaxReceiveBufferPerStream: 1 << 18}
		})
		assert.Equal(t, uint32(1<<15), got[xhttp2.SettingMaxFrameSize])
		assert.Equal(t, uint32(1<<18), got[xhttp2.SettingInitialWindowSize])
	}},
	{name: "a server that falls silent is found out by a ping", modes: overHTTP2, run: func(t *testing.T, e *env) {
		url := e.serveH2(func(p *h2Peer) {
			p.silent = true
			p.drain()
		})
		client := e.client(func(base *http.Transport) {
			base.HTTP2 = &http.HTTP2Config{SendPingTimeout: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond}
		})
		_ = e.fail(client, e.request("GET", url, nil))
	}},
	{name: "an idle connection is closed in time", modes: overHTTP2, run: func(t *testing.T, e *env) {
		ended := newLatch()
		url := e.serveH2(func(p *h2Peer) { p.answerAll(""); ended.set() })
		client := e.client(func(base *http.Transport) { base.IdleConnTimeout = 30 * time.Millisecond })
		e.get(client, url)
		receive(t, "the connection's end", ended.done)
	}},
	{name: "a server that gives up idle connections is found out", modes: overHTTP2, run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn, func(s *httptest.Server) { s.Config.IdleTimeout = 20 * time.Millisecond })
		client := e.client()
		first := e.get(client, s.URL).body
		s.conns.awaitOpen(t, 0)
		assert.NotEqual(t, first, e.get(client, s.URL).body)
	}},
	{name: "a refused stream is sent again", modes: overHTTP2, run: refusedOnce("GET", nil)},
	{name: "a refused stream is sent again with its body, whatever the method", modes: overHTTP2, run: refusedOnce("POST", inMemory)},
	{name: "a stream after the last that a server looks at is sent again, on a new connection", modes: overHTTP2,
		run: func(t *testing.T, e *env) {
			url := e.serveH2(func(p *h2Peer) {
				if p.index == 0 {
					p.request().answer(200, "first")
					if s := p.request(); s != nil {
						p.goAway(s.id - 2)
					}
					p.drain()
					return
				}
				p.answerAll("second")
			})
			client := e.client()
			assert.Equal(t, "first", e.get(client, url).body)
			assert.Equal(t, "second", e.post(client, url, inMemory()).body)
		}},
	{name: "a stream that the server still looks at is not sent again", modes: overHTTP2, run: func(t *testing.T, e *env) {
		url := e.serveH2(func(p *h2Peer) {
			if p.index == 0 {
				s := p.request()
				p.goAway(s.id)
				s.answer(200, "first")
				p.drain()
				return
			}
			p.answerAll("second")
		})
		client := e.client()
		assert.Equal(t, "first", e.get(client, url).body)
		assert.Equal(t, "second", e.get(client, url).body)
	}},
	{name: "a stream that the server breaks off is not sent again", modes: overHTTP2, run: func(t *testing.T, e *env) {
		var broken, conns atomic.Int32
		url := e.serveH2(func(p *h2Peer) {
			conns.Add(1)
			for s := p.request(); s != nil; s = p.request() {
				if s.path == "/broken" {
					broken.Add(1)
					s.reset(xhttp2.ErrCodeInternal)
					continue
				}
				s.answer(200, "")
			}
		})
		client := e.client()
		for n, method := range []string{"POST", "GET", "PUT"} {
			e.get(client, url)
			err := e.fail(client, e.request(method, url+"/broken", nil))
			assert.ErrorContains(t, err, "INTERNAL_ERROR")
			assert.EqualValues(t, n+1, broken.Load())
		}
		assert.EqualValues(t, 1, conns.Load())
	}},
	{name: "a stream that ends within its body is an error", modes: overHTTP2, run: func(t *testing.T, e *env) {
		url := e.serveH2(func(p *h2Peer) {
			s := p.request()
			s.begin(200, false)
			_ = p.WriteData(s.id, false, []byte("part"))
			s.reset(xhttp2.ErrCodeInternal)
			p.drain()
		})
		got, err := io.ReadAll(e.open(e.client(), e.request("GET", url, nil)).Body)
		assert.Equal(t, "part", string(got))
		assert.Error(t, err)
	}},
	{name: "a connection that ends within a body is an error", modes: overHTTP2, run: func(t *testing.T, e *env) {
		url := e.serveH2(func(p *h2Peer) {
			s := p.request()
			s.begin(200, false)
			_ = p.WriteData(s.id, false, []byte("part"))
		})
		got, err := io.ReadAll(e.open(e.client(), e.request("GET", url, nil)).Body)
		assert.Equal(t, "part", string(got))
		assert.Error(t, err)
	}},
	{name: "an upload that a server has ended is answered all the same", modes: overHTTP2, run: func(t *testing.T, e *env) {
		url := e.serveH2(func(p *h2Peer) {
			s := p.request()
			s.answer(413, "too large")
			s.reset(xhttp2.ErrCodeNo)
			p.drain()
		})
		body := newUpload(endless{})
		got := e.post(e.client(), url, body)
		assert.Equal(t, 413, got.StatusCode)
		assert.Equal(t, "too large", got.body)
		receive(t, "Close of the upload", body.closed.done)
	}},
	{name: "a request that wants to close lets the others go on", modes: overHTTP2, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				h(w, r)
			}
		})
		client := e.client()
		u := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the request", begin.done)
		req := e.request("GET", s.URL, nil)
		req.Close = true
		assert.Equal(t, 200, e.do(client, req).StatusCode)
		select {
		case err := <-u.err:
			t.Error("the other request ended: ", err)
		default:
		}
		require.Error(t, u.cancelled())
	}},
}

// overTheLimit runs as many long responses as the server allows on a connection, and wants more requests to be answered.
func overTheLimit(limit int) func(*testing.T, *env) {
	return func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				flush(w)
				e.stalls(w, r)
			}
		}, maxStreams(limit))
		client := e.client()
		for range limit {
			e.open(client, e.request("GET", s.URL+"/long", nil))
		}
		e.atOnce(limit+1, e.ask(client, s.URL))
		assert.GreaterOrEqual(t, s.conns.count().total, 2)
	}
}

// says returns what the transport tells a server in its settings.
func (e *env) says(adjust func(*http.Transport)) map[xhttp2.SettingID]uint32 {
	e.t.Helper()
	said := make(chan map[xhttp2.SettingID]uint32, 1)
	url := e.serveH2(func(p *h2Peer) {
		f := p.until(func(f xhttp2.Frame) bool { _, ok := f.(*xhttp2.SettingsFrame); return ok })
		if f == nil {
			return
		}
		all := make(map[xhttp2.SettingID]uint32)
		_ = f.(*xhttp2.SettingsFrame).ForeachSetting(func(s xhttp2.Setting) error { all[s.ID] = s.Val; return nil })
		said <- all
		p.answerAll("")
	})
	if adjust == nil {
		adjust = func(*http.Transport) {}
	}
	e.get(e.client(adjust), url)
	return receive(e.t, "the settings", said)
}

// refusedOnce wants a request to survive the refusal of its stream.
func refusedOnce(method string, body func() io.Reader) func(*testing.T, *env) {
	return func(t *testing.T, e *env) {
		var refused atomic.Bool
		url := e.serveH2(func(p *h2Peer) {
			for s := p.request(); s != nil; s = p.request() {
				if !refused.Swap(true) {
					s.reset(xhttp2.ErrCodeRefusedStream)
					continue
				}
				s.answer(200, "again")
			}
		})
		req := e.request(method, url, nil)
		if body != nil {
			req = e.request(method, url, body())
		}
		assert.Equal(t, "again", e.do(e.client(), req).body)
	}
}
