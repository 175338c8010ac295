package aim

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ttlpool/ttlpool"
)

// campaign is a number of requests that clients aim at what a server does.
type campaign struct {
	server  target
	calls   int // of each client, all lanes together
	workers int // of each client
	perLane int // workers that share a lane and so its connections; 0: 1
	methods []string
	// warm, if not nil, returns when to make another call before each, so that
	// there is a connection, given the end of the last response.
	warm func(end time.Time) time.Time
	// next returns when to call next, given the end of the last response. The
	// first call of a worker is not aimed: it opens a connection.
	next func(worker int, end time.Time) time.Time
	// over, if not nil, is called when all calls have been made, and before it is
	// asked what became of them.
	over func()
}

// both are the methods of most campaigns, in equal parts.
var both = []string{http.MethodGet, http.MethodPost}

// stagger is the time within which workers begin, so as not to march in step.
const stagger = 200 * time.Millisecond

// late is how much later than intended a call is begun that misses its aim: the
// process was stalled.
const late = 2 * time.Millisecond

// tally is what became of the calls of one method.
type tally struct {
	calls    int
	late     int
	outcomes [outcomes]int
	once     int // processed by the server
	twice    int // or more
	slipped  int // got what the server said while it had them, unread
	resent   int // sent twice
	fresh    int // failed on a connection dialled for it: its server had just accepted it, and closed it
	p4       int // sent more than twice, or the second time on a pooled connection
	example  error
}

func (t *tally) failed() int { return t.calls - t.outcomes[answered] }

// record is one call.
type record struct {
	id, method string
	outcome    outcome
	sends      sends
	late       bool
	err        error
}

// run makes the calls of all clients side by side and returns the tallies of
// each by method, the warming calls not among them.
func (c *campaign) run(t *testing.T, clients ...*client) []map[string]*tally {
	records := make([][]record, len(clients))
	var all sync.WaitGroup
	for i, client := range clients {
		all.Go(func() { records[i] = c.runOne(t.Context(), client) })
	}
	all.Wait()
	if c.over != nil {
		c.over()
	}
	tallies := make([]map[string]*tally, len(clients))
	for i := range clients {
		tallies[i] = c.count(records[i])
	}
	return tallies
}

func (c *campaign) runOne(ctx context.Context, client *client) []record {
	rounds := (c.calls + c.workers - 1) / c.workers
	records := make([][]record, c.workers)
	var all sync.WaitGroup
	for worker := range c.workers {
		all.Go(func() { records[worker] = c.work(ctx, client, worker, rounds) })
	}
	all.Wait()
	return slices.Concat(records...)
}

func (c *campaign) count(records []record) map[string]*tally {
	tallies := make(map[string]*tally)
	for _, m := range c.methods {
		tallies[m] = &tally{}
	}
	for _, r := range records {
		tallies[r.method].add(r, c.server.times(r.id), c.server.hasSlipped(r.id))
	}
	return tallies
}

func (c *campaign) work(ctx context.Context, client *client, worker, rounds int) []record {
	lane := worker / max(c.perLane, 1)
	if !pause(ctx, time.Now().Add(rand.N(stagger))) {
		return nil
	}
	warm := func() { _, _, _ = client.call(ctx, lane, http.MethodGet, client.newID()) }
	warm()
	records := make([]record, 0, rounds)
	for range rounds {
		if c.warm != nil && pause(ctx, c.warm(time.Now())) {
			warm()
		}
		at := c.next(worker, time.Now())
		if !pause(ctx, at) {
			return records
		}
		r := record{id: client.newID(), method: c.methods[rand.IntN(len(c.methods))]}
		r.late = time.Since(at) > late
		r.outcome, r.sends, r.err = client.call(ctx, lane, r.method, r.id)
		records = append(records, r)
	}
	return records
}

// pause waits until then, and reports whether it came to that.
func pause(ctx context.Context, then time.Time) bool {
	timer := time.NewTimer(time.Until(then))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *tally) add(r record, processed int, slipped bool) {
	t.calls++
	t.outcomes[r.outcome]++
	switch {
	case processed == 1:
		t.once++
	case processed > 1:
		t.twice++
	}
	if r.late {
		t.late++
	}
	if slipped && (r.outcome == foreign || r.outcome == timedOut) {
		t.slipped++
	}
	if r.sends.fresh+r.sends.reused > 1 {
		t.resent++
	}
	var e *ttlpool.ExchangeError
	if errors.As(r.err, &e) && e.Conn.Uses == 0 && !e.Retried {
		t.fresh++
	}
	if r.sends.violates() {
		t.p4++
	}
	if r.outcome != answered && r.err != nil && t.example == nil {
		t.example = r.err
	}
}

// aimedAt draws idle times around the one at which the server acts.
func (p path) aimedAt(idle time.Duration) func(int, time.Time) time.Time {
	return func(_ int, end time.Time) time.Time {
		return end.Add(idle - p.lead() + rand.N(p.lead()+5*time.Millisecond))
	}
}

// lanesFor is how many lanes share so many calls, for rounds enough and no
// more load than two processors bear.
func lanesFor(calls int) int {
	if raceDetector {
		return min(max(calls/20, 1), 100)
	}
	return min(max(calls/5, 1), 400)
}

// calmLanesFor is how many lanes share so many calls where a client that is late by
// a part of the round trip sees something else: few enough that hardly any is.
func (p path) calmLanesFor(calls int) int {
	if p.helped() && p.roundTrip > 0 {
		return min(lanesFor(calls), 40)
	}
	return min(lanesFor(calls), 100)
}
