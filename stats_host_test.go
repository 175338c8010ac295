package ttlpool_test

import (
	"encoding/json"
	"expvar"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// staleAfter makes each connection answer one request and be closed when the
// next one arrives.
func staleAfter(c *rawConn) {
	if c.next() != nil {
		c.answer("fine")
		c.next()
	}
}

// A second try for which there is no connection was none.
func TestASecondTryThatCannotBeginIsNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		l := network.Listen("hub:80")
		startRaw(t, l, staleAfter)
		tr := newTransport(t, over(network))
		get(t, tr, "http://hub:80/")
		require.NoError(t, l.Close())
		_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub:80/", nil))
		require.Error(t, err)
		s := tr.Stats()
		assert.EqualValues(t, 1, s.Stale)
		assert.Zero(t, s.Retries)
		assert.EqualValues(t, 1, s.NotRetried)
		assert.EqualValues(t, 2, s.Requests)
	})
}

func TestStatsTellOfEachHostWhatBecameOfStaleRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub:80"), staleAfter)
		startRaw(t, network.Listen("other:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithStrictTTL(0))
		get(t, tr, "http://other:80/")

		get(t, tr, "http://hub:80/")
		time.Sleep(3 * time.Second)
		get(t, tr, "http://hub:80/") // on a second connection, after 3 s
		time.Sleep(15900 * time.Millisecond)
		_, err := tr.RoundTrip(newRequest(t, t.Context(), "POST", "http://hub:80/", nil))
		require.Error(t, err)

		s := tr.Stats()
		hub := s.Hosts["hub:80"]
		assert.EqualValues(t, 2, hub.Stale)
		assert.EqualValues(t, 1, hub.Retries)
		assert.Equal(t, map[ttlpool.RetryReason]int64{ttlpool.RetryIdempotent: 1}, hub.RetriesBy)
		assert.EqualValues(t, 1, hub.NotRetried)
		assert.EqualValues(t, 4, hub.Requests)
		assert.Equal(t, map[ttlpool.CloseReason]int64{ttlpool.ClosedStale: 2}, hub.Closed)
		assert.Equal(t, 18900*time.Millisecond, hub.StaleIdle)
		byIdle := make(map[time.Duration]int64)
		for _, bucket := range hub.StaleByIdle {
			if bucket.Count > 0 {
				byIdle[bucket.UpTo] = bucket.Count
			}
		}
		assert.Equal(t, map[time.Duration]int64{4 * time.Second: 1, 20 * time.Second: 1}, byIdle)

		other := s.Hosts["other:80"]
		assert.Zero(t, other.Stale)
		assert.Nil(t, other.StaleByIdle)
		assert.EqualValues(t, 1, other.Requests)

		assert.EqualValues(t, 2, s.Stale, "in all")
		assert.EqualValues(t, 5, s.Requests)
		assert.Equal(t, hub.StaleByIdle, s.StaleByIdle)
	})
}

func TestTheIdleBucketsGrowAndTheLastHasNoLimit(t *testing.T) {
	var network peers
	buckets := newTestPool(t, network.Dial).Stats().StaleByIdle
	last := len(buckets) - 1
	for i := 1; i < last; i++ {
		assert.Less(t, buckets[i-1].UpTo, buckets[i].UpTo)
	}
	assert.Zero(t, buckets[last].UpTo)
}

func TestEveryRetryReasonHasANameOfItsOwn(t *testing.T) {
	seen := make(map[string]bool)
	for r := ttlpool.RetryReason(0); r.String() != "unknown"; r++ {
		assert.False(t, seen[r.String()], "%v", r)
		seen[r.String()] = true
	}
	assert.Equal(t, map[string]bool{"unsent": true, "unseen": true, "idempotent": true}, seen)
}

func TestStatsTellWhatAServerSaysAndDoesOfItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("says:80"), func(c *rawConn) {
			for c.next() != nil {
				c.say("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=8, max=many\r\nContent-Length: 0\r\n\r\n")
			}
		})
		startRaw(t, network.Listen("does:80"), func(c *rawConn) {
			for c.next() != nil {
				c.answer("")
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			}
		})
		tr := newTransport(t, over(network), ttlpool.WithTTL(time.Minute))
		get(t, tr, "http://says:80/")
		for range 4 {
			get(t, tr, "http://does:80/")
			time.Sleep(8 * time.Second)
		}
		for _, when := range []string{"while something is open", "later"} {
			s := tr.Stats()
			assert.Equal(t, 8*time.Second, s.Hosts["says:80"].Hinted, when)
			assert.EqualValues(t, 1, s.Hosts["says:80"].BadHints, when)
			does := s.Hosts["does:80"]
			assert.Zero(t, does.Hinted, when)
			assert.Equal(t, 5*time.Second, does.LearnedTimeout, when)
			assert.Equal(t, 5*time.Second, does.Learned.Timeout, when)
			assert.GreaterOrEqual(t, does.Learned.Closes, 3, when)
			assert.Equal(t, 4*time.Second, does.TTL, when)
			tr.CloseIdleConnections()
			synctest.Wait()
			require.Zero(t, tr.Addresses())
		}
	})
}

// A connection that serves after more idle time speaks against a timeout; without
// that, the odd closes would agree in time.
func TestOddClosesAreOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("odd:80"), func(c *rawConn) {
			for n := 1; c.next() != nil; n++ {
				c.answer("")
				if n%25 == 0 {
					_ = c.SetReadDeadline(time.Now().Add(time.Second))
				}
			}
		})
		tr := newTransport(t, over(network), ttlpool.WithTTL(time.Minute))
		for range 200 {
			get(t, tr, "http://odd:80/")
			time.Sleep(3 * time.Second)
		}
		assert.Zero(t, tr.Stats().Hosts["odd:80"].Learned)
	})
}

func TestStatsOfAHostOutliveItsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network peers
		p := newTestPool(t, network.Dial, ttlpool.WithTTL(time.Minute))
		for range 3 {
			mustGet(t, p, "hub:80").Release()
		}
		time.Sleep(time.Hour)
		require.Zero(t, p.Addresses())
		hub := p.Stats().Hosts["hub:80"]
		assert.EqualValues(t, 2, hub.Reuses)
		assert.EqualValues(t, 1, hub.Closed[ttlpool.ClosedTTL])
		assert.Equal(t, time.Minute, hub.TTL)
	})
}

func TestTheCountersOfAForgottenHostRemainInTheTotals(t *testing.T) {
	const hosts = 5000
	var network peers
	p := newTestPool(t, network.Dial)
	for i := range hosts {
		require.NoError(t, mustGet(t, p, fmt.Sprintf("h%d:80", i)).Close())
	}
	s := p.Stats()
	assert.Len(t, s.Hosts, 4096)
	assert.EqualValues(t, hosts, s.Dials)
	assert.EqualValues(t, hosts, s.Waits)
	assert.EqualValues(t, hosts, s.Closed[ttlpool.ClosedByHolder])
	var inHosts int64
	for _, h := range s.Hosts {
		inHosts += h.Dials
	}
	assert.EqualValues(t, 4096, inHosts)
}

func TestTheStatsOfHostsCanBeWrittenAsJSON(t *testing.T) {
	server := startRaw(t, listenTCP(t), staleOnce)
	tr := newTransport(t)
	get(t, tr, server.url())
	get(t, tr, server.url())
	text := expvar.Func(func() any { return tr.Stats() }).String()
	var back struct {
		Requests    int64
		RetriesBy   map[string]int64
		StaleByIdle []struct{ UpTo, Count int64 }
		Hosts       map[string]struct {
			Requests  int64
			RetriesBy map[string]int64
			Closed    map[string]int64
			Learned   struct{ Closes int }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &back))
	assert.EqualValues(t, 3, back.Requests)
	assert.Len(t, back.RetriesBy, 3)
	assert.EqualValues(t, time.Second, back.StaleByIdle[0].UpTo)
	hub := back.Hosts[server.address]
	assert.EqualValues(t, 3, hub.Requests)
	assert.EqualValues(t, 1, hub.RetriesBy["idempotent"]+hub.RetriesBy["unseen"])
	assert.EqualValues(t, 1, hub.Closed["stale"])
}
