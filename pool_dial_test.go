package ttlpool_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestADialsErrorComesBackAsItIs(t *testing.T) {
	refused := errors.New("refused")
	p := newTestPool(t, func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	_, err := p.Get(t.Context(), "tcp", "hub:80")
	assert.Equal(t, refused, err)
	assert.EqualValues(t, 1, p.Stats().DialErrors)
	assert.Zero(t, p.Addresses())
}

func TestP10_AFailedDialFreesItsPlaceForTheNextWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(1))
		calls := []*call{startGet(t, p, "hub:80"), startGet(t, p, "hub:80"), startGet(t, p, "hub:80")}
		for i, c := range calls[:2] {
			refused := errors.New("refused")
			require.Equal(t, 1, g.pending(), "dial %d", i)
			g.next(t).fail(refused)
			assert.Equal(t, refused, c.failed(t))
			assert.False(t, calls[i+1].finished(), "an error is for the request whose dial it was")
		}
		g.next(t).succeed()
		calls[2].got(t)
	})
}

func TestP10_AFailedDialForAWaiterThatIsGoneFreesItsPlaceToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(1))
		gone, next := startGet(t, p, "hub:80"), startGet(t, p, "hub:80")
		gone.cancel(nil)
		require.Error(t, gone.failed(t))
		g.next(t).fail(errors.New("refused"))
		synctest.Wait()
		require.False(t, next.finished(), "it was not its dial")
		g.next(t).succeed()
		next.got(t)
	})
}

func TestP10_ADialForAWaiterThatIsGoneServesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(1))
		gone, next := startGet(t, p, "hub:80"), startGet(t, p, "hub:80")
		gone.cancel(nil)
		require.Error(t, gone.failed(t))
		g.next(t).succeed()
		next.got(t)
		assert.Equal(t, 1, g.dials())
	})
}

func TestP10_AHangingDialOfARequestThatIsGoneDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(2))
		gone := startGet(t, p, "hub:80")
		gone.cancel(nil)
		require.Error(t, gone.failed(t))
		hanging := g.next(t)
		next := startGet(t, p, "hub:80")
		g.next(t).succeed() // there was a place for a dial of its own
		next.got(t)
		hanging.fail(errors.New("at last"))
	})
}

// Dials end in any order; who waits longest is served first, and everybody is
// served.
func TestP10_TheFirstConnectionServesTheFirstWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial)
		first, second, third := startGet(t, p, "hub:80"), startGet(t, p, "hub:80"), startGet(t, p, "hub:80")
		dials := []*gatedDial{g.next(t), g.next(t), g.next(t)}
		dials[2].succeed()
		first.got(t)
		assert.False(t, second.finished())
		dials[0].fail(errors.New("refused")) // the first one's own, passed on to the third
		assert.Error(t, third.failed(t))
		assert.False(t, second.finished())
		dials[1].succeed()
		second.got(t)
	})
}

func TestP10_ADialFunctionMayDoAnything(t *testing.T) {
	surprise := &struct{ what string }{"surprise"}
	tests := []struct {
		name  string
		dial  func() (net.Conn, error)
		check func(t *testing.T, c *call)
	}{
		{"panic", func() (net.Conn, error) { panic(surprise) }, func(t *testing.T, c *call) {
			assert.Same(t, surprise, c.panicked, "the same panic reaches Get's caller")
		}},
		{"panic with nil", func() (net.Conn, error) { panic(nil) }, func(t *testing.T, c *call) {
			assert.IsType(t, new(runtime.PanicNilError), c.panicked)
		}},
		{"return neither connection nor error", func() (net.Conn, error) { return nil, nil }, func(t *testing.T, c *call) {
			assert.ErrorContains(t, c.err, "dial function")
		}},
		{"end its goroutine", func() (net.Conn, error) {
			runtime.Goexit()
			return nil, nil
		}, func(t *testing.T, c *call) {
			assert.ErrorContains(t, c.err, "dial function")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gate
				p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(1))
				c, next := startGet(t, p, "hub:80"), startGet(t, p, "hub:80")
				g.next(t).outcome <- tt.dial
				synctest.Wait()
				require.True(t, c.finished())
				assert.Nil(t, c.conn)
				tt.check(t, c)
				require.False(t, next.finished())
				assert.EqualValues(t, 1, p.Stats().DialErrors)

				g.next(t).succeed() // its place was freed, and the pool goes on
				conn := next.got(t)
				exchange(t, conn)
				conn.Release()
				require.NoError(t, p.Shutdown(t.Context()))
			})
		})
	}
}

func TestP10_APanicOfADialThatNobodyWaitsForIsNobodysPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial)
		gone := startGet(t, p, "hub:80")
		gone.cancel(nil)
		require.Error(t, gone.failed(t))
		g.next(t).outcome <- func() (net.Conn, error) { panic("surprise") }
		synctest.Wait()
		assert.EqualValues(t, 1, p.Stats().DialErrors)
		assert.Zero(t, p.Stats().Dialing)
	})
}

// The idle clock ran while a connection was still being made (envoy#42753).
func TestTheTimeThatADialTakesDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial, ttlpool.WithTTL(10*time.Second), ttlpool.WithMaxAge(20*time.Second))
		c := startGet(t, p, "hub:80")
		time.Sleep(time.Hour)
		g.next(t).succeed()
		conn := c.got(t)
		assert.Zero(t, conn.Info().Age)
		conn.Release()
		assert.Same(t, conn, mustGet(t, p, "hub:80"))
	})
}
