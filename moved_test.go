package ttlpool_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A name leads elsewhere from one moment on. The maximum age moves the traffic
// within its bound, however busy the connections are; without one it never moves.
func TestMaximumAgeMovesTheTrafficOfANameThatLeadsElsewhere(t *testing.T) {
	const (
		maxAge  = 10 * time.Second
		jitter  = 3 * time.Second
		moves   = 25 * time.Second
		workers = 7
		pause   = 100 * time.Millisecond
	)
	for name, row := range map[string]struct {
		opts      []ttlpool.Option
		lastAtOld time.Duration // the latest at which the old address may be asked
		stays     bool
	}{
		"a maximum age": {opts: []ttlpool.Option{ttlpool.WithMaxAge(maxAge)}, lastAtOld: moves + maxAge},
		"a maximum age with jitter": {
			opts:      []ttlpool.Option{ttlpool.WithMaxAge(maxAge), ttlpool.WithMaxAgeJitter(jitter)},
			lastAtOld: moves + maxAge,
		},
		"none": {stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, begun := newMemNet(), time.Now()
				old, young := lastAsked(t, network, "old:80", begun), lastAsked(t, network, "new:80", begun)
				dial := func(ctx context.Context, netw, _ string) (net.Conn, error) {
					if time.Since(begun) < moves {
						return network.Dial(ctx, netw, "old:80")
					}
					return network.Dial(ctx, netw, "new:80")
				}
				tr := newTransport(t, append(row.opts, ttlpool.WithBase(&http.Transport{DialContext: dial}))...)
				var all sync.WaitGroup
				for worker := range workers {
					all.Go(func() {
						time.Sleep(time.Duration(worker) * time.Millisecond)
						for time.Since(begun) < moves+2*maxAge {
							get(t, tr, "http://hub/")
							time.Sleep(pause)
						}
					})
				}
				all.Wait()
				require.GreaterOrEqual(t, time.Duration(old.Load()), moves-pause-time.Second, "the old address was in use until the move")
				if row.stays {
					assert.Zero(t, young.Load())
					return
				}
				assert.Less(t, time.Duration(old.Load()), row.lastAtOld)
				assert.GreaterOrEqual(t, time.Duration(young.Load()), moves+2*maxAge-time.Second)
				assert.Positive(t, tr.Stats().Closed[ttlpool.ClosedMaxAge])
			})
		})
	}
}

// lastAsked serves an address, and has the time since the beginning at which it
// was asked last, a time.Duration.
func lastAsked(t *testing.T, network *memNet, address string, begun time.Time) *atomic.Int64 {
	var last atomic.Int64
	startRaw(t, network.Listen(address), func(c *rawConn) {
		for req := c.next(); req != nil; req = c.next() {
			last.Store(int64(time.Since(begun)))
			c.answer("fine")
		}
	})
	return &last
}
