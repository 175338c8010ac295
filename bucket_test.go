package ttlpool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Between looking a bucket up and using it, its last connection may go, and the
// pool forget it: what went into it then would be lost to Close.
func TestABucketThatThePoolHasForgottenIsNotUsed(t *testing.T) {
	h := holdOne(t)
	forgotten := h.conn.bucket
	require.NoError(t, h.conn.Close())
	_, _, ok := forgotten.take(t.Context(), demand{key: h.key}, h.born, false, new(aftermath))
	assert.False(t, ok)
	again, err := h.pool.Get(t.Context(), h.key.network, h.key.address)
	require.NoError(t, err)
	assert.NotSame(t, forgotten, again.bucket)
}

// unevenPool returns a pool, and leases on two connections at one address: the
// effective TTL of one is 6 s, that of the other a minute.
func unevenPool(t *testing.T, by string) (p *Pool, short, long *Conn) {
	t.Helper()
	p, err := NewPool(nil, WithMaxConnsPerHost(2), WithServerTimeout(time.Minute), WithMargin(0))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	roundTrip := time.Duration(0)
	p.dial = func(context.Context, key) (link, error) {
		return link{conn: &wire{Conn: stillConn{}, roundTrip: roundTrip}}, nil
	}
	get := func() *Conn {
		c, err := p.Get(t.Context(), "tcp", "hub:80")
		require.NoError(t, err)
		return c
	}
	long = get()
	if by == "round trip" {
		roundTrip = 54 * time.Second
	}
	short = get()
	if by == "hint" {
		short.applyHint(hint{timeout: 6 * time.Second})
	}
	return p, short, long
}

func TestP2_OfConnectionsWithDifferentTTLsEachIsClosedInTime(t *testing.T) {
	for _, by := range []string{"round trip", "hint"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, short, long := unevenPool(t, by)
				long.Release()
				time.Sleep(time.Millisecond)
				short.Release() // has been idle for less, and is due sooner
				time.Sleep(6 * time.Second)
				assert.Equal(t, ClosedTTL, short.Info().Closed)
				assert.Equal(t, NotClosed, long.Info().Closed)
				time.Sleep(54 * time.Second)
				assert.Equal(t, ClosedTTL, long.Info().Closed)
			})
		})
	}
}

func TestWhatIsTooOldForARequestDoesNotHideWhatIsNot(t *testing.T) {
	for _, by := range []string{"round trip", "hint"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, short, long := unevenPool(t, by)
				long.Release()
				time.Sleep(time.Millisecond)
				short.Release() // is used first, if it can be
				time.Sleep(4 * time.Second)
				l, err := p.acquire(t.Context(), demand{key: long.bucket.key, strict: true})
				require.NoError(t, err)
				assert.Same(t, long, l.conn)
				assert.Equal(t, NotClosed, short.Info().Closed)
			})
		})
	}
}

// queue is a pool of connections that are dialled when the test says so, and of requests
// that wait for them at one address.
type queue struct {
	*testing.T
	*Pool
	dials chan struct{}
}

func newQueue(t *testing.T, opts ...PoolOption) *queue {
	p, err := NewPool(nil, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	q := &queue{T: t, Pool: p, dials: make(chan struct{}, 8)}
	p.dial = func(context.Context, key) (link, error) {
		<-q.dials
		return link{conn: &wire{Conn: stillConn{}}}, nil
	}
	t.Cleanup(func() { close(q.dials) })
	return q
}

// ask has a request wait, or returns what it gets at once.
func (q *queue) ask(strict bool) turn { return q.take(strict, nil, NotClosed) }

// askInstead is ask for a strict request whose connection has proved unfit.
func (q *queue) askInstead(refused *Conn, why CloseReason) turn { return q.take(true, refused, why) }

func (q *queue) take(strict bool, refused *Conn, why CloseReason) turn {
	now := readClocks()
	at := key{network: "tcp", address: "hub:80"}
	got, err := q.Pool.take(q.Context(), demand{key: at, strict: strict, begun: now}, now, refused, why)
	require.NoError(q, err)
	return got
}

// get returns a connection that is dialled for it.
func (q *queue) get() *Conn {
	got := q.ask(false)
	q.dials <- struct{}{}
	return q.served(got)
}

// served returns what a request that waits has got, or will.
func (q *queue) served(waiting turn) *Conn {
	l, err := q.wait(q.Context(), waiting.bucket, waiting.waiter, readClocks())
	require.NoError(q, err)
	return l.conn
}

// giveBack gives a connection back whose response came so long ago.
func (q *queue) giveBack(c *Conn, ago time.Duration) {
	var after aftermath
	now := readClocks()
	c.bucket.put(c, now, &completed{arrived: now.before(ago)}, &after)
	q.settle(&after, now)
}

// hungUpOn makes two connections idle, of which the peer then closes one, and returns the
// other.
func (q *queue) hungUpOn() (quiet *Conn) {
	quiet, closed := q.get(), q.get()
	time.Sleep(time.Second)
	q.giveBack(quiet, 0)
	q.giveBack(closed, 0)
	time.Sleep(time.Second)
	q.peerClosed(closed)
	return quiet
}

// The checkout may find a connection closed before the watch tells of it. Then the next
// is no less in danger.
func TestWhatTheCheckoutFindsClosedKeepsAStrictRequestOffTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		one, other := q.get(), q.get()
		q.giveBack(one, 0)
		q.giveBack(other, 0)
		time.Sleep(time.Second)
		next := q.askInstead(q.ask(false).lease.conn, ClosedHungUp)
		require.NotNil(t, next.waiter, "it waits for another to be dialled")
		q.dials <- struct{}{}
		fresh := q.served(next)
		assert.NotSame(t, one, fresh)
		assert.NotSame(t, other, fresh)
	})
}

// Its place goes to the first who waits, though the second could use it as it is.
func TestP10_WhoMustNotUseWhatIsGivenBackGetsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, WithMaxConnsPerHost(1), WithTTL(time.Minute))
		old := q.get()
		post, get := q.ask(true), q.ask(false)
		time.Sleep(time.Minute)
		q.giveBack(old, 40*time.Second)
		assert.Equal(t, ClosedMadeWay, old.Info().Closed)
		q.dials <- struct{}{}
		fresh := q.served(post)
		q.giveBack(fresh, 0)
		assert.Same(t, fresh, q.served(get))
		q.giveBack(fresh, 0)
	})
}

func TestP10_WhoHasADialKeepsNothingFromTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, WithTTL(time.Minute))
		old := q.get()
		post, get := q.ask(true), q.ask(false)
		time.Sleep(time.Minute)
		q.giveBack(old, 40*time.Second)
		assert.Same(t, old, q.served(get))
		q.dials <- struct{}{}
		assert.NotSame(t, old, q.served(post))
	})
}

// The peer has hung up on another connection, and after a second is trusted again.
func TestP10_WhoWaitsForADialIsServedBeforeWhoComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		quiet := q.hungUpOn()
		first := q.ask(true)
		require.NotNil(t, first.waiter)
		time.Sleep(leaving)
		second := q.ask(true)
		require.NotNil(t, second.waiter, "it comes after the first")
		assert.Same(t, quiet, q.served(first))
		q.dials <- struct{}{}
		assert.NotSame(t, quiet, q.served(second))
	})
}

func TestAGoodbyeOverTLSLooksLikeBytes(t *testing.T) {
	var none *Conn
	assert.False(t, none.saidGoodbye(NotClosed))
	for _, row := range []struct {
		kind connKind
		why  CloseReason
		want bool
	}{
		{kindSocket, ClosedHungUp, true},
		{kindSocket, ClosedStrayBytes, false},
		{kindTLS, ClosedHungUp, true},
		{kindTLS, ClosedStrayBytes, true},
		{kindTLS, ClosedTTL, false},
	} {
		assert.Equal(t, row.want, (&Conn{kind: row.kind}).saidGoodbye(row.why), "%v", row)
	}
}

func TestTheCloseOfAConnectionThatNeverServedIsNoSignOfARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		quiet, spare := q.get(), q.get()
		q.giveBack(quiet, 0)
		q.release(spare, readClocks(), false)
		time.Sleep(time.Second)
		q.peerClosed(spare)
		assert.Same(t, quiet, q.ask(true).lease.conn)
	})
}

func TestP10_WhoHadAConnectionThatProvedUnfitIsServedBeforeThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		mine := q.get()
		quiet := q.hungUpOn()
		waiting := q.ask(true)
		require.NotNil(t, waiting.waiter)
		time.Sleep(leaving)
		assert.Same(t, quiet, q.askInstead(mine, ClosedStrayBytes).lease.conn)
		q.dials <- struct{}{}
		assert.NotSame(t, quiet, q.served(waiting))
	})
}
