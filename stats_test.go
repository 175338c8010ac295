package ttlpool_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestStatsTellWhatThePoolHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate{obeys: true}
		p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(3), ttlpool.WithTTL(time.Minute))
		calls := []*call{startGet(t, p, "hub:80"), startGet(t, p, "hub:80")}
		g.next(t).succeed()
		g.next(t).succeed()
		idle, used := calls[0].got(t), calls[1].got(t)
		startGet(t, p, "hub:80")
		startGet(t, p, "hub:80")
		other := startGet(t, p, "other:80")
		g.next(t)
		g.next(t).succeed()
		other.got(t)

		s := p.Stats()
		require.Len(t, s.Hosts, 2)
		assert.Equal(t, []int{2, 0, 2, 1, 2}, gauges(s.Hosts["hub:80"].Counts))
		assert.Equal(t, []int{1, 0, 1, 0, 0}, gauges(s.Hosts["other:80"].Counts))
		assert.Equal(t, time.Minute, s.Hosts["hub:80"].TTL)
		assert.Equal(t, []int{3, 0, 3, 1, 2}, gauges(s.Counts))
		for range 3 {
			idle.Release() // to the waiters first
			synctest.Wait()
			if p.Stats().Waiting == 0 {
				break
			}
		}
		require.Zero(t, p.Stats().Waiting)
		idle.Release()
		s = p.Stats()
		assert.Equal(t, []int{2, 1, 1, 1, 0}, gauges(s.Hosts["hub:80"].Counts))
		used.Release()
		assert.Equal(t, 2, p.Stats().Idle)
	})
}

func gauges(n ttlpool.Counts) []int { return []int{n.Open, n.Idle, n.InUse, n.Dialing, n.Waiting} }

func TestStatsCountCheckoutsAndDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		p := newTestPool(t, g.Dial, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithAcquireTimeout(10*time.Second))
		c := startGet(t, p, "hub:80")
		time.Sleep(2 * time.Second)
		g.next(t).fail(errors.New("refused"))
		require.Error(t, c.failed(t))

		c = startGet(t, p, "hub:80")
		time.Sleep(3 * time.Second)
		g.next(t).succeed()
		held := c.got(t)
		late := startGet(t, p, "hub:80")
		time.Sleep(10 * time.Second)
		require.ErrorIs(t, late.failed(t), ttlpool.ErrAcquireTimeout)
		held.Release()
		for range 5 {
			mustGet(t, p, "hub:80").Release()
		}
		s := p.Stats()
		assert.EqualValues(t, 2, s.Dials)
		assert.EqualValues(t, 1, s.DialErrors)
		assert.EqualValues(t, 5, s.Reuses)
		assert.EqualValues(t, 3, s.Waits)
		assert.EqualValues(t, 1, s.WaitTimeout)
		assert.Equal(t, 15*time.Second, s.WaitTime)
	})
}

func TestStatsCountEveryCloseByItsReason(t *testing.T) {
	const address = "hub:80"
	ways := map[ttlpool.CloseReason]func(t *testing.T, p *ttlpool.Pool){
		ttlpool.ClosedTTL: func(t *testing.T, p *ttlpool.Pool) {
			mustGet(t, p, address).Release()
			time.Sleep(time.Minute)
		},
		ttlpool.ClosedMaxAge: func(t *testing.T, p *ttlpool.Pool) {
			c := mustGet(t, p, address)
			time.Sleep(time.Hour)
			c.Release()
		},
		ttlpool.ClosedMaxUses: func(t *testing.T, p *ttlpool.Pool) {
			for range 3 {
				mustGet(t, p, address).Release()
			}
		},
		ttlpool.ClosedMaxIdle: func(t *testing.T, p *ttlpool.Pool) {
			a, b := mustGet(t, p, address), mustGet(t, p, address)
			a.Release()
			b.Release()
		},
		ttlpool.ClosedByHolder:  func(t *testing.T, p *ttlpool.Pool) { assert.NoError(t, mustGet(t, p, address).Close()) },
		ttlpool.ClosedCloseIdle: func(t *testing.T, p *ttlpool.Pool) { mustGet(t, p, address).Release(); p.CloseIdle() },
		ttlpool.ClosedPoolClosed: func(t *testing.T, p *ttlpool.Pool) {
			mustGet(t, p, address)
			assert.NoError(t, p.Close())
		},
	}
	for reason, way := range ways {
		t.Run(reason.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				var traced []ttlpool.CloseReason
				p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Minute), ttlpool.WithMaxAge(time.Hour),
					ttlpool.WithMaxUses(3), ttlpool.WithMaxIdlePerHost(1), ttlpool.WithTrace(&ttlpool.Trace{
						ConnClosed: func(i ttlpool.ConnInfo) { traced = append(traced, i.Closed) },
					}))
				way(t, p)
				synctest.Wait()
				for r, n := range p.Stats().Closed {
					if r == reason {
						assert.EqualValues(t, 1, n, "%v", r)
					} else {
						assert.Zero(t, n, "%v", r)
					}
				}
				assert.Equal(t, []ttlpool.CloseReason{reason}, traced)
			})
		})
	}
}

func TestAddressesOfLongAgoLeaveNothingButCountersBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Minute))
		for _, address := range []string{"a:80", "b:80", "c:80"} {
			mustGet(t, p, address).Release()
		}
		assert.Equal(t, 3, p.Addresses())
		time.Sleep(time.Minute)
		assert.Zero(t, p.Addresses())
		mustGet(t, p, "a:80").Release() // and they can come again
		assert.Equal(t, 1, p.Addresses())
	})
}

func TestStatsCanBeWrittenAsJSON(t *testing.T) {
	var net peers
	p := newTestPool(t, net.Dial)
	c := mustGet(t, p, "hub:80")
	require.NoError(t, c.Close())
	text, err := json.Marshal(p.Stats())
	require.NoError(t, err)
	var back struct {
		Dials  int64
		Closed map[string]int64
	}
	require.NoError(t, json.Unmarshal(text, &back))
	assert.EqualValues(t, 1, back.Dials)
	assert.EqualValues(t, 1, back.Closed["by_holder"])
	assert.Contains(t, back.Closed, "ttl", "a counter that is zero is there too")
}

func TestEveryCloseReasonHasANameOfItsOwn(t *testing.T) {
	seen := make(map[string]ttlpool.CloseReason)
	for r := ttlpool.NotClosed; r.String() != "unknown"; r++ {
		assert.Regexp(t, `^[a-z]+(_[a-z]+)*$`, r.String())
		assert.NotContains(t, seen, r.String())
		seen[r.String()] = r
	}
	assert.Contains(t, seen, "pool_closed")
	assert.GreaterOrEqual(t, len(seen), 14)
	assert.Equal(t, "unknown", ttlpool.CloseReason(-1).String())
	assert.Equal(t, "unknown", ttlpool.CloseReason(1000).String())
}
