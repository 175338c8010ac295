package aim

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// realServer counts by its log.
type realServer struct {
	*realtest.Server
	timeout   time.Duration
	processed func() map[string]int
}

func (s *realServer) address(int) string         { return s.Address }
func (s *realServer) idleTimeout() time.Duration { return s.timeout }
func (s *realServer) hasSlipped(string) bool     { return false }
func (s *realServer) times(id string) int        { return s.processed()[id] }

// TestReload has real servers take up their configuration anew, again and again:
// apachectl graceful, nginx -s reload. Each time all idle connections are closed,
// some time after the signal.
func TestReload(t *testing.T) {
	servers := []struct {
		name  string
		kind  func(timeout time.Duration) realtest.Kind
		every time.Duration
	}{
		// It makes all its threads anew each time, and shares two processors with others of its kind.
		{"apachectl graceful", func(d time.Duration) realtest.Kind {
			return realtest.Apache{KeepAliveTimeout: d, Processes: 2, Threads: 25}
		}, 2 * time.Second},
		{"nginx -s reload", func(d time.Duration) realtest.Kind { return realtest.Nginx{KeepAliveTimeout: d} }, time.Second},
	}
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			sideBySide(t)
			onEach(t, func(t *testing.T, p path) { reload(t, p, server.kind(server.every), server.every) }, near, distant, nearAlone, distantAlone)
		})
	}
}

// reload has the server reload as often as its idle timeout is long.
func reload(t *testing.T, p path, kind realtest.Kind, timeout time.Duration) {
	srv := &realServer{Server: realtest.StartAt(t, p.place, kind), timeout: timeout}
	srv.processed = sync.OnceValue(func() map[string]int {
		require.NoError(t, srv.Stop())
		times, err := srv.Processed()
		require.NoError(t, err)
		return times
	})
	closes := &closes{}
	us, them := ours(t, p, srv, ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: closes.note})), theirs(t, p, srv)
	n := requests(t)
	// There is not a reload each moment, so there are more workers for more calls.
	addresses := min(max(n/150, 1), 8)
	c := &campaign{server: srv, calls: n, workers: addresses * perAddress, perLane: perAddress, methods: both}
	teach(t, c, us)

	restarts := &restarts{begun: time.Now(), every: timeout}
	stop := restarts.run(func() {
		closes.expect(time.Now())
		assert.NoError(t, srv.Reload())
	})
	c.warm = restarts.between
	c.next = func(_ int, end time.Time) time.Time {
		return restarts.after(end).Add(closes.draw(p.roundTrip))
	}
	c.over = stop
	result := c.contest(t, us, them)
	soonest, latest := closes.seen()
	t.Logf("%s closes idle connections %v to %v after the signal", srv.Name(), soonest, latest)

	get, post := result[0][http.MethodGet], result[0][http.MethodPost]
	t.Logf("on connections that the server closed when it had just accepted them: %d GETs, %d POSTs", get.fresh, post.fresh)
	assert.Equal(t, get.fresh, get.failed(), "for one: %v", get.example)
	assert.LessOrEqual(t, get.fresh, get.calls/50, "for one: %v", get.example)
	assert.Zero(t, get.p4)
	assertSafe(t, post)
	if p.helped() {
		unexplained := post.failed() - post.outcomes[reset] - post.outcomes[acknowledgedClose]
		assert.LessOrEqual(t, unexplained, post.fresh, "for one: %v", post.example)
	}
	// Of sixty reloads in two minutes some may have found only connections that had been idle for as long.
	fallen := whoKnowsNot(us, restarts.every*3/4, timeout*11/10)
	assert.LessOrEqual(t, len(fallen), addresses/8, "what was learned has collapsed: %v", fallen)
	assert.Positive(t, result[1][http.MethodPost].failed(), "the aim is not good enough to prove anything")
}

// closes tells how long after a signal idle connections are closed, to aim at
// the next.
type closes struct {
	mu              sync.Mutex // guards the rest
	signal          time.Time
	soonest, latest time.Duration // as last seen
}

func (c *closes) expect(signal time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signal = signal
}

func (c *closes) note(i ttlpool.ConnInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := time.Since(c.signal)
	if i.Closed != ttlpool.ClosedHungUp || c.signal.IsZero() || after > 400*time.Millisecond {
		return
	}
	if c.latest == 0 {
		c.soonest = after
	}
	c.soonest, c.latest = min(c.soonest, after), max(c.latest, after)
}

func (c *closes) seen() (soonest, latest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.soonest, c.latest
}

// draw returns when to call, after the signal, at an address that is a round trip
// away: so that the call is there when the close is on its way.
func (c *closes) draw(roundTrip time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest == 0 {
		return rand.N(100 * time.Millisecond)
	}
	soonest := max(c.soonest-roundTrip, 0)
	return soonest + rand.N(c.latest-soonest+time.Millisecond)
}
