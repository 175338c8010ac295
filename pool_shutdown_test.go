package ttlpool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestShutdownWaitsForWhatIsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		used, idle := mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80")
		idle.Release()
		go func() {
			time.Sleep(time.Minute)
			exchange(t, used) // still works
			used.Release()
		}()
		begun := time.Now()
		done := make(chan error)
		go func() { done <- p.Shutdown(t.Context()) }()
		synctest.Wait()
		assert.True(t, peerOf(idle).isClosed(), "idle connections are closed at once")
		assert.False(t, peerOf(used).isClosed())
		require.NoError(t, <-done)
		assert.Equal(t, time.Minute, time.Since(begun))
		synctest.Wait()
		assert.Zero(t, net.open())
		assert.Equal(t, ttlpool.ClosedPoolClosed, used.Info().Closed)
		assert.NoError(t, p.Shutdown(t.Context()), "again")
	})
}

func TestShutdownServesThoseWhoWaitAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net gate
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
		first := startGet(t, p, "hub:80")
		second := startGet(t, p, "hub:80")
		done := make(chan error, 1)
		go func() { done <- p.Shutdown(t.Context()) }()
		synctest.Wait()
		_, err := p.Get(t.Context(), "tcp", "hub:80")
		assert.ErrorIs(t, err, ttlpool.ErrClosed)

		net.next(t).succeed()
		held := first.got(t)
		assert.False(t, second.finished())
		held.Release()
		assert.Same(t, held, second.got(t))
		assert.Empty(t, done)
		held.Release()
		assert.NoError(t, <-done)
		synctest.Wait()
		assert.Zero(t, net.open())
	})
}

func TestShutdownDoesNotWaitForADialThatNobodyNeedsAnyMore(t *testing.T) {
	for name, cancelFirst := range map[string]bool{"since before": true, "from then on": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net gate
				net.obeys = true
				p := newTestPool(t, net.Dial)
				c := startGet(t, p, "hub:80")
				if cancelFirst {
					c.cancel(nil)
					require.Error(t, c.failed(t))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- p.Shutdown(ctx) }()
				synctest.Wait()
				c.cancel(nil)
				assert.NoError(t, <-done)
				synctest.Wait() // its Get may be about to return
				require.True(t, c.finished())
			})
		})
	}
}

func TestShutdownHonoursItsContextAndCloseEndsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		used := mustGet(t, p, "hub:80")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		assert.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(begun))
		exchange(t, used) // not touched
		_, err := p.Get(t.Context(), "tcp", "hub:80")
		assert.ErrorIs(t, err, ttlpool.ErrClosed)

		require.NoError(t, p.Close())
		synctest.Wait()
		assert.Zero(t, net.open())
		assert.NoError(t, p.Shutdown(t.Context()), "nothing is left to wait for")
	})
}

func TestShutdownOfAPoolInWhichNothingIsLeftNeedsNoTime(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 40 {
		p := newTestPool(t, new(peers).Dial)
		mustGet(t, p, "hub:80").Release()
		require.NoError(t, p.Shutdown(ended))
	}
}
