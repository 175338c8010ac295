package aim

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// TestAllIdleClose has a server close thousands of idle connections at once,
// while other requests go on.
func TestAllIdleClose(t *testing.T) {
	const (
		many = 10_000
		soon = 10 * time.Second // generous; the log tells
	)
	p := loopback()
	srv := startChild(t) // each process has its own limit of descriptors
	others := serve(t, p, script{})
	p.dial = fewAtOnce(p.dial, 256)
	us := ours(t, p, srv, ttlpool.WithMaxIdlePerHost(0))
	bystander := ours(t, p, others)
	hold(t, us, srv, many)
	eventually(t, "idle for the server, too", time.Minute, func() bool { return srv.ask(t, countIdle) == many })
	t.Logf("%d idle connections", many)

	stop := keepCalling(t, bystander)
	took := time.Duration(srv.ask(t, closeIdle))
	closed := time.Now()
	eventually(t, "all closed here", soon, func() bool { return us.pool.Stats().Open == 0 })
	t.Logf("the server took %v to close them; all were closed here %v later", took, time.Since(closed))
	calls, longest := stop()
	t.Logf("%d other calls meanwhile, the longest %v", calls, longest)
	stats := us.pool.Stats()
	assert.EqualValues(t, many, stats.Closed[ttlpool.ClosedHungUp])
	o, _, err := us.call(t.Context(), 0, http.MethodPost, us.newID())
	require.NoError(t, err)
	assert.Equal(t, answered, o)
}

// fewAtOnce limits the dials in progress: a listener's queue is limited.
func fewAtOnce(dial dialFunc, n int) dialFunc {
	places := make(chan struct{}, n)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		places <- struct{}{}
		defer func() { <-places }()
		return dial(ctx, network, address)
	}
}

// hold makes so many connections idle at one address.
func hold(t *testing.T, c *client, srv *child, many int) {
	t.Helper()
	var all sync.WaitGroup
	for range many {
		all.Go(func() { _, _, _ = c.call(t.Context(), 0, http.MethodGet, c.newID()) })
	}
	eventually(t, "all requests have arrived", time.Minute, func() bool { return srv.ask(t, countRequests) == many })
	srv.ask(t, openGate)
	all.Wait()
	require.Equal(t, many, c.pool.Stats().Idle)
}

// rest is what a worker of keepCalling leaves between its calls: without it, four of
// them take all of two processors that they can get.
const rest = time.Millisecond

// keepCalling has calls go on until stop, which returns how many there were and
// how long the longest took.
func keepCalling(t *testing.T, c *client) (stop func() (int64, time.Duration)) {
	var calls, longest atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	for lane := range 4 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				begun := time.Now()
				o, _, err := c.call(t.Context(), lane, both[lane%len(both)], c.newID())
				assert.NoError(t, err)
				assert.Equal(t, answered, o)
				calls.Add(1)
				for took := int64(time.Since(begun)); took > longest.Load(); {
					longest.Store(took)
				}
				pause(t.Context(), time.Now().Add(rest))
			}
		})
	}
	return func() (int64, time.Duration) {
		close(done)
		all.Wait()
		return calls.Load(), time.Duration(longest.Load())
	}
}
