package aim

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// idleTimeout is the servers', where they need not state it in whole seconds.
const idleTimeout = 400 * time.Millisecond

// TestIdleClose has a server close idle connections without a word, and a pool
// that knows of no TTL and learns none.
func TestIdleClose(t *testing.T) {
	onAll(t, func(t *testing.T, p path) {
		srv := serve(t, p, script{idle: idleTimeout})
		n := requests(t)
		c := &campaign{server: srv, calls: n, workers: lanesFor(n), methods: both, next: p.aimedAt(idleTimeout)}
		us, them := ours(t, p, srv, ttlpool.WithLearning(false)), theirs(t, p, srv)
		result := c.contest(t, us, them)

		assertAnswered(t, result[0][http.MethodGet])
		post := result[0][http.MethodPost]
		assertSafe(t, post)
		if p.roundTrip > 0 && p.helped() {
			assert.Equal(t, post.failed(), post.outcomes[reset], "nothing but a reset fails a POST")
			assert.Greater(t, post.resent, post.calls/10, "FINs in flight, or there was no race to win")
		}
		assert.Positive(t, result[1][http.MethodPost].failed(), "the aim is not good enough to prove anything")
	})
}

// TestLingeringClose is TestIdleClose with a server that closes as Apache and
// nginx do: it ends its side first, and so a request that comes too late is
// acknowledged and thrown away, not reset.
func TestLingeringClose(t *testing.T) {
	onBoth(t, func(t *testing.T, p path) {
		srv := serve(t, p, script{idle: idleTimeout, lingers: true})
		n := requests(t)
		c := &campaign{server: srv, calls: n, workers: lanesFor(n), methods: both, next: p.aimedAt(idleTimeout)}
		us, them := ours(t, p, srv, ttlpool.WithLearning(false)), theirs(t, p, srv)
		result := c.contest(t, us, them)

		assertAnswered(t, result[0][http.MethodGet])
		post := result[0][http.MethodPost]
		assertSafe(t, post)
		if p.helped() {
			assert.Equal(t, post.failed(), post.outcomes[reset]+post.outcomes[acknowledgedClose], "for one: %v", post.example)
		}
		assert.Positive(t, result[1][http.MethodPost].failed(), "the aim is not good enough to prove anything")
	})
}

// assertAnswered is for calls that never fail.
func assertAnswered(t *testing.T, got *tally) {
	t.Helper()
	assert.Zero(t, got.failed(), "for one: %v", got.example)
	assert.Zero(t, got.p4)
	assert.Positive(t, got.calls)
}

// assertSafe is for calls that may fail, but not happen twice.
func assertSafe(t *testing.T, got *tally) {
	t.Helper()
	assert.Zero(t, got.twice)
	assert.Zero(t, got.p4)
	assert.Positive(t, got.calls)
	assert.GreaterOrEqual(t, got.once, got.outcomes[answered])
}
