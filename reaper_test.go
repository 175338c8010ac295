package ttlpool_test

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestP2_AnIdleConnectionIsClosedBeforeItsTTLRunsOut(t *testing.T) {
	for _, ttl := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second, time.Hour} {
		for name, option := range map[string]ttlpool.PoolOption{
			"TTL":           ttlpool.WithTTL(ttl),
			"maximum age":   ttlpool.WithMaxAge(ttl),
			"one host only": ttlpool.WithHost("hub", ttlpool.WithTTL(ttl)),
		} {
			t.Run(fmt.Sprintf("%s %v", name, ttl), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var net peers
					p := newTestPool(t, net.Dial, option)
					c := mustGet(t, p, "hub:80")
					begun := time.Now()
					c.Release()
					<-peerOf(c).closed
					lived := time.Since(begun)
					assert.Less(t, lived, ttl, "too late")
					early := min(ttl/10, 250*time.Millisecond)
					assert.GreaterOrEqual(t, lived, ttl-early, "much too early")
				})
			})
		}
	}
}

func TestP2_TheServersTimeoutLessTheMarginCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithServerTimeout(5*time.Second), ttlpool.WithMargin(2*time.Second))
		c := mustGet(t, p, "hub:80")
		begun := time.Now()
		c.Release()
		<-peerOf(c).closed
		assert.Less(t, time.Since(begun), 3*time.Second)
		assert.Greater(t, time.Since(begun), 2700*time.Millisecond)
	})
}

func TestP2_EveryConnectionOfManyIsClosedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 10 * time.Second
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(ttl))
		var conns []*ttlpool.Conn
		for i := range 200 {
			conns = append(conns, mustGet(t, p, fmt.Sprintf("host%d:80", i%7)))
		}
		lives := make(chan time.Duration)
		for i, c := range conns {
			time.Sleep(time.Duration(i) * time.Millisecond)
			exchange(t, c)
			c.Release()
			begun := time.Now()
			go func() {
				<-peerOf(c).closed
				lives <- time.Since(begun)
			}()
		}
		for range conns {
			assert.Less(t, <-lives, ttl)
		}
	})
}

// The clock starts when the last byte arrived, not when the holder is done.
func TestP2_TheTimeForWhichAHolderKeepsAConnectionCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(10*time.Second))
		c := mustGet(t, p, "hub:80")
		exchange(t, c)
		begun := time.Now()
		time.Sleep(7 * time.Second)
		c.Release()
		<-peerOf(c).closed
		assert.Less(t, time.Since(begun), 10*time.Second)
	})
}

func TestASweepSaysWhenTheNextOneIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 100 * time.Second // closed up to 200 ms early, aimed at 100 ms
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(ttl))
		begun := time.Now()
		sweepAt := func(d time.Duration) (victims []*ttlpool.Conn, next time.Duration) {
			return p.SweepAt(d - time.Since(begun))
		}
		victims, next := sweepAt(0)
		assert.Empty(t, victims)
		assert.Negative(t, next, "nothing is idle")

		a, b, busy := mustGet(t, p, "a:80"), mustGet(t, p, "b:80"), mustGet(t, p, "a:80")
		time.Sleep(50 * time.Second)
		exchange(t, a)
		a.Release()
		time.Sleep(10 * time.Second)
		exchange(t, b)
		b.Release()
		exchange(t, busy)

		const aim = 100 * time.Millisecond
		steps := []struct {
			at      time.Duration
			victims []*ttlpool.Conn
			next    time.Duration
		}{
			{60 * time.Second, nil, 90*time.Second - aim},
			{149 * time.Second, nil, time.Second - aim},
			{150*time.Second - 200*time.Millisecond - 1, nil, 200*time.Millisecond + 1 - aim},
			{150*time.Second - 200*time.Millisecond, []*ttlpool.Conn{a}, 10*time.Second + aim},
			{150 * time.Second, nil, 10*time.Second - aim},
			{160*time.Second - 201*time.Millisecond, nil, aim + time.Millisecond},
			{161 * time.Second, []*ttlpool.Conn{b}, -1},
			{1000 * time.Second, nil, -1}, // the busy one is never a victim
		}
		for _, step := range steps {
			victims, next := sweepAt(step.at)
			require.Len(t, victims, len(step.victims), "at %v", step.at)
			for i := range victims {
				assert.Same(t, step.victims[i], victims[i], "at %v", step.at)
			}
			assert.Equal(t, step.next, next, "at %v", step.at)
		}
		assert.Equal(t, ttlpool.NotClosed, busy.Info().Closed)
	})
}

func TestOneSweepServesConnectionsThatAreDueTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(10*time.Second))
		var conns []*ttlpool.Conn
		for range 10 {
			conns = append(conns, mustGet(t, p, "hub:80"))
		}
		for _, c := range conns {
			exchange(t, c)
			c.Release()
			time.Sleep(5 * time.Millisecond)
		}
		<-peerOf(conns[0]).closed
		synctest.Wait()
		assert.Zero(t, net.open())
		assert.False(t, p.TimerArmed())
	})
}

func TestP7_AThousandIdleConnectionsCostOneTimerAndNoGoroutine(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p := newTestPool(t, nil, ttlpool.WithTTL(time.Hour), ttlpool.WithMaxIdlePerHost(0))
	var conns []*ttlpool.Conn
	for range 1000 {
		conns = append(conns, mustGet(t, p, ln.Addr().String()))
		server, err := ln.Accept()
		require.NoError(t, err)
		defer server.Close()
	}
	before := runtime.NumGoroutine()
	for _, c := range conns {
		c.Release()
	}
	assert.Equal(t, 1000, p.Stats().Idle)
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	assert.True(t, p.TimerArmed())
}

func TestNoTimerRunsWhileNothingIdleHasALimitedLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithHost("short", ttlpool.WithTTL(10*time.Second)))
		assert.False(t, p.TimerArmed(), "nothing is there")
		long, short := mustGet(t, p, "long:80"), mustGet(t, p, "short:80")
		assert.False(t, p.TimerArmed(), "nothing is idle")
		long.Release()
		assert.False(t, p.TimerArmed(), "what is idle may stay")
		short.Release()
		assert.True(t, p.TimerArmed())
		<-peerOf(short).closed
		synctest.Wait()
		assert.False(t, p.TimerArmed(), "what is left may stay")

		again := mustGet(t, p, "short:80")
		again.Release()
		again = mustGet(t, p, "short:80")
		time.Sleep(10 * time.Second) // the timer finds nothing idle
		assert.False(t, p.TimerArmed(), "it goes on though nothing is idle")
		exchange(t, again)
		again.Release()
		assert.True(t, p.TimerArmed())
	})
}

func TestP8_NoTimerRunsAfterClose(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *ttlpool.Pool){
		"Close":    func(t *testing.T, p *ttlpool.Pool) { require.NoError(t, p.Close()) },
		"Shutdown": func(t *testing.T, p *ttlpool.Pool) { require.NoError(t, p.Shutdown(t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				p := newTestPool(t, net.Dial, ttlpool.WithTTL(10*time.Second))
				c := mustGet(t, p, "hub:80")
				c.Release()
				end(t, p)
				assert.False(t, p.TimerArmed())
				c.Release() // harmless, and wakes nothing
				assert.False(t, p.TimerArmed())
			})
		})
	}
}

// A timer closed a connection that had just been checked out
// (agentkeepalive#23); an idle timer was left running during a request
// (agentkeepalive#106).
func TestP2_TheReaperLeavesAConnectionAloneThatIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 10 * time.Second
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(ttl))
		c := mustGet(t, p, "hub:80")
		c.Release()
		time.Sleep(ttl - ttl/32 - 1) // just before the reaper may come
		require.Same(t, c, mustGet(t, p, "hub:80"))
		time.Sleep(time.Hour)
		exchange(t, c)
		assert.False(t, peerOf(c).isClosed())
		c.Release()
		assert.Same(t, c, mustGet(t, p, "hub:80"))
	})
}

func TestP2_ASlowHookDoesNotKeepTheReaperWaiting(t *testing.T) {
	for name, option := range map[string]ttlpool.PoolOption{
		"of one host": ttlpool.WithMaxIdlePerHost(1),
		"of all":      ttlpool.WithMaxIdle(1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const ttl = 10 * time.Second
				var net peers
				p := newTestPool(t, net.Dial, ttlpool.WithHost("short", ttlpool.WithTTL(ttl)), option,
					ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(ttlpool.ConnInfo) { time.Sleep(8 * time.Second) }}))
				a, b := mustGet(t, p, "long:80"), mustGet(t, p, "short:80")
				if name == "of one host" {
					a = mustGet(t, p, "short:80")
				}
				a.Release()
				exchange(t, b)
				begun := time.Now()
				go b.Release() // in place of a
				<-peerOf(b).closed
				assert.Less(t, time.Since(begun), ttl)
				time.Sleep(time.Minute) // until the hooks have returned
			})
		})
	}
}

func TestP2_AConnectionDueSoonerThanOthersIsClosedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Hour), ttlpool.WithHost("short", ttlpool.WithTTL(10*time.Second)))
		first := mustGet(t, p, "long:80")
		first.Release()
		c := mustGet(t, p, "short:80")
		c.Release()
		time.Sleep(10 * time.Second)
		assert.True(t, peerOf(c).isClosed())
		assert.False(t, peerOf(first).isClosed())
	})
}
