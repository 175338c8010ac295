package ttlpool

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Get that has got into its bucket before Shutdown did is served. The last place
// of another address, which is given up just then, is not the last of all.
func TestShutdownWaitsForARequestThatWasAlreadyLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := holdOne(t)
		elsewhere := key{network: "tcp", address: "elsewhere:80"}
		b, err := h.pool.bucket(elsewhere, false)
		require.NoError(t, err)
		done := make(chan error, 1)

		b.mu.Lock() // as take does
		go func() { done <- h.pool.Shutdown(t.Context()) }()
		for draining := false; !draining; {
			h.pool.mu.RLock()
			draining = h.pool.draining
			h.pool.mu.RUnlock()
			runtime.Gosched()
		}
		require.NoError(t, h.conn.Close())
		assert.False(t, h.pool.isDrained())
		w := newWaiter(t.Context(), demand{key: elsewhere})
		b.waiters.pushBack(w)
		var after aftermath
		b.dialForWaitersLocked(&after)
		b.mu.Unlock()
		h.pool.settle(&after, readClocks())

		l, err := (<-w.ready).take()
		require.NoError(t, err)
		synctest.Wait()
		assert.Empty(t, done, "a connection is in use")
		l.conn.Release()
		assert.NoError(t, <-done)
	})
}

// Whoever gives up the last place may stand still before he says so.
func TestThatNoPlaceIsLeftMayBeNotedLate(t *testing.T) {
	h := holdOne(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.pool.Shutdown(ended), context.Canceled)
	h.pool.noteDrained()
	assert.False(t, h.pool.isDrained(), "a connection is in use, taken since")
	h.conn.Release()
	assert.True(t, h.pool.isDrained())
}

// What is in use is looked at until it is given back.
func TestTheTimersOfAPoolThatDrainsStopWhenItHas(t *testing.T) {
	h := holdOne(t, WithTTL(time.Minute))
	stopped := func() bool {
		h.pool.lookout.mu.Lock()
		defer h.pool.lookout.mu.Unlock()
		return h.pool.lookout.stopped
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.pool.Shutdown(ended), context.Canceled)
	assert.False(t, stopped())
	h.conn.Release()
	assert.True(t, stopped())
}
