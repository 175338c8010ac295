package aim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// TestLearning is TestIdleClose for a pool as it comes: nothing is configured.
// A pool that was told the timeout runs beside it.
func TestLearning(t *testing.T) {
	onBoth(t, func(t *testing.T, p path) {
		const timeout = time.Second // leaves room for a stall of the machine
		srv := serve(t, p, script{idle: timeout})
		us := ours(t, p, srv)
		told := ours(t, p, srv, ttlpool.WithServerTimeout(timeout), ttlpool.WithLearning(false))
		told.name = "told"
		n := requests(t)
		c := &campaign{server: srv, calls: n, workers: lanesFor(n), methods: both, next: p.mixed(timeout)}
		teach(t, c, us)
		before, ignorant := us.pool.Stats().Dials, us.stale.Load()
		result := c.contest(t, us, told, theirs(t, p, srv))

		for _, m := range both {
			assertAnswered(t, result[0][m])
			assert.Zero(t, result[0][m].twice)
		}
		assert.Equal(t, ignorant, us.stale.Load(), "no request meets a stale connection; for one: %v", us.first.Load())
		dials, theirDials := us.pool.Stats().Dials-before, told.pool.Stats().Dials
		t.Logf("connections per 1,000 requests: %d, told %d", dials*1000/int64(n), theirDials*1000/int64(n))
		assert.LessOrEqual(t, float64(dials), 1.3*float64(theirDials))
		assert.Positive(t, result[2][http.MethodPost].failed(), "the aim is not good enough to prove anything")
	})
}

// mixed is half aimed, and half earlier: so that connections are reused as well.
func (p path) mixed(idle time.Duration) func(int, time.Time) time.Time {
	aimed := p.aimedAt(idle)
	return func(worker int, end time.Time) time.Time {
		if rand.IntN(2) == 0 {
			return aimed(worker, end)
		}
		return end.Add(rand.N(idle))
	}
}

// teach lets the server close idle connections of each lane until the client
// knows.
func teach(t *testing.T, c *campaign, client *client) {
	t.Helper()
	lessons := *c
	lessons.calls, lessons.methods, lessons.warm = c.workers, []string{http.MethodGet}, nil
	// Workers that share a connection must all leave it alone for long enough.
	lessons.next = func(_ int, end time.Time) time.Time { return end.Add(c.server.idleTimeout() + 2*stagger) }
	var ignorant []string
	for range 10 {
		lessons.runOne(t.Context(), client)
		if ignorant = whoKnowsNot(client, c.server.idleTimeout()*3/4, c.server.idleTimeout()*11/10); len(ignorant) == 0 {
			return
		}
	}
	assert.Empty(t, ignorant, "nothing was learned there")
}

// whoKnowsNot names the addresses of which nothing between the two was learned.
func whoKnowsNot(client *client, least, most time.Duration) (addresses []string) {
	for address, host := range client.pool.Stats().Hosts {
		if host.Learned.Timeout < least || host.Learned.Timeout > most {
			addresses = append(addresses, fmt.Sprintf("%s: %v", address, host.Learned))
		}
	}
	return addresses
}
