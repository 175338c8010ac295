package ttlpool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/hangup"
)

func TestABadRequestFailsBeforeTheDial(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(*http.Request)
		want  string
	}{
		{"no URL", func(r *http.Request) { r.URL = nil }, "http: nil Request.URL"},
		{"no header", func(r *http.Request) { r.Header = nil }, "http: nil Request.Header"},
		{"no host", func(r *http.Request) { r.URL = &url.URL{Scheme: "http", Path: "/"} }, "http: no Host in request URL"},
		{"no scheme", func(r *http.Request) { r.URL.Scheme = "" }, `unsupported protocol scheme ""`},
		{"another scheme", func(r *http.Request) { r.URL.Scheme = "faux" }, `unsupported protocol scheme "faux"`},
		{"method", func(r *http.Request) { r.Method = " " }, `invalid method " "`},
		{"header name", func(r *http.Request) { r.Header["bad name"] = []string{"x"} }, `invalid header field name "bad name"`},
		{"header value", func(r *http.Request) { r.Header.Set("Key", "a\r\nb") }, `invalid header field value for "Key"`},
		{"trailer name", func(r *http.Request) { r.Trailer = http.Header{"bad\nname": {"x"}} }, `invalid trailer field name "bad\nname"`},
		{"trailer value", func(r *http.Request) { r.Trailer = http.Header{"Key": {"a\nb"}} }, `invalid trailer field value for "Key"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			tr := newTransport(t, ttlpool.WithBase(&http.Transport{DialContext: mustNotDial(t)}))
			body := &closeCounter{Reader: strings.NewReader("body")}
			req := newRequest(t, t.Context(), "POST", "http://hub.test/", body)
			row.spoil(req)
			resp, err := tr.RoundTrip(req)
			assert.Nil(t, resp)
			assert.ErrorContains(t, err, row.want)
			assert.Equal(t, 1, body.closes())
			assert.Zero(t, tr.Stats().Dials)
		})
	}
}

func TestABadBodyFailsAloneAndIsNotStale(t *testing.T) {
	for _, row := range []struct {
		name string
		body func() (io.Reader, int64)
		want string
	}{
		{"nil with a length", func() (io.Reader, int64) { return nil, 5 }, "http: Request.ContentLength=5 with nil Body"},
		{"used before", func() (io.Reader, int64) {
			used := strings.NewReader("hello")
			_, _ = io.ReadAll(used)
			return used, 5
		}, "http: ContentLength=5 with Body length 0"},
		{"longer than its length", func() (io.Reader, int64) { return strings.NewReader("too long"), 3 }, "http: ContentLength=3 with Body length 8"},
		{"failing", func() (io.Reader, int64) { return readerFunc(func([]byte) (int, error) { return 0, errCargo }), -1 }, "the body fails"},
	} {
		for _, reused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reused %v", row.name, reused), func(t *testing.T) {
				server := startRaw(t, listenTCP(t), func(c *rawConn) {
					for req := c.next(); req != nil; req = c.next() {
						if req.Method == "PUT" {
							c.awaitEnd() // no answer may come before the fault is found
							return
						}
						c.answer("")
					}
				})
				tr := newTransport(t, ttlpool.WithMaxConnsPerHost(1))
				if reused {
					get(t, tr, server.url())
				}
				reader, length := row.body()
				req := newRequest(t, t.Context(), "PUT", server.url(), nil)
				if req.ContentLength = length; reader != nil {
					req.Body = io.NopCloser(reader)
				}
				_, err := tr.RoundTrip(req)
				require.EqualError(t, err, row.want)
				assert.Zero(t, tr.Stats().Stale)
				get(t, tr, server.url())
				requireNothingLeft(t, tr)
			})
		}
	}
}

func TestAHostCannotSmuggleHeaders(t *testing.T) {
	seen := make(chan *http.Request, 1)
	server := startRaw(t, listenTCP(t), func(c *rawConn) {
		if req := c.next(); req != nil {
			seen <- req
			c.answer("")
		}
		close(seen)
	})
	req := newRequest(t, t.Context(), "GET", server.url(), nil)
	req.Host = "hub.test\r\nX-Evil: yes"
	resp, err := newTransport(t).RoundTrip(req)
	if err == nil {
		readBody(t, resp)
		assert.Empty(t, (<-seen).Header.Get("X-Evil"))
	}
}

func TestAServersFaultIsAClearError(t *testing.T) {
	endless := strings.Repeat("X-Endless: "+strings.Repeat("x", 1000)+"\r\n", 20)
	for _, row := range []struct {
		name, say, want string
	}{
		{"garbage", "\x00\x01garbage\r\n\r\n", "malformed HTTP response"},
		{"another protocol", "SSH-2.0-OpenSSH_9.9\r\n", "malformed HTTP"},
		{"an unknown version", "HTTP/9.9 200 OK\r\n\r\n", ""},
		{"a bad status", "HTTP/1.1 abc OK\r\n\r\n", "malformed HTTP status code"},
		{"a header without colon", "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n", "malformed MIME header"},
		{"endless headers", "HTTP/1.1 200 OK\r\n" + endless, "server response headers exceeded 10000 bytes"},
		{"an endless line", "HTTP/1.1 200 " + strings.Repeat("x", 20_000), "server response headers exceeded 10000 bytes"},
		{"endless informational responses", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 1000), "server response headers exceeded 10000 bytes"},
		{"no end of the head", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "unexpected EOF"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", `bad Content-Length "-1"`},
		{"a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", `bad Content-Length "+3"`},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"},
		{"a body too short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "unexpected EOF"},
		{"a bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "invalid byte in chunk length"},
		{"a chunk too short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nshort", "unexpected EOF"},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "unexpected EOF"},
		{"no end of the trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n", "trailer"},
		{"an unknown transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: morse\r\n\r\n...", "unsupported transfer encoding"},
		{"broken compression", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "unexpected EOF"},
		{"nothing at all", "", "EOF"},
	} {
		for _, reused := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reused %v", row.name, reused), func(t *testing.T) {
				ledger := newLedger()
				server := startRaw(t, listenTCP(t), func(c *rawConn) {
					for req := c.next(); req != nil; req = c.next() {
						ledger.receive(req)
						if req.Header.Get(idHeader) == staleID {
							c.say(row.say)
							return
						}
						c.answer("fine")
					}
				})
				tr := newTransport(t, ttlpool.WithMaxConnsPerHost(1),
					ttlpool.WithBase(&http.Transport{MaxResponseHeaderBytes: 10_000}))
				if reused {
					get(t, tr, server.url())
				}
				resp, err := tr.RoundTrip(markedGet(t, server.url()))
				if err == nil && row.want != "" {
					_, err = io.ReadAll(resp.Body)
				}
				if row.want != "" {
					assert.ErrorContains(t, err, row.want)
				}
				if err == nil {
					_ = resp.Body.Close()
				}
				wantTries := 1
				if reused && row.say == "" {
					wantTries = 2 // as stale as it can be
				}
				received, _ := ledger.counts(staleID)
				assert.Equal(t, wantTries, received)
				assert.Equal(t, "fine", get(t, tr, server.url()))
				requireNothingLeft(t, tr)
			})
		}
	}
}

// A server that speaks first has not answered.
func TestAResponseBeforeAnyRequest(t *testing.T) {
	for name, text := range strays {
		t.Run(name, func(t *testing.T) {
			server := startRaw(t, listenTCP(t), func(c *rawConn) {
				if c.index == 1 {
					c.say(text)
				}
				c.answerAll()
			})
			tr := newTransport(t, ttlpool.WithBase(&http.Transport{
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					if probe := hangup.NewProbe(c); probe != nil && server.accepted() <= 1 {
						eventually(t, func() bool { return probe.State() == hangup.Pending || server.accepted() > 1 }, "nothing arrives")
					}
					return c, err
				},
			}))
			resp, err := tr.RoundTrip(newRequest(t, t.Context(), "POST", server.url(), stream("x")))
			if err == nil {
				t.Errorf("taken for an answer: %s", resp.Status)
				_ = resp.Body.Close()
			}
			assert.Equal(t, "2.1", get(t, tr, server.url()))
			requireNothingLeft(t, tr)
		})
	}
}

func TestABadDialer(t *testing.T) {
	type value struct{ text string }
	for _, row := range []struct {
		name      string
		dial      func() (net.Conn, error)
		want      string
		wantPanic any
	}{
		{name: "nothing", dial: func() (net.Conn, error) { return nil, nil }, want: "neither a connection nor an error"},
		{name: "a nil socket", dial: func() (net.Conn, error) { return (*net.TCPConn)(nil), nil }, want: "neither a connection nor an error"},
		{name: "a panic", dial: func() (net.Conn, error) { panic(value{"of my own"}) }, wantPanic: value{"of my own"}},
		{name: "an exit", dial: func() (net.Conn, error) { runtime.Goexit(); return nil, nil }, want: "ended its goroutine"},
		{name: "a closed connection", dial: func() (net.Conn, error) {
			a, b := net.Pipe()
			_, _ = a.Close(), b.Close()
			return a, nil
		}, want: "closed pipe"},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(row.name+" for "+scheme, func(t *testing.T) {
				server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
				bad := true
				tr := newTransport(t, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithBase(&http.Transport{
					DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
						if bad {
							return row.dial()
						}
						return new(net.Dialer).DialContext(ctx, network, server.address)
					},
				}))
				body := &closeCounter{Reader: strings.NewReader("body")}
				req := newRequest(t, t.Context(), "POST", scheme+"://hub.test/", body)
				panicked, err := tryTo(func() error {
					_, err := tr.RoundTrip(req)
					return err
				})
				assert.Equal(t, row.wantPanic, panicked)
				if panicked == nil {
					assert.ErrorContains(t, err, row.want)
				}
				eventually(t, func() bool { return body.closes() == 1 }, "the body is not closed")
				bad = false
				assert.Equal(t, "1.1", get(t, tr, "http://hub.test/"))
				requireNothingLeft(t, tr)
			})
		}
	}
}

// tryTo returns what f returns, or panics with.
func tryTo(f func() error) (panicked any, err error) {
	defer func() { panicked = recover() }()
	return nil, f()
}

func TestADialerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		tr := newTransport(t, ttlpool.WithAcquireTimeout(time.Minute), ttlpool.WithBase(&http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				<-release
				return nil, io.EOF
			},
		}))
		begun := time.Now()
		_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		assert.ErrorIs(t, err, ttlpool.ErrAcquireTimeout)
		assert.Equal(t, time.Minute, time.Since(begun))
	})
}

// What the caller's own functions do comes back as it is, and costs nothing.
func TestAPanicOfTheCallersOwn(t *testing.T) {
	const mine = "a panic of my own"
	explode := func() { panic(mine) }
	traced := func(trace *httptrace.ClientTrace) func(*http.Request) *http.Request {
		return func(req *http.Request) *http.Request {
			return req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
		}
	}
	for _, row := range []struct {
		name  string
		opts  []ttlpool.Option
		armed func(*http.Request) *http.Request
	}{
		{name: "in Proxy", armed: func(req *http.Request) *http.Request {
			req.Header.Set("X-Explode", "Proxy")
			return req
		}},
		{name: "in WithIdempotent", armed: func(req *http.Request) *http.Request {
			req.Method = "POST"
			return req
		}, opts: []ttlpool.Option{ttlpool.WithIdempotent(func(*http.Request) bool { explode(); return true })}},
		{name: "in GetBody", armed: func(req *http.Request) *http.Request {
			req.Method, req.Body, req.ContentLength = "PUT", io.NopCloser(stream("x")), 1
			req.GetBody = func() (io.ReadCloser, error) { explode(); return nil, nil }
			return req
		}},
		{name: "in GotConn", armed: traced(&httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { explode() }})},
		{name: "in WroteHeaders", armed: traced(&httptrace.ClientTrace{WroteHeaders: explode})},
		{name: "in GotFirstResponseByte", armed: traced(&httptrace.ClientTrace{GotFirstResponseByte: explode})},
		{name: "in Got1xxResponse", armed: traced(&httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error { explode(); return nil },
		})},
		{name: "in Trace.Stale", opts: []ttlpool.Option{ttlpool.WithTrace(&ttlpool.Trace{
			Stale: func(context.Context, *ttlpool.ExchangeError) { explode() },
		})}},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := startRaw(t, listenTCP(t), func(c *rawConn) {
				for n := 1; ; n++ {
					switch req := c.next(); {
					case req == nil:
						return
					case req.Header.Get(idHeader) != "" && (strings.Contains(row.name, "1xx") || strings.Contains(row.name, "FirstResponse")):
						c.say("HTTP/1.1 103 Early Hints\r\n\r\n")
						c.answer("x")
					case req.Header.Get(idHeader) != "":
						return
					}
					c.answer("fine")
				}
			})
			opts := append([]ttlpool.Option{ttlpool.WithMaxConnsPerHost(1), ttlpool.WithBase(&http.Transport{
				Proxy: func(req *http.Request) (*url.URL, error) {
					if req.Header.Get("X-Explode") != "" {
						explode()
					}
					return nil, nil
				},
			})}, row.opts...)
			tr := newTransport(t, opts...)
			assert.Equal(t, "fine", get(t, tr, server.url()))
			req := markedGet(t, server.url())
			if row.armed != nil {
				req = row.armed(req)
			}
			assert.PanicsWithValue(t, mine, func() {
				resp, err := tr.RoundTrip(req)
				t.Logf("no panic but %v, %v", resp, err)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			resp, err := tr.RoundTrip(newRequest(t, ctx, "GET", server.url(), nil))
			require.NoError(t, err, "the place of the connection is lost")
			assert.Equal(t, "fine", readBody(t, resp))
			requireNothingLeft(t, tr)
		})
	}
}

func TestBadOptionsOfATransport(t *testing.T) {
	for name, opt := range map[string]ttlpool.Option{
		"nil option":            nil,
		"nil base":              ttlpool.WithBase(nil),
		"nil predicate":         ttlpool.WithIdempotent(nil),
		"negative replay limit": ttlpool.WithReplayLimit(-1),
		"nil trace":             ttlpool.WithTrace(nil),
		"nil logger":            ttlpool.WithLogger(nil),
	} {
		tr, err := ttlpool.NewTransport(opt)
		assert.Nil(t, tr, name)
		assert.ErrorContains(t, err, "ttlpool: ", name)
	}
}

func TestAClosedTransport(t *testing.T) {
	tr := newTransport(t)
	require.NoError(t, tr.Close())
	body := &closeCounter{Reader: strings.NewReader("body")}
	_, err := tr.RoundTrip(newRequest(t, t.Context(), "POST", "http://hub.test/", body))
	assert.True(t, errors.Is(err, ttlpool.ErrClosed))
	assert.Equal(t, 1, body.closes())
	assert.NoError(t, tr.Shutdown(t.Context()))
	tr.CloseIdleConnections()
}

// A length is any number that a server may state, on a connection that has served
// before too, where it is looked whether another response follows.
func TestALengthBeyondAllMeasureIsNoPanic(t *testing.T) {
	for _, length := range []string{"9223372036854775807", "9223372036854775801", "4294967290"} {
		synctest.Test(t, func(t *testing.T) {
			network := newMemNet()
			startRaw(t, network.Listen("hub:80"), func(c *rawConn) {
				if c.next() == nil {
					return
				}
				c.answer("first")
				if c.next() != nil {
					c.say("HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\nHTTP/1.1 200 OK\r\n")
				}
			})
			tr := newTransport(t, over(network))
			get(t, tr, "http://hub:80/")
			resp, err := tr.RoundTrip(newRequest(t, t.Context(), http.MethodGet, "http://hub:80/", nil))
			require.NoError(t, err)
			_, err = io.ReadAll(resp.Body)
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.NoError(t, resp.Body.Close())
		})
	}
}
