package aim

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// TestHint has a server say how long it waits. Nothing is learned: there is
// nothing to learn from.
func TestHint(t *testing.T) {
	onBoth(t, func(t *testing.T, p path) {
		const timeout = time.Second // hints are in whole seconds
		srv := serve(t, p, script{idle: timeout, fields: "Keep-Alive: timeout=1\r\n"})
		n := requests(t)
		c := &campaign{server: srv, calls: n, workers: lanesFor(2 * n), methods: both, next: p.mixed(timeout)}
		us, them := ours(t, p, srv, ttlpool.WithLearning(false)), theirs(t, p, srv)
		result := c.contest(t, us, them)

		for _, m := range both {
			assertAnswered(t, result[0][m])
			assert.Zero(t, result[0][m].twice)
		}
		stats := us.pool.Stats()
		assert.Zero(t, us.stale.Load(), "no request meets a stale connection; for one: %v", us.first.Load())
		assert.LessOrEqual(t, stats.Closed[ttlpool.ClosedHungUp], int64(n/100), "none is kept until the server closes it, but by a stall")
		assert.Greater(t, stats.Reuses, int64(n/10))
		assert.Positive(t, result[1][http.MethodPost].failed(), "the aim is not good enough to prove anything")
	})
}
