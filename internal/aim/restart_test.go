package aim

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

const (
	restartEvery = 500 * time.Millisecond
	perAddress   = 40 // workers share its connections, which have been idle for different times
)

// TestRestart has a server close all idle connections at once, again and again.
func TestRestart(t *testing.T) {
	onAll(t, func(t *testing.T, p path) {
		const timeout = time.Second
		srv := serve(t, p, script{idle: timeout})
		n := requests(t)
		us, them := ours(t, p, srv), theirs(t, p, srv)
		c := &campaign{server: srv, calls: n, workers: 4 * perAddress, perLane: perAddress, methods: both}
		teach(t, c, us)

		restarts := &restarts{begun: time.Now(), every: restartEvery}
		stop := restarts.run(srv.closeIdle)
		c.warm = restarts.between
		c.next = func(_ int, end time.Time) time.Time {
			act := restarts.after(end.Add(p.lead())).Add(p.roundTrip / 2) // seen from here
			return act.Add(-p.lead() + rand.N(p.lead()+5*time.Millisecond))
		}
		result := c.contest(t, us, them)
		stop()

		assertAnswered(t, result[0][http.MethodGet])
		post := result[0][http.MethodPost]
		assertSafe(t, post)
		if p.helped() {
			assert.Equal(t, post.failed(), post.outcomes[reset]+post.outcomes[acknowledgedClose], "for one: %v", post.example)
			if p.roundTrip > 0 {
				assert.Less(t, post.failed(), max(post.calls/200, 3), "for one: %v", post.example)
			}
		}
		// Connections that were last used at one restart and are closed at the next
		// cannot be told from a timeout; anything shorter was never so.
		assert.Empty(t, whoKnowsNot(us, restartEvery*3/4, timeout*11/10), "what was learned has collapsed")
		assert.Positive(t, result[1][http.MethodPost].failed(), "the aim is not good enough to prove anything")
	})
}

// restarts are known in advance.
type restarts struct {
	begun time.Time
	every time.Duration
}

// after returns when the next one is.
func (r *restarts) after(then time.Time) time.Time {
	n := then.Sub(r.begun)/r.every + 1
	return r.begun.Add(n * r.every)
}

// between draws a time before the next one.
func (r *restarts) between(end time.Time) time.Time {
	return end.Add(rand.N(max(time.Until(r.after(end))-100*time.Millisecond, time.Millisecond)))
}

// run has them happen until stop, which waits.
func (r *restarts) run(restart func()) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			timer := time.NewTimer(time.Until(r.after(time.Now())))
			select {
			case <-timer.C:
				restart()
			case <-done:
				timer.Stop()
				return
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

// TestCloseAfterUses has a server close connections after so many responses,
// without saying so.
func TestCloseAfterUses(t *testing.T) {
	onAll(t, func(t *testing.T, p path) {
		srv := serve(t, p, script{maxUses: 4})
		n := requests(t)
		c := &campaign{
			server: srv, calls: n, workers: min(lanesFor(n), 50), methods: both,
			next: func(_ int, end time.Time) time.Time { return end.Add(rand.N(200 * time.Microsecond)) },
		}
		us, them := ours(t, p, srv, ttlpool.WithLearning(false)), theirs(t, p, srv)
		result := c.contest(t, us, them)
		assertAnswered(t, result[0][http.MethodGet])
		post := result[0][http.MethodPost]
		assertSafe(t, post)
		if p.helped() {
			assert.Equal(t, post.failed(), post.outcomes[reset]+post.outcomes[acknowledgedClose], "for one: %v", post.example)
		}
		assert.GreaterOrEqual(t, us.pool.Stats().Dials, int64(n/5), "about one for each four uses")
	})
}
