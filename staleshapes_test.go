package ttlpool_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A shape is one in which the race shows itself.
type shape struct {
	name    string
	fails   []error                             // one of them
	nothing bool                                // of the request is accepted by the connection
	write   func(p []byte) int                  // how much of a write is accepted; nil: all
	serve   func(c *rawConn, req *http.Request) // what the server does when it has the head; nil: it never has
}

func shapes() []shape {
	received := func(req *http.Request) {
		if req.ContentLength < 0 && req.Header.Get("Expect") == "" {
			_, _ = io.ReadFull(req.Body, make([]byte, smallLimit+1)) // some of the body, too
		}
	}
	return []shape{
		{name: "EOF", fails: []error{io.EOF}, serve: func(c *rawConn, req *http.Request) {
			received(req)
			c.halfClose()
			c.awaitEnd()
		}},
		{name: "reset", fails: []error{syscall.ECONNRESET, syscall.EPIPE}, serve: func(c *rawConn, req *http.Request) {
			received(req)
			c.reset()
		}},
		{name: "failed write", fails: []error{syscall.EPIPE}, write: func(p []byte) int { return len(p) / 2 }},
		{name: "nothing written", fails: []error{syscall.EPIPE}, write: func([]byte) int { return 0 }, nothing: true},
	}
}

// requireError requires the shape's error. After a reset, it depends on who
// notices first: the reader or the writer.
func (s shape) requireError(t *testing.T, err error) {
	t.Helper()
	is := func(target error) bool { return errors.Is(err, target) }
	require.True(t, slices.ContainsFunc(s.fails, is), "%v is none of %v", err, s.fails)
}

// breakable is a connection whose writes fail once it is broken, as those of a
// socket do that the peer has reset.
type breakable struct {
	net.Conn
	broken *atomic.Bool
	accept func(p []byte) int
}

func (c *breakable) Write(p []byte) (int, error) {
	if !c.broken.Load() {
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.accept(p)])
	_ = c.Conn.Close()
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
}

// A manner is a method with what its sender says of it.
type manner struct {
	name       string
	idempotent bool
	prepare    func(req *http.Request) *http.Request
}

func manners() []manner {
	method := func(m string) func(*http.Request) *http.Request {
		return func(req *http.Request) *http.Request {
			req.Method = m
			return req
		}
	}
	header := func(m, name string) func(*http.Request) *http.Request {
		return func(req *http.Request) *http.Request {
			req.Header.Set(name, "a key")
			return method(m)(req)
		}
	}
	return []manner{
		{"GET", true, method("GET")},
		{"HEAD", true, method("HEAD")},
		{"PUT", true, method("PUT")},
		{"DELETE", true, method("DELETE")},
		{"POST", false, method("POST")},
		{"PATCH", false, method("PATCH")},
		{"POST with Idempotency-Key", true, header("POST", "Idempotency-Key")},
		{"PATCH with X-Idempotency-Key", true, header("PATCH", "X-Idempotency-Key")},
		{"POST by WithIdempotent", true, func(req *http.Request) *http.Request {
			req.URL.Path = "/declared"
			return method("POST")(req)
		}},
		{"POST by Idempotent", true, func(req *http.Request) *http.Request {
			return method("POST")(req).WithContext(ttlpool.Idempotent(req.Context()))
		}},
	}
}

const (
	firstHalf, secondHalf = "the first half, ", "the second half"
	wholeBody             = firstHalf + secondHalf
	smallLimit            = 8
)

// A cargo is a kind of request body.
type cargo struct {
	name    string
	body    func(again <-chan struct{}) io.ReadCloser // again: the second try is under way
	getBody bool
	expect  bool // 100-continue, so that it is untouched when the failure comes
	limit   int64
	tooLong bool // for the replay limit
	fails   bool
}

var errCargo = errors.New("the body fails")

func cargoes() []cargo {
	whole := func(<-chan struct{}) io.ReadCloser { return io.NopCloser(stream(wholeBody)) }
	// halves waits between the two for the second try.
	halves := func(end error) func(<-chan struct{}) io.ReadCloser {
		return func(again <-chan struct{}) io.ReadCloser {
			pause := readerFunc(func([]byte) (int, error) {
				<-again
				return 0, end
			})
			if end != io.EOF {
				return io.NopCloser(io.MultiReader(strings.NewReader(firstHalf), pause))
			}
			return io.NopCloser(io.MultiReader(strings.NewReader(firstHalf), pause, strings.NewReader(secondHalf)))
		}
	}
	return []cargo{
		{name: "none"},
		{name: "GetBody", body: whole, getBody: true},
		{name: "untouched", body: whole, expect: true, limit: smallLimit},
		{name: "recorded", body: whole, limit: int64(len(wholeBody))},
		{name: "over the limit", body: whole, limit: smallLimit, tooLong: true},
		{name: "half-read", body: halves(io.EOF), limit: 1 << 10},
		{name: "failing", body: halves(errCargo), limit: 1 << 10, fails: true},
	}
}

// staleCase is one cell of the matrix.
type staleCase struct {
	shape  shape
	manner manner
	cargo  cargo

	ledger *ledger
	server *rawServer
	tr     *ttlpool.Transport
	dials  atomic.Int32
	broken atomic.Bool
	again  chan struct{} // closed when the second try is under way, or at the end
	once   sync.Once
	closes *closeCounter // of the body; nil: none
}

// staleID marks the request that meets a stale connection.
const staleID = "the one"

func newStaleCase(t *testing.T, sh shape, m manner, c cargo) *staleCase {
	sc := &staleCase{shape: sh, manner: m, cargo: c, ledger: newLedger(), again: make(chan struct{})}
	sc.server = startRaw(t, listenTCP(t), sc.serve)
	opts := []ttlpool.Option{
		ttlpool.WithBase(&http.Transport{ExpectContinueTimeout: time.Hour, DialContext: sc.dial}),
		ttlpool.WithIdempotent(func(req *http.Request) bool { return req.URL.Path == "/declared" }),
	}
	if c.limit > 0 {
		opts = append(opts, ttlpool.WithReplayLimit(c.limit))
	}
	sc.tr = newTransport(t, opts...)
	t.Cleanup(sc.release)
	return sc
}

// dial breaks the connections whose shape is a failed write.
func (sc *staleCase) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if first := sc.dials.Add(1) == 1; err != nil || sc.shape.write == nil || !first {
		return c, err
	}
	return &breakable{Conn: c, broken: &sc.broken, accept: sc.shape.write}, nil
}

func (sc *staleCase) release() { sc.once.Do(func() { close(sc.again) }) }

// serve answers all but the second request of the first connection.
func (sc *staleCase) serve(c *rawConn) {
	for n := 1; ; n++ {
		req := c.head()
		if req == nil {
			return
		}
		sc.ledger.receive(req)
		if c.index == 1 && n == 2 {
			if sc.shape.serve != nil {
				sc.shape.serve(c, req)
			}
			return
		}
		if c.index > 1 {
			sc.release()
		}
		if req.Header.Get("Expect") != "" {
			c.say("HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		sc.ledger.answer(req)
		if req.Method == "HEAD" {
			c.say("HTTP/1.1 200 OK\r\n\r\n")
			continue
		}
		c.answer(string(body))
	}
}

func (sc *staleCase) request(t *testing.T) *http.Request {
	req := newRequest(t, t.Context(), "GET", sc.server.url(), nil)
	req.Header.Set(idHeader, staleID)
	if sc.cargo.body != nil {
		sc.closes = &closeCounter{Reader: sc.cargo.body(sc.again)}
		req.Body, req.ContentLength = sc.closes, -1
	}
	if sc.cargo.getBody {
		req.GetBody = func() (io.ReadCloser, error) { return sc.cargo.body(sc.again), nil }
	}
	if sc.cargo.expect {
		req.Header.Set("Expect", "100-continue")
	}
	return sc.manner.prepare(req)
}

// repeatable is the oracle: what must be sent again.
func (sc *staleCase) repeatable() bool {
	// Nothing of a body is read before the head has been written.
	touched := !sc.cargo.expect && sc.shape.serve != nil
	if sc.cargo.tooLong && touched {
		return false
	}
	return sc.manner.idempotent || sc.shape.nothing
}

func TestP5EveryShapeMethodAndBody(t *testing.T) {
	for _, sh := range shapes() {
		for _, m := range manners() {
			for _, c := range cargoes() {
				t.Run(sh.name+"/"+m.name+"/"+c.name, func(t *testing.T) {
					t.Parallel()
					newStaleCase(t, sh, m, c).run(t)
				})
			}
		}
	}
}

func (sc *staleCase) run(t *testing.T) {
	warm := newRequest(t, t.Context(), "GET", sc.server.url(), nil)
	warm.Header.Set(idHeader, "warm")
	send(t, sc.tr, warm)
	sc.broken.Store(true)
	resp, err := sc.tr.RoundTrip(sc.request(t))
	switch {
	case !sc.repeatable():
		sc.requireFailure(t, err)
	case sc.cargo.fails:
		assert.Equal(t, errCargo, err, "on the second try")
	default:
		require.NoError(t, err)
		body := readBody(t, resp)
		if sc.cargo.body != nil && resp.Request.Method != "HEAD" {
			assert.Equal(t, wholeBody, body)
		}
	}
	sc.requireCounts(t)
	if sc.closes != nil {
		sc.release()
		eventually(t, func() bool { return sc.closes.closes() == 1 }, "the body is not closed")
	}
}

func (sc *staleCase) requireFailure(t *testing.T, err error) {
	t.Helper()
	var failed *ttlpool.ExchangeError
	require.ErrorAs(t, err, &failed)
	sc.shape.requireError(t, err)
	assert.True(t, failed.Stale)
	assert.False(t, failed.Retried)
	assert.NotEmpty(t, failed.NotRetried)
	assert.Zero(t, failed.Read)
	assert.Equal(t, sc.shape.nothing, failed.Written == 0)
}

func (sc *staleCase) requireCounts(t *testing.T) {
	t.Helper()
	tries, answers := 0, 0
	if sc.shape.serve != nil {
		tries++
	}
	if sc.repeatable() {
		tries++
		answers++
	}
	if sc.cargo.fails {
		answers = 0
	}
	received, answered := sc.ledger.counts(staleID)
	stats := sc.tr.Stats()
	assert.EqualValues(t, 1, stats.Stale)
	assertClosed(t, sc.tr, ttlpool.ClosedStale, 1)
	if sc.repeatable() {
		assert.EqualValues(t, []int64{1, 0, 3}, []int64{stats.Retries, stats.NotRetried, stats.Requests})
		assert.Equal(t, 2, sc.server.accepted())
	} else {
		assert.EqualValues(t, []int64{0, 1, 2}, []int64{stats.Retries, stats.NotRetried, stats.Requests})
		assert.Equal(t, 1, sc.server.accepted())
	}
	assert.Equal(t, answers, answered, "answered")
	if !sc.cargo.fails { // else the second head may not have gone out
		assert.Equal(t, tries, received, "received")
	}
}

// A Read of the first try hangs when that fails, and brings more than is kept before
// the second one begins.
func TestP5WhatIsReadWhileTheFailureIsToldReachesTheSecondTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			if c.index == 1 {
				c.next()
				c.answer("warm")
				_, _ = io.ReadFull(c.head().Body, make([]byte, len(firstHalf)))
				return
			}
			body, _ := io.ReadAll(c.head().Body)
			c.answer(string(body))
			c.awaitEnd()
		})
		told := make(chan struct{})
		tr := newTransport(t, over(network), ttlpool.WithReplayLimit(int64(len(firstHalf))), ttlpool.WithTrace(&ttlpool.Trace{
			Stale: func(context.Context, *ttlpool.ExchangeError) {
				close(told)
				synctest.Wait()
			},
		}))
		get(t, tr, "http://hub.test/")
		pause := readerFunc(func([]byte) (int, error) {
			<-told
			return 0, io.EOF
		})
		body := &closeCounter{Reader: io.MultiReader(strings.NewReader(firstHalf), pause, strings.NewReader(secondHalf))}
		assert.Equal(t, wholeBody, send(t, tr, newRequest(t, t.Context(), "PUT", "http://hub.test/", body)))
		assert.EqualValues(t, 1, tr.Stats().Retries)
		assert.Equal(t, 1, body.closes())
	})
}

func TestP5ABodysOwnFailureIsNotRetried(t *testing.T) {
	ledger := newLedger()
	server := startRaw(t, listenTCP(t), func(c *rawConn) {
		for req := c.head(); req != nil; req = c.head() {
			ledger.receive(req)
			if _, err := io.ReadAll(req.Body); err != nil {
				return
			}
			c.answer("")
		}
	})
	tr := newTransport(t)
	get(t, tr, server.url())
	req := newRequest(t, t.Context(), "PUT", server.url(), io.MultiReader(strings.NewReader(firstHalf),
		readerFunc(func([]byte) (int, error) { return 0, errCargo })))
	req.Header.Set(idHeader, staleID)
	_, err := tr.RoundTrip(req)
	assert.Equal(t, errCargo, err)
	received, _ := ledger.counts(staleID)
	assert.LessOrEqual(t, received, 1)
	assert.Equal(t, 1, server.accepted())
	assert.Zero(t, tr.Stats().Stale)
	assertClosed(t, tr, ttlpool.ClosedFailed, 1)
}

// A failure that GetBody brings is the caller's, too.
func TestP5AFailingGetBody(t *testing.T) {
	sc := newStaleCase(t, shapes()[0], manners()[0], cargoes()[1])
	send(t, sc.tr, newRequest(t, t.Context(), "GET", sc.server.url(), nil))
	req := sc.request(t)
	req.GetBody = func() (io.ReadCloser, error) { return nil, errCargo }
	_, err := sc.tr.RoundTrip(req)
	assert.Equal(t, errCargo, err)
	assert.Equal(t, 1, sc.closes.closes())
	requireNothingLeft(t, sc.tr)
}

// hangingWrite is a connection whose Write delivers what it is given, and then
// does not return before the connection is closed.
type hangingWrite struct {
	net.Conn
	hangs  *atomic.Bool
	closed chan struct{}
	once   *sync.Once
}

func (c hangingWrite) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.hangs.Load() {
		<-c.closed
	}
	return n, err
}

func (c hangingWrite) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// What was given up while it was being written may have gone out.
func TestP5BytesOfUnknownFateCountAsSent(t *testing.T) {
	config, trust := identity(t)
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			ledger := newLedger()
			server := startRaw(t, listenTCP(t), func(c *rawConn) {
				if scheme == "https" {
					secure := tls.Server(c.Conn, config)
					c.Conn = secure
					c.in.Reset(secure)
				}
				for req := c.head(); req != nil; req = c.head() {
					ledger.receive(req)
					if req.Method == "POST" && c.index == 1 {
						return
					}
					c.answer("")
				}
			})
			var hangs atomic.Bool
			tr := newTransport(t, ttlpool.WithBase(&http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: trust},
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					return hangingWrite{c, &hangs, make(chan struct{}), new(sync.Once)}, err
				},
			}))
			url := scheme + "://" + server.address
			get(t, tr, url)
			hangs.Store(true)
			req := newRequest(t, t.Context(), "POST", url, io.MultiReader()) // its end is known late
			req.Header.Set(idHeader, staleID)
			_, err := tr.RoundTrip(req)
			var failed *ttlpool.ExchangeError
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, "POST is not idempotent", failed.NotRetried)
			received, _ := ledger.counts(staleID)
			assert.Equal(t, 1, received)
		})
	}
}
