package ttlpool_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/hangup"
)

// ledger counts, by request id, what a server has received and answered.
type ledger struct {
	mu                 sync.Mutex
	received, answered map[string]int
}

func newLedger() *ledger {
	return &ledger{received: make(map[string]int), answered: make(map[string]int)}
}

const idHeader = "X-Request-Id"

func (l *ledger) receive(req *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received[req.Header.Get(idHeader)]++
}

func (l *ledger) answer(req *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[req.Header.Get(idHeader)]++
}

func (l *ledger) counts(id string) (received, answered int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.received[id], l.answered[id]
}

// onCheckout runs a function at the next checkout: after the connection was
// looked at, and before it is used.
type onCheckout struct{ next atomic.Pointer[func()] }

func (o *onCheckout) set(f func()) { o.next.Store(&f) }

func (o *onCheckout) trace() ttlpool.Option {
	return ttlpool.WithTrace(&ttlpool.Trace{GotConn: func(ttlpool.ConnInfo) {
		if f := o.next.Swap(nil); f != nil {
			(*f)()
		}
	}})
}

// idleConns makes n connections and leaves them idle.
func idleConns(t *testing.T, tr *ttlpool.Transport, url string, n int) {
	t.Helper()
	open := make([]*http.Response, n)
	for i := range n {
		var err error
		open[i], err = tr.RoundTrip(newRequest(t, t.Context(), "GET", url, nil))
		require.NoError(t, err)
	}
	for _, resp := range open {
		readBody(t, resp)
	}
	require.Equal(t, n, tr.Stats().Idle)
}

// counting answers requests, and counts them even where it has stopped to speak.
func counting(ledger *ledger) func(c *rawConn) {
	return func(c *rawConn) {
		for req := c.next(); req != nil; req = c.next() {
			ledger.receive(req)
			c.answer(fmt.Sprint(c.index))
		}
	}
}

func markedGet(t *testing.T, url string) *http.Request {
	req := newRequest(t, t.Context(), "GET", url, nil)
	req.Header.Set(idHeader, staleID)
	return req
}

// A restarted server has made all connections stale.
func TestP4ManyStaleConnectionsMakeTwoSends(t *testing.T) {
	const idle = 8
	for _, last := range []string{"half-closed", "reset"} {
		t.Run(last, func(t *testing.T) {
			ledger, hook := newLedger(), new(onCheckout)
			server := startRaw(t, listenTCP(t), counting(ledger))
			tr := newTransport(t, hook.trace())
			idleConns(t, tr, server.url(), idle)
			hook.set(func() {
				for _, c := range server.all() {
					if last == "reset" {
						c.reset()
					} else {
						c.halfClose()
					}
				}
			})
			assert.Equal(t, fmt.Sprint(idle+1), send(t, tr, markedGet(t, server.url())), "on a connection dialled for it")
			received, _ := ledger.counts(staleID)
			assert.LessOrEqual(t, received, 2)
			stats := tr.Stats()
			// None is sent again if the look before the first byte saw the hang-up.
			assert.LessOrEqual(t, stats.Retries, int64(1))
			assert.EqualValues(t, idle+1+stats.Retries, stats.Requests, "at most two of them for this one")
			assert.EqualValues(t, idle+1, stats.Dials)
			eventually(t, func() bool {
				send(t, tr, newRequest(t, t.Context(), "GET", server.url(), nil))
				return tr.Stats().Open == 1
			}, "dead connections are kept")
			assert.Equal(t, stats.Retries, tr.Stats().Retries, "and none of them fails another request")
		})
	}
}

func TestP4ARetryLeavesTheOtherConnectionsAlone(t *testing.T) {
	ledger, hook := newLedger(), new(onCheckout)
	server := startRaw(t, listenTCP(t), counting(ledger))
	tr := newTransport(t, hook.trace())
	idleConns(t, tr, server.url(), 5)
	hook.set(func() { server.all()[4].halfClose() }) // the one used last
	assert.Contains(t, []string{"4", "6"}, send(t, tr, markedGet(t, server.url())), "on a new one, or on the next if the look before the first byte saw the hang-up")
	received, _ := ledger.counts(staleID)
	assert.LessOrEqual(t, received, 2, "once, if the look before the first byte saw the hang-up")
	assert.LessOrEqual(t, tr.Stats().Retries, int64(1))
	assert.LessOrEqual(t, tr.Stats().Idle, 5, "the old ones, and perhaps a new one")
	var sum int64
	for _, n := range tr.Stats().Closed {
		sum += n
	}
	assert.EqualValues(t, 1, sum)
}

func TestP4ARetryWithinALimitOfOne(t *testing.T) {
	ledger, hook := newLedger(), new(onCheckout)
	server := startRaw(t, listenTCP(t), counting(ledger))
	tr := newTransport(t, hook.trace(), ttlpool.WithMaxConnsPerHost(1))
	get(t, tr, server.url())
	queued := make(chan string, 1)
	hook.set(func() {
		go func() { queued <- get(t, tr, server.url()) }()
		eventually(t, func() bool { return tr.Stats().Waiting == 1 }, "nobody waits")
		server.all()[0].halfClose()
	})
	assert.Equal(t, "2", send(t, tr, markedGet(t, server.url())), "it does not queue again behind another")
	assert.Equal(t, "2", <-queued)
	received, _ := ledger.counts(staleID)
	assert.LessOrEqual(t, received, 2, "once, if the look before the first byte saw the hang-up")
	assert.LessOrEqual(t, tr.Stats().Retries, int64(1))
	assert.Equal(t, 2, server.accepted())
}

func TestP4TheSecondFailureIsTheLast(t *testing.T) {
	for _, sh := range shapes()[:2] {
		t.Run(sh.name, func(t *testing.T) {
			ledger := newLedger()
			server := startRaw(t, listenTCP(t), func(c *rawConn) {
				for n := 1; ; n++ {
					req := c.head()
					if req == nil {
						return
					}
					ledger.receive(req)
					if req.Header.Get(idHeader) == staleID {
						sh.serve(c, req)
						return
					}
					c.answer("hello")
				}
			})
			tr := newTransport(t)
			idleConns(t, tr, server.url(), 3)
			_, err := tr.RoundTrip(markedGet(t, server.url()))
			var failed *ttlpool.ExchangeError
			require.ErrorAs(t, err, &failed)
			sh.requireError(t, err)
			assert.True(t, failed.Retried)
			assert.False(t, failed.Stale, "the second connection was fresh")
			assert.ErrorContains(t, err, "second try")
			received, _ := ledger.counts(staleID)
			assert.Equal(t, 2, received)
			assert.Equal(t, 4, server.accepted())
			assertClosed(t, tr, ttlpool.ClosedStale, 1)
			assertClosed(t, tr, ttlpool.ClosedFailed, 1)
		})
	}
}

// A server that has had the request has hung up because of it.
func TestAFreshConnectionThatTookTheRequestIsNotRetried(t *testing.T) {
	for _, sh := range shapes()[:2] {
		ledger := newLedger()
		server := startRaw(t, listenTCP(t), func(c *rawConn) {
			req := c.head()
			ledger.receive(req)
			sh.serve(c, req)
		})
		tr := newTransport(t)
		_, err := tr.RoundTrip(markedGet(t, server.url()))
		var failed *ttlpool.ExchangeError
		require.ErrorAs(t, err, &failed)
		sh.requireError(t, err)
		assert.False(t, failed.Stale)
		assert.Equal(t, "the connection was fresh", failed.NotRetried)
		received, _ := ledger.counts(staleID)
		assert.Equal(t, 1, received)
		assert.Equal(t, 1, server.accepted())
	}
}

// A dialled connection that nobody needed any more has been idle: its server
// may have closed it for that.
func TestAConnectionThatWasIdleBeforeItsFirstUseIsRetried(t *testing.T) {
	ledger, hook := newLedger(), new(onCheckout)
	server := startRaw(t, listenTCP(t), counting(ledger))
	held := make(chan struct{})
	tr := newTransport(t, hook.trace(), ttlpool.WithBase(&http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			<-held
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := tr.RoundTrip(newRequest(t, ctx, "GET", server.url(), nil))
		done <- err
	}()
	eventually(t, func() bool { return tr.Stats().Dialing == 1 }, "no dial")
	cancel()
	require.Equal(t, context.Canceled, <-done)
	close(held)
	eventually(t, func() bool { return tr.Stats().Idle == 1 }, "the late connection is not kept")
	eventually(t, func() bool { return server.accepted() == 1 }, "not accepted")
	hook.set(func() { server.all()[0].halfClose() })
	assert.Equal(t, "2", send(t, tr, markedGet(t, server.url())))
}

// A dead connection is noticed at checkout and never used.
func TestAClosedIdleConnectionIsNotUsed(t *testing.T) {
	for _, last := range []string{"half-closed", "reset"} {
		server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
		dialled := make(chan net.Conn, 2)
		tr := newTransport(t, ttlpool.WithBase(&http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				dialled <- c
				return c, err
			},
		}))
		post := func() string { return send(t, tr, newRequest(t, t.Context(), "POST", server.url(), stream("x"))) }
		assert.Equal(t, "1.1", post())
		probe := hangup.NewProbe(<-dialled)
		if probe == nil {
			t.Skip("this system offers no look at a socket: see the package's documentation")
		}
		if last == "reset" {
			server.all()[0].reset()
		} else {
			server.all()[0].halfClose()
		}
		eventually(t, func() bool { return probe.State() == hangup.HungUp }, "the end does not arrive")
		assert.Equal(t, "2.1", post(), last)
		// Whoever was told of the close may still be about it.
		eventually(t, func() bool { return tr.Stats().Closed[ttlpool.ClosedHungUp] == 1 }, "closed for another reason")
		assert.Zero(t, tr.Stats().Stale)
	}
}

// A request that could not be sent again must find a place even where all are
// taken by connections too old for it.
func TestAStrictRequestIsNotHeldUpByTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithTTL(time.Minute), ttlpool.WithMaxConnsPerHost(1))
		assert.Equal(t, "1.1", get(t, tr, "http://hub.test/"))
		time.Sleep(45 * time.Second)
		post := newRequest(t, t.Context(), "POST", "http://hub.test/", bytes.NewReader([]byte("x")))
		assert.Equal(t, "2.1", send(t, tr, post))
		assert.Equal(t, "2.2", get(t, tr, "http://hub.test/"))
	})
}
