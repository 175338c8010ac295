package ttlpool_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A pool that is always busy has nothing idle for a sweep to see
// (pgx#2560, corefx#29822).
func TestP1_APoolThatIsNeverIdleStillRespectsTheMaximumAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxAge = 10 * time.Second
		var (
			net   peers
			mu    sync.Mutex
			ages  []time.Duration
			works sync.WaitGroup
		)
		p := newTestPool(t, net.Dial, ttlpool.WithMaxAge(maxAge), ttlpool.WithMaxConnsPerHost(2),
			ttlpool.WithTrace(&ttlpool.Trace{GotConn: func(i ttlpool.ConnInfo) {
				mu.Lock()
				defer mu.Unlock()
				ages = append(ages, i.Age)
			}}))
		for worker := range 5 { // somebody always waits
			works.Go(func() {
				for range 40 {
					c, err := p.Get(t.Context(), "tcp", "hub:80")
					if !assert.NoError(t, err) {
						return
					}
					time.Sleep(700*time.Millisecond + time.Duration(worker)*time.Millisecond)
					c.Release()
				}
			})
		}
		works.Wait()
		require.Len(t, ages, 200)
		for _, age := range ages {
			require.Less(t, age, maxAge)
		}
		assert.Greater(t, net.dials(), 10, "70 s of work by two connections of 10 s")
		assert.Equal(t, int64(net.dials()), p.Stats().Closed[ttlpool.ClosedMaxAge]+int64(p.Stats().Open))
	})
}

// Whatever the times, nothing is handed out at or past a limit.
func TestP1_NothingIsEverHandedOutPastALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			ttl     = 5 * time.Second
			maxAge  = 13 * time.Second
			maxUses = 7
		)
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(ttl), ttlpool.WithMaxAge(maxAge),
			ttlpool.WithMaxAgeJitter(time.Second), ttlpool.WithMaxUses(maxUses))
		rng := rand.New(rand.NewPCG(5, 6))
		reused := 0
		for range 2000 {
			c := mustGet(t, p, "hub:80")
			info := c.Info()
			require.Less(t, info.Idle, ttl)
			require.Less(t, info.Age, maxAge)
			require.Less(t, info.Uses, maxUses)
			if info.Uses > 0 {
				reused++
			}
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
			exchange(t, c)
			c.Release()
			pause := time.Second
			if rng.IntN(4) == 0 {
				pause = 2 * ttl
			}
			time.Sleep(time.Duration(rng.Int64N(int64(pause))))
		}
		assert.Greater(t, reused, 500, "it hardly ever reuses anything")
		closed := p.Stats().Closed
		for _, reason := range []ttlpool.CloseReason{ttlpool.ClosedTTL, ttlpool.ClosedMaxAge, ttlpool.ClosedMaxUses} {
			assert.Positive(t, closed[reason], "%v", reason)
		}
	})
}

func TestP1_AConnectionServesAsManyExchangesAsItMayAndNotOneMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxUses(3))
		for range 9 {
			c := mustGet(t, p, "hub:80")
			exchange(t, c)
			c.Release()
		}
		synctest.Wait()
		assert.Equal(t, 3, net.dials())
		assert.Zero(t, net.open())
		assert.EqualValues(t, 3, p.Stats().Closed[ttlpool.ClosedMaxUses])
	})
}

// In-flight work must finish when age expires (vertx PR#5527).
func TestP3_ALeasedConnectionLivesAsLongAsItsHolderLikes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Second), ttlpool.WithMaxAge(2*time.Second))
		c := mustGet(t, p, "hub:80")
		other := mustGet(t, p, "hub:80")
		other.Release() // keeps the reaper busy
		for range 60 {
			time.Sleep(time.Minute)
			exchange(t, c)
			require.False(t, peerOf(c).isClosed())
		}
		c.Release()
		synctest.Wait()
		assert.True(t, peerOf(c).isClosed(), "it is past its age, and no longer in use")
		assert.Equal(t, ttlpool.ClosedMaxAge, c.Info().Closed)
	})
}

func TestP3_AReadThatTakesAnHourIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Second))
		c := mustGet(t, p, "hub:80")
		go func() {
			time.Sleep(time.Hour)
			_, _ = peerOf(c).server.Write([]byte("late"))
		}()
		var buf [8]byte
		n, err := c.Read(buf[:])
		require.NoError(t, err)
		assert.Equal(t, "late", string(buf[:n]))
		c.Release()
		assert.Same(t, c, mustGet(t, p, "hub:80"), "the last byte has just arrived")
	})
}

func TestP3_AConnectionHeldPastItsTTLWithoutAnExchangeIsClosedWhenGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Second))
		c := mustGet(t, p, "hub:80")
		time.Sleep(time.Second)
		assert.False(t, peerOf(c).isClosed())
		c.Release()
		assert.Equal(t, ttlpool.ClosedTTL, c.Info().Closed)
	})
}

// Each connection draws its own jitter, once: connections dialled together are
// not renewed together, and looking twice does not prolong a life.
func TestJitterSpreadsTheEndsOfConnectionsDialledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxAge, jitter = 10 * time.Second, 900 * time.Millisecond // less than a second: not truncated (pgx#1437)
		var (
			net  peers
			mu   sync.Mutex
			ends = make(map[time.Duration]int)
		)
		p := newTestPool(t, net.Dial, ttlpool.WithMaxAge(maxAge), ttlpool.WithMaxAgeJitter(jitter),
			ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(i ttlpool.ConnInfo) {
				mu.Lock()
				defer mu.Unlock()
				ends[i.Age.Round(10*time.Millisecond)]++
				assert.Less(t, i.Age, maxAge)
				assert.GreaterOrEqual(t, i.Age, maxAge-jitter-200*time.Millisecond)
			}}))
		var conns []*ttlpool.Conn
		for range 100 {
			conns = append(conns, mustGet(t, p, "hub:80"))
		}
		for _, c := range conns {
			c.Release()
		}
		time.Sleep(maxAge)
		synctest.Wait()
		assert.Zero(t, net.open())
		assert.GreaterOrEqual(t, len(ends), 3, "all ended together: %v", ends)
	})
}
