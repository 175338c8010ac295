package ttlpool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fall has the peer of a session take fewer exchanges from now on, of which nobody is told.
func (s *fakeSession) fall(capacity int) { s.capacity.Store(int32(capacity)) }

// crowd takes so many leases on one connection, whose session says only when the first is out how many it takes.
func crowd(t *testing.T, p *Pool, sessions *[]*fakeSession, leases, capacity int) *Conn {
	t.Helper()
	c := leaseFrom(t, p)
	synctest.Wait() // its session has been asked for the first time
	for range leases - 1 {
		require.Same(t, c, leaseFrom(t, p))
	}
	(*sessions)[0].fall(capacity)
	return c
}

func TestARequestOverTheLimitOfASessionGetsAnotherConnection(t *testing.T) {
	for _, row := range []struct{ leases, capacity int }{{1, 1}, {3, 3}, {5, 3}} {
		t.Run(fmt.Sprintf("%d run, and no more than %d may", row.leases, row.capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, sessions := sessionPool(t, 100)
				c := crowd(t, p, sessions, row.leases, row.capacity)
				other := leaseFrom(t, p)
				assert.NotSame(t, c, other)
				assert.Same(t, other, leaseFrom(t, p), "there is room on it")
				assert.Len(t, *sessions, 2)
				assert.Equal(t, NotClosed, c.Info().Closed)
				assert.Equal(t, row.leases, c.Info().Leases)
			})
		})
	}
}

func TestARequestOverTheLimitOfTheOnlySessionWaitsForAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sessions := sessionPool(t, 100, WithMaxConnsPerHost(1))
		c := crowd(t, p, sessions, 5, 3)
		first, second := wantFrom(t.Context(), p), wantFrom(t.Context(), p)
		synctest.Wait()
		for _, want := range []struct{ leases, served int }{{4, 0}, {3, 0}, {3, 1}, {3, 2}} {
			p.release(c, readClocks(), true)
			synctest.Wait()
			assert.Equal(t, want.leases, c.Info().Leases)
			assert.Equal(t, want.served, len(first)+len(second))
		}
		assert.Same(t, c, (<-first).lease.conn)
		assert.Same(t, c, (<-second).lease.conn)
		assert.Len(t, *sessions, 1)
	})
}

func TestARequestOverTheLimitOfTheOnlySessionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sessions := sessionPool(t, 100, WithMaxConnsPerHost(1))
		c := crowd(t, p, sessions, 1, 1)
		left := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		waiting := wantFrom(ctx, p)
		synctest.Wait()
		require.Empty(t, waiting)
		cancel(left)
		assert.Equal(t, left, (<-waiting).err)
		assert.Zero(t, p.Stats().Waiting)
		assert.Equal(t, 1, c.Info().Leases)
		p.release(c, readClocks(), true)
		assert.Same(t, c, leaseFrom(t, p))
	})
}

// A hook may take long, and the peer's settings come meanwhile.
func TestALimitThatFallsBeforeTheExchangeBeginsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sessions := sessionPool(t, 100)
		long := leaseFrom(t, p)
		synctest.Wait()
		other := acquireFrom(t, p)
		require.Same(t, long, other.conn)
		(*sessions)[0].fall(1)
		time.Sleep(2 * secondLook)
		why, gone := other.gone(readClocks())
		assert.True(t, gone)
		assert.Equal(t, NotClosed, why, "it is good for the one that runs")
		d := demand{key: key{network: "tcp", address: "hub:443"}}
		l, err := p.acquireInstead(t.Context(), d, readClocks(), other.conn, why)
		require.NoError(t, err)
		assert.NotSame(t, long, l.conn)
		assert.Equal(t, NotClosed, long.Info().Closed)
	})
}

// Of those that begin at once the last go. One that comes back to it later finds others running, who came after it.
func TestAnExchangeThatOthersHaveOvertakenGoesIfTheLimitHasFallen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sessions := sessionPool(t, 100)
		c := leaseFrom(t, p)
		p.release(c, readClocks(), true)
		synctest.Wait()
		first := acquireFrom(t, p)
		require.Same(t, c, first.conn)
		require.Same(t, c, leaseFrom(t, p))
		(*sessions)[0].fall(1)
		_, unfit := first.unfit(false, readClocks())
		assert.False(t, unfit)
		time.Sleep(2 * secondLook)
		why, gone := first.gone(readClocks())
		assert.True(t, gone)
		assert.Equal(t, NotClosed, why)
	})
}

// The session is asked without a lock: a checkout may ask before its limit grows, and take in the answer after that.
func TestAnOldLimitDoesNotReplaceALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, sessions := sessionPool(t, 100)
		c := leaseFrom(t, p)
		synctest.Wait()
		s, asked, proceed := (*sessions)[0], make(chan struct{}), make(chan struct{})
		hold := func() {
			close(asked)
			<-proceed
		}
		s.fall(1)
		s.between.Store(&hold)
		slow := wantFrom(t.Context(), p)
		<-asked
		s.capacity.Store(100)
		s.changed()
		close(proceed)
		assert.Same(t, c, (<-slow).lease.conn)
		assert.Same(t, c, leaseFrom(t, p))
	})
}

// shrinking is a session whose peer tells of its limit when the connection is in use.
type shrinking struct {
	*fakeSession
	limit int
}

func (s shrinking) Capacity() int {
	if s.fakeSession.Capacity(); s.reads.Load() == 1 { // at birth
		return 100
	}
	return s.limit
}

// shrinkingPool makes connections with such sessions, each in so much time, and counts them.
func shrinkingPool(t *testing.T, limit int, took time.Duration, opts ...HostOption) (p *Pool, dials *atomic.Int32) {
	config := defaultConfig()
	for _, opt := range opts {
		require.NoError(t, opt.applyPool(config))
	}
	dials = new(atomic.Int32)
	p = newPool(config, func(context.Context, key) (link, error) {
		dials.Add(1)
		time.Sleep(took)
		here, there := net.Pipe()
		t.Cleanup(func() { _ = there.Close() })
		return link{conn: here, session: shrinking{&fakeSession{Conn: here}, limit}}, nil
	})
	t.Cleanup(func() { _ = p.Close() })
	return p, dials
}

// A new connection is shared by all who wait, and then turns out to have room for one of them.
func TestThoseForWhomThereIsNoRoomKeepTheirTurnAndRelyOnOneDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dials := shrinkingPool(t, 1, time.Second)
		leaseFrom(t, p)
		var waiting []<-chan grant
		for range 10 {
			waiting = append(waiting, wantFrom(t.Context(), p))
			time.Sleep(time.Millisecond)
		}
		for i := range waiting {
			time.Sleep(time.Second)
			for j, w := range waiting {
				assert.Len(t, w, min(1, max(0, i+1-j)), "after %d dials, of the one that came as number %d", i+1, j+1)
			}
		}
		assert.EqualValues(t, 1+len(waiting), dials.Load())
	})
}

func TestNobodyIsLostWhereSessionsTakeFewerThanAtFirst(t *testing.T) {
	for _, opts := range [][]HostOption{nil, {WithMaxConnsPerHost(1)}, {WithMaxConnsPerHost(3)}} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := shrinkingPool(t, 4, time.Millisecond, opts...)
			var all sync.WaitGroup
			for i := range 50 {
				all.Go(func() {
					for range 20 {
						c := (<-wantFrom(t.Context(), p)).lease.conn
						time.Sleep(time.Duration(1+i%7) * time.Millisecond)
						p.release(c, readClocks(), i%3 > 0)
					}
				})
			}
			all.Wait() // or the bubble is deadlocked
			stats := p.Stats()
			assert.Zero(t, stats.Waiting)
			assert.Zero(t, stats.InUse)
			assert.Equal(t, stats.Open, stats.Idle)
		})
	}
}
