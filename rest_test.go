package ttlpool

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheReaperRestsForTwiceAsLongAsItWorks(t *testing.T) {
	tests := []struct{ worked, rest time.Duration }{
		{0, 0},
		{workBeforeRest - 1, 0}, // a few connections are closed in one go
		{workBeforeRest, 2 * workBeforeRest},
		{3 * workBeforeRest, 6 * workBeforeRest},
		{time.Hour, maxRest}, // the process stood still
	}
	for _, tt := range tests {
		assert.Equal(t, tt.rest, restAfter(tt.worked), "worked for %v", tt.worked)
	}
}

// Where the reaper has worked and rested since it read the clock, what it arms is
// due by the clock.
func TestTheReaperIsWokenByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(defaultConfig(), nil)
		defer p.Close()
		longAgo := readClocks()
		time.Sleep(4 * time.Second)
		p.reaper.wakeWithin(5*time.Second, longAgo)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, int64(noAlarm), p.reaper.alarm.Load(), "it has found nothing to wait for")
	})
}

// Sweeps side by side would not rest.
func TestOneSweepRunsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := defaultConfig()
		config.policy.ttl = time.Second
		p := newPool(config, func(context.Context, key) (link, error) {
			here, there := net.Pipe()
			t.Cleanup(func() { _ = there.Close() })
			return link{conn: here}, nil
		})
		defer p.Close()
		c := leaseFrom(t, p)
		p.reaper.sweeping = true // as it is while one rests
		p.release(c, readClocks(), true)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, NotClosed, c.Info().Closed)
		assert.True(t, p.reaper.swept(), "it is to begin again")
		assert.False(t, p.reaper.swept(), "once")
		p.reaper.wake()
		assert.Equal(t, ClosedTTL, c.Info().Closed)
	})
}
