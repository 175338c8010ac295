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

// The checkout may find a connection closed before the watch tells of it. Then the next
// is no less in danger.
func TestWhatTheCheckoutFindsClosedKeepsAStrictRequestOffTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, short, long := unevenPool(t, "")
		long.Release()
		short.Release()
		time.Sleep(time.Second)
		d := demand{key: long.bucket.key, begun: readClocks()}
		found, err := p.take(t.Context(), d, d.begun, nil, NotClosed)
		require.NoError(t, err)
		d.strict = true
		next, err := p.take(t.Context(), d, d.begun, found.lease.conn, ClosedHungUp)
		require.NoError(t, err)
		require.NotNil(t, next.waiter, "it waits for another to be dialled")
		fresh, err := p.wait(t.Context(), next.bucket, next.waiter, d.begun)
		require.NoError(t, err)
		assert.NotSame(t, short, fresh.conn)
		assert.NotSame(t, long, fresh.conn)
		fresh.conn.Release()
	})
}
