package ttlpool_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestP10_NoMoreConnectionsAreOpenedToAHostThanItMayHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net gate
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(2))
		calls := []*call{startGet(t, p, "hub:80"), startGet(t, p, "hub:80"), startGet(t, p, "hub:80")}
		assert.Equal(t, 2, net.pending(), "dials in progress count")
		other := startGet(t, p, "other:80")
		assert.Equal(t, 3, net.pending(), "every host has its own limit")
		for range 3 {
			net.next(t).succeed()
		}
		a, b := calls[0].got(t), calls[1].got(t)
		other.got(t)
		assert.False(t, calls[2].finished())
		assert.Equal(t, 1, p.Stats().Waiting)
		require.NoError(t, a.Close()) // frees a place
		synctest.Wait()
		net.next(t).succeed()
		assert.NotSame(t, b, calls[2].got(t))
		assert.Zero(t, net.pending())
	})
}

func TestP10_WaitersAreServedFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
		held := mustGet(t, p, "hub:80")
		var calls []*call
		for range 5 {
			calls = append(calls, startGet(t, p, "hub:80"))
		}
		for i, c := range calls {
			held.Release()
			assert.Same(t, held, c.got(t))
			for _, later := range calls[i+1:] {
				assert.False(t, later.finished(), "it jumped the queue")
			}
		}
		assert.Equal(t, 1, net.dials())
	})
}

func TestP10_AWaiterInTheMiddleMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
		held := mustGet(t, p, "hub:80")
		calls := []*call{startGet(t, p, "hub:80"), startGet(t, p, "hub:80"), startGet(t, p, "hub:80")}
		calls[1].cancel(nil)
		assert.ErrorIs(t, calls[1].failed(t), context.Canceled)
		assert.Equal(t, 2, p.Stats().Waiting)
		held.Release()
		assert.Same(t, held, calls[0].got(t))
		held.Release()
		assert.Same(t, held, calls[2].got(t))
	})
}

// A grant that races with its waiter's cancellation must not be lost. With
// both at hand at the same instant, either may win.
func TestP10_AGrantThatComesTooLateGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
		var granted, gaveUp int
		for range 200 {
			held := mustGet(t, p, "hub:80")
			c := startGet(t, p, "hub:80")
			next := startGet(t, p, "hub:80")
			c.cancel(nil)
			held.Release()
			if conn, err := c.wait(); err == nil {
				granted++
				conn.Release()
			} else {
				gaveUp++
				require.ErrorIs(t, err, context.Canceled)
			}
			require.Same(t, held, next.got(t))
			held.Release()
			require.Equal(t, 1, p.Stats().Idle)
		}
		assert.Equal(t, 1, net.dials())
		assert.Equal(t, 200, granted+gaveUp)
	})
}

// The same for the acquire timeout, with the release at the same instant.
func TestP10_AGrantAtTheInstantOfTheTimeoutGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithAcquireTimeout(time.Second))
		for range 100 {
			held := mustGet(t, p, "hub:80")
			c := startGet(t, p, "hub:80")
			time.Sleep(time.Second)
			held.Release()
			if conn, err := c.wait(); err == nil {
				conn.Release()
			} else {
				require.ErrorIs(t, err, ttlpool.ErrAcquireTimeout)
			}
			require.Equal(t, 1, p.Stats().Idle)
		}
		assert.Equal(t, 1, net.dials())
	})
}

// Expired connections still counted in the cap made callers hang
// (undici#5144).
func TestP10_ExpiredConnectionsDoNotKeepAnybodyWaiting(t *testing.T) {
	for name, option := range map[string]ttlpool.PoolOption{
		"TTL":         ttlpool.WithTTL(10 * time.Second),
		"maximum age": ttlpool.WithMaxAge(10 * time.Second),
		"uses":        ttlpool.WithMaxUses(1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				p := newTestPool(t, net.Dial, option, ttlpool.WithMaxConnsPerHost(2))
				a, b := mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80")
				c := startGet(t, p, "hub:80")
				time.Sleep(10 * time.Second)
				a.Release() // expired: it makes way for a dial
				fresh := c.got(t)
				assert.NotSame(t, a, fresh)
				b.Release()
				assert.NotSame(t, b, startGet(t, p, "hub:80").got(t))
				assert.Equal(t, 4, net.dials())
				synctest.Wait()
				assert.Equal(t, 2, net.open())
			})
		})
	}
}

func TestP10_TheAcquireTimeoutIsATimeout(t *testing.T) {
	arrangements := map[string]func(t *testing.T, g *gate, p *ttlpool.Pool){
		"waiting for a place": func(t *testing.T, g *gate, p *ttlpool.Pool) {
			holder := startGet(t, p, "hub:80")
			g.next(t).succeed()
			holder.got(t)
		},
		"waiting for a dial": func(*testing.T, *gate, *ttlpool.Pool) {},
	}
	for name, arrange := range arrangements {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gate
				p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithAcquireTimeout(3*time.Second))
				arrange(t, &g, p)
				c := startGet(t, p, "hub:80")
				time.Sleep(3*time.Second - 1)
				synctest.Wait()
				assert.False(t, c.finished(), "too early")
				time.Sleep(time.Nanosecond)
				err := c.failed(t)
				assert.Equal(t, 3*time.Second, c.took)
				assert.ErrorIs(t, err, ttlpool.ErrAcquireTimeout)
				assert.NotErrorIs(t, err, context.DeadlineExceeded, "it was not the caller's context")
				var timeout net.Error
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
				assert.ErrorContains(t, err, "hub:80")
				assert.ErrorContains(t, err, "3s")
				assert.EqualValues(t, 1, p.Stats().WaitTimeout)
				for g.pending() > 0 {
					g.next(t).succeed()
				}
			})
		})
	}
}

func TestP10_TheLongestIdleConnectionOfAHostMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxIdlePerHost(2))
		var conns []*ttlpool.Conn
		for range 4 {
			conns = append(conns, mustGet(t, p, "hub:80"))
		}
		other := mustGet(t, p, "other:80")
		other.Release()
		for _, c := range conns {
			time.Sleep(time.Second)
			exchange(t, c)
			c.Release()
			require.LessOrEqual(t, p.Stats().Hosts["hub:80"].Idle, 2)
		}
		for i, want := range []ttlpool.CloseReason{ttlpool.ClosedMaxIdle, ttlpool.ClosedMaxIdle, ttlpool.NotClosed, ttlpool.NotClosed} {
			assert.Equal(t, want, conns[i].Info().Closed, "connection %d", i)
		}
		assert.Equal(t, ttlpool.NotClosed, other.Info().Closed)
	})
}

func TestP10_TheLongestIdleConnectionOfAllMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxIdle(3))
		var conns []*ttlpool.Conn
		for i := range 6 {
			conns = append(conns, mustGet(t, p, fmt.Sprintf("host%d:80", i)))
		}
		for i, c := range conns {
			time.Sleep(time.Second)
			exchange(t, c)
			c.Release()
			require.Equal(t, min(i+1, 3), p.Stats().Idle)
		}
		for i, c := range conns {
			assert.Equal(t, i < 3, c.Info().Closed == ttlpool.ClosedMaxIdle, "connection %d", i)
		}
		synctest.Wait()
		assert.Equal(t, 3, net.open())
	})
}

// A connection that will not become idle needs no room: nobody else's must go
// for it.
func TestNothingIsEvictedForAConnectionThatDoesNotBecomeIdle(t *testing.T) {
	returns := map[string]func(t *testing.T, p *ttlpool.Pool, c *ttlpool.Conn){
		"given back after Close": func(t *testing.T, _ *ttlpool.Pool, c *ttlpool.Conn) {
			require.NoError(t, c.Close())
			c.Release()
		},
		"used up": func(_ *testing.T, _ *ttlpool.Pool, c *ttlpool.Conn) { c.Release() },
		"expired": func(_ *testing.T, _ *ttlpool.Pool, c *ttlpool.Conn) {
			time.Sleep(time.Hour)
			c.Release()
		},
		"handed to a waiter": func(t *testing.T, p *ttlpool.Pool, c *ttlpool.Conn) {
			waiter := startGet(t, p, c.Info().Address)
			c.Release()
			assert.Same(t, c, waiter.got(t))
		},
	}
	for name, giveBack := range returns {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				p := newTestPool(t, net.Dial, ttlpool.WithMaxIdle(1), ttlpool.WithMaxConnsPerHost(1),
					ttlpool.WithHost("used", ttlpool.WithMaxUses(1)),
					ttlpool.WithHost("expired", ttlpool.WithMaxAge(time.Minute)))
				good := mustGet(t, p, "good:80")
				good.Release()
				address := map[string]string{"used up": "used:80", "expired": "expired:80"}[name]
				if address == "" {
					address = "hub:80"
				}
				giveBack(t, p, mustGet(t, p, address))
				assert.Equal(t, ttlpool.NotClosed, good.Info().Closed)
				assert.Same(t, good, mustGet(t, p, "good:80"))
			})
		})
	}
}

func TestP10_APlaceIsNotLostByAReleaseTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxIdle(2))
		c := mustGet(t, p, "hub:80")
		c.Release()
		for range 3 {
			assert.Panics(t, c.Release)
		}
		other := mustGet(t, p, "other:80")
		other.Release()
		assert.Equal(t, 2, p.Stats().Idle)
		assert.Same(t, c, mustGet(t, p, "hub:80"))
		assert.Same(t, other, mustGet(t, p, "other:80"))
	})
}
