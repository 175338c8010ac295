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
		before := us.pool.Stats()
		result := c.contest(t, us, told, theirs(t, p, srv))

		for _, m := range both {
			assertAnswered(t, result[0][m])
			assert.Zero(t, result[0][m].twice)
		}
		assert.Equal(t, before.Stale, us.pool.Stats().Stale, "no request meets a stale connection")
		dials, theirDials := us.pool.Stats().Dials-before.Dials, told.pool.Stats().Dials
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
	lessons.next = func(_ int, end time.Time) time.Time { return end.Add(c.server.script.idle + 50*time.Millisecond) }
	ignorant := ""
	for range 10 {
		lessons.run(t, client)
		if ignorant = whoKnowsNot(client, c.server.script.idle); ignorant == "" {
			return
		}
	}
	assert.Fail(t, "nothing was learned", ignorant)
}

func whoKnowsNot(client *client, timeout time.Duration) string {
	for address, host := range client.pool.Stats().Hosts {
		if off := host.Learned.Timeout - timeout; off < -timeout/10 || off > timeout/10 {
			return fmt.Sprintf("%s: %+v", address, host)
		}
	}
	return ""
}
