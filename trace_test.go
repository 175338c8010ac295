package ttlpool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// callBack calls everything of a transport that its caller can, once: what it
// causes would call back again.
type callBack struct {
	tr   atomic.Pointer[ttlpool.Transport]
	url  string // of another server
	busy atomic.Bool
	runs atomic.Int32
}

func (c *callBack) call() {
	tr := c.tr.Load()
	if tr == nil || !c.busy.CompareAndSwap(false, true) {
		return
	}
	defer c.busy.Store(false)
	tr.Stats()
	req, err := http.NewRequest("GET", c.url, nil)
	if err != nil {
		return
	}
	if resp, err := tr.RoundTrip(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	tr.CloseIdleConnections()
	c.runs.Add(1)
}

// Not in a bubble: a goroutine that waits for a mutex would stop its clock.
func TestP11EveryFunctionOfTheCallersMayCallBack(t *testing.T) {
	hooks := map[string]func(back *callBack) (opts []ttlpool.Option, prepare func(*http.Request) *http.Request){
		"Trace.DialDone": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return traced(&ttlpool.Trace{DialDone: func(string, time.Duration, error) { b.call() }}), nil
		},
		"Trace.GotConn": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return traced(&ttlpool.Trace{GotConn: func(ttlpool.ConnInfo) { b.call() }}), nil
		},
		"Trace.PutIdle": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return traced(&ttlpool.Trace{PutIdle: func(ttlpool.ConnInfo) { b.call() }}), nil
		},
		"Trace.ConnClosed": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return traced(&ttlpool.Trace{ConnClosed: func(ttlpool.ConnInfo) { b.call() }}), nil
		},
		"Trace.Stale": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return traced(&ttlpool.Trace{Stale: func(context.Context, *ttlpool.ExchangeError) { b.call() }}), nil
		},
		"the logger": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return []ttlpool.Option{ttlpool.WithLogger(slog.New(callingHandler{b}))}, nil
		},
		"WithIdempotent": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return []ttlpool.Option{ttlpool.WithIdempotent(func(*http.Request) bool { b.call(); return true })},
				func(req *http.Request) *http.Request { req.Method = "POST"; return req }
		},
		"GetBody": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return nil, func(req *http.Request) *http.Request {
				req.Method, req.Body, req.ContentLength = "PUT", io.NopCloser(stream("x")), 1
				req.GetBody = func() (io.ReadCloser, error) { b.call(); return io.NopCloser(stream("x")), nil }
				return req
			}
		},
		"the dial function": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			return []ttlpool.Option{ttlpool.WithBase(&http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				b.call()
				return new(net.Dialer).DialContext(ctx, network, address)
			}})}, nil
		},
		"httptrace": func(b *callBack) ([]ttlpool.Option, func(*http.Request) *http.Request) {
			trace := &httptrace.ClientTrace{
				GetConn:              func(string) { b.call() },
				GotConn:              func(httptrace.GotConnInfo) { b.call() },
				WroteHeaders:         b.call,
				WroteRequest:         func(httptrace.WroteRequestInfo) { b.call() },
				GotFirstResponseByte: b.call,
				Got1xxResponse:       func(int, textproto.MIMEHeader) error { b.call(); return nil },
				PutIdleConn:          func(error) { b.call() },
			}
			return nil, func(req *http.Request) *http.Request {
				return req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
			}
		},
	}
	for name, hook := range hooks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, other := startRaw(t, listenTCP(t), staleOnce), startRaw(t, listenTCP(t), (*rawConn).answerAll)
			back := &callBack{url: other.url()}
			opts, prepare := hook(back)
			tr := newTransport(t, opts...)
			get(t, tr, server.url())
			back.tr.Store(tr)
			done := make(chan error, 1)
			go func() {
				req := newRequest(t, t.Context(), "GET", server.url(), nil)
				if prepare != nil {
					req = prepare(req)
				}
				resp, err := tr.RoundTrip(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				tr.CloseIdleConnections()
				done <- err
			}()
			select {
			case err := <-done:
				assert.NoError(t, err)
			case <-time.After(10 * time.Second):
				t.Fatal("deadlock")
			}
			eventually(t, func() bool { return back.runs.Load() > 0 }, "it was not called")
		})
	}
}

func traced(trace *ttlpool.Trace) []ttlpool.Option {
	return []ttlpool.Option{ttlpool.WithTrace(trace)}
}

// staleOnce makes the second request of the first connection find it stale.
func staleOnce(c *rawConn) {
	for n := 1; c.next() != nil; n++ {
		if c.index == 1 && n == 2 {
			return
		}
		c.answer("fine")
	}
}

// callingHandler is a slog.Handler that calls back.
type callingHandler struct{ back *callBack }

func (callingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h callingHandler) Handle(context.Context, slog.Record) error {
	h.back.call()
	return nil
}
func (h callingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h callingHandler) WithGroup(string) slog.Handler      { return h }

func TestTraceStaleTellsOfBothOutcomes(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		server := startRaw(t, listenTCP(t), staleOnce)
		told := make(chan *ttlpool.ExchangeError, 2)
		type callerKey struct{}
		tr := newTransport(t, traced(&ttlpool.Trace{Stale: func(ctx context.Context, err *ttlpool.ExchangeError) {
			assert.Equal(t, "me", ctx.Value(callerKey{}))
			told <- err
		}})...)
		get(t, tr, server.url())
		ctx := context.WithValue(t.Context(), callerKey{}, "me")
		resp, err := tr.RoundTrip(newRequest(t, ctx, method, server.url(), nil))
		require.Len(t, told, 1)
		stale := <-told
		assert.True(t, stale.Stale)
		assert.ErrorIs(t, stale, io.EOF)
		assert.Equal(t, server.address, stale.Conn.Address)
		assert.Equal(t, 1, stale.Conn.Uses)
		assert.Positive(t, stale.Written)
		assert.Zero(t, stale.Read)
		if method == "GET" {
			require.NoError(t, err)
			readBody(t, resp)
			assert.Empty(t, stale.NotRetried)
		} else {
			assert.Equal(t, stale, err, "what is told is what is returned")
			assert.Equal(t, "POST is not idempotent", stale.NotRetried)
		}
	}
}

func TestTheLoggerTellsOfStaleConnections(t *testing.T) {
	for method, want := range map[string]string{"GET": "level=INFO", "POST": "level=WARN"} {
		server := startRaw(t, listenTCP(t), staleOnce)
		var log bytes.Buffer
		tr := newTransport(t, ttlpool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		get(t, tr, server.url())
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), method, server.url(), nil))
		if err == nil {
			readBody(t, resp)
		}
		assert.Contains(t, log.String(), want)
		assert.Contains(t, log.String(), `msg="stale connection"`)
		assert.Contains(t, log.String(), server.address)
		assert.Contains(t, log.String(), "method="+method)
	}
}

func TestTheHooksOfOneRequestComeInOrder(t *testing.T) {
	server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
	var events []string
	var uses, leases []int
	note := func(name string) func(ttlpool.ConnInfo) {
		return func(info ttlpool.ConnInfo) {
			events = append(events, name)
			uses, leases = append(uses, info.Uses), append(leases, info.Leases)
		}
	}
	dialled := make(chan string, 1)
	tr := newTransport(t, traced(&ttlpool.Trace{
		DialDone: func(address string, took time.Duration, err error) {
			dialled <- fmt.Sprint(address, " ", took >= 0, " ", err)
		},
		GotConn: note("got"), PutIdle: note("idle"), ConnClosed: note("closed"),
	})...)
	get(t, tr, server.url())
	get(t, tr, server.url())
	tr.CloseIdleConnections()
	assert.Equal(t, server.address+" true <nil>", <-dialled)
	assert.Equal(t, []string{"got", "idle", "got", "idle", "closed"}, events)
	assert.Equal(t, []int{0, 1, 1, 2, 2}, uses)
	assert.Equal(t, []int{1, 0, 1, 0, 0}, leases)
}

func TestHTTPTraceTellsOfTheSecondTry(t *testing.T) {
	server := startRaw(t, listenTCP(t), staleOnce)
	tr := newTransport(t)
	get(t, tr, server.url())
	var reused []bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			assert.Equal(t, info.Reused, info.WasIdle)
			assert.NotNil(t, info.Conn)
			reused = append(reused, info.Reused)
		},
	})
	send(t, tr, newRequest(t, ctx, "GET", server.url(), nil))
	assert.Equal(t, []bool{true, false}, reused)
}

func TestTheTextOfAnExchangeError(t *testing.T) {
	conn := ttlpool.ConnInfo{Address: "hub:80", Idle: 15980 * time.Millisecond, Age: 4*time.Minute + 10*time.Second, Uses: 31}
	for _, row := range []struct {
		err  ttlpool.ExchangeError
		want string
	}{
		{
			ttlpool.ExchangeError{Conn: conn, Stale: true, Written: 412, Acknowledged: 0, NotRetried: "POST is not idempotent", Err: io.EOF},
			"hub:80: stale connection: EOF after 15.98s idle (age 4m10s, 31 uses; 412 bytes written, 0 acknowledged, 0 read); not retried: POST is not idempotent",
		},
		{
			ttlpool.ExchangeError{Conn: ttlpool.ConnInfo{Address: "hub:80", Age: time.Second, Uses: 1}, Written: 1, Acknowledged: -1, Read: 7, Retried: true, Err: syscall.ECONNRESET},
			"hub:80: connection reset by peer (age 1s, 1 use; 1 byte written, 7 read); this was the second try",
		},
		{
			ttlpool.ExchangeError{Conn: conn, Written: -1, Acknowledged: -1, Read: -1, NotRetried: "the connection was fresh", Err: io.ErrUnexpectedEOF},
			"hub:80: unexpected EOF (age 4m10s, 31 uses); not retried: the connection was fresh",
		},
	} {
		assert.Equal(t, row.want, row.err.Error())
	}
}

func TestAnExchangeErrorIsWhatItsCauseIs(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	err := error(&ttlpool.ExchangeError{Err: reset})
	assert.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Equal(t, error(reset), errors.Unwrap(err))
	var op *net.OpError
	assert.ErrorAs(t, err, &op)

	var failed net.Error
	require.ErrorAs(t, err, &failed)
	assert.False(t, failed.Timeout())
	assert.False(t, (&ttlpool.ExchangeError{Err: io.EOF}).Temporary())
	assert.True(t, (&ttlpool.ExchangeError{Err: context.DeadlineExceeded}).Timeout())
	assert.True(t, (&ttlpool.ExchangeError{Err: context.DeadlineExceeded}).Temporary())
}

// The error that the first user sees, through http.Client, names the hop.
func TestTheClientsErrorNamesTheHop(t *testing.T) {
	server := startRaw(t, listenTCP(t), staleOnce)
	tr := newTransport(t)
	client := &http.Client{Transport: tr}
	get(t, tr, server.url())
	_, err := client.Post(server.url(), "text/plain", strings.NewReader("<methodCall/>"))
	require.Error(t, err)
	assert.ErrorIs(t, err, io.EOF)
	for _, part := range []string{server.address, "stale connection: EOF after", "idle (age ", "1 use;", "bytes written", "0 read", "not retried: POST is not idempotent"} {
		assert.ErrorContains(t, err, part)
	}
	var failed *ttlpool.ExchangeError
	require.ErrorAs(t, err, &failed)
	assert.Positive(t, failed.Conn.Age)
	assert.Equal(t, ttlpool.NotClosed, failed.Conn.Closed)
}

// severalErrors is an error that does not support ==, as those of many packages
// that collect errors.
type severalErrors []error

func (severalErrors) Error() string { return "several errors" }

// failing is a connection whose Reads fail with an error of its own.
type failing struct {
	net.Conn
	err error
}

func (c failing) Read([]byte) (int, error) { return 0, c.err }

func TestErrorsOfOthersComeBackAsTheyAre(t *testing.T) {
	server := startRaw(t, listenTCP(t), (*rawConn).awaitEnd)
	for _, own := range []error{errors.New("of my own"), severalErrors{io.EOF}} {
		t.Run(fmt.Sprintf("%T", own), func(t *testing.T) {
			to := func(conn error) *ttlpool.Transport {
				return newTransport(t, ttlpool.WithBase(&http.Transport{
					DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := new(net.Dialer).DialContext(ctx, network, address)
						if conn != nil {
							c = failing{c, conn}
						}
						return c, err
					},
				}))
			}
			_, err := to(own).RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
			var failed *ttlpool.ExchangeError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, own, failed.Err, "the connection's, as the cause")

			ctx, cancel := context.WithCancelCause(t.Context())
			trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { cancel(own) }}
			req := newRequest(t, httptrace.WithClientTrace(ctx, trace), "GET", server.url(), nil)
			_, err = to(nil).RoundTrip(req)
			assert.Equal(t, own, err, "the cause of a cancellation")

			body := readerFunc(func([]byte) (int, error) { return 0, own })
			_, err = to(nil).RoundTrip(newRequest(t, t.Context(), "POST", server.url(), body))
			assert.Equal(t, own, err, "the request's body's")

			refusing := newTransport(t, ttlpool.WithBase(&http.Transport{
				DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, own },
			}))
			_, err = refusing.RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
			assert.Equal(t, own, err, "the dial function's")
		})
	}
}
