package peers

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// over returns a load over HTTP/2, in which each worker may have a host, and so a connection, of its own.
func (r *rig) over(path string, alone bool) *load {
	return newLoad(func(kind int, id string, worker int) error {
		req := r.request(kinds[kind].method, path, id, kinds[kind].body())
		if alone {
			req.URL.Host = fmt.Sprintf("worker-%d.test", worker)
		}
		got, err := r.send(req)
		if err != nil {
			return err
		}
		return answered(got.Response, got.body, id)
	})
}

// TestAGracefulReloadUnderLoad: servers say GOAWAY to the connections of their old processes, and to those that these
// have taken since. A request that two processes have refused in turn fails; it goes out no third time.
func TestAGracefulReloadUnderLoad(t *testing.T) {
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{})
		l := r.over("/slow", false)
		begun, ended := make(chan struct{}), make(chan struct{})
		var over atomic.Bool
		var first sync.Once
		go func() {
			defer close(ended)
			l.run(8, func(n int) bool {
				if n == 1 {
					first.Do(func() { close(begun) })
				}
				return !over.Load()
			}, func() time.Duration { return rand.N(5 * time.Millisecond) })
		}()
		<-begun
		reload := r.peer.Reload()
		time.Sleep(time.Second)
		over.Store(true)
		<-ended
		require.NoError(t, reload)
		l.count(r.processed())
		l.report(t, fmt.Sprintf("%d connections", r.dials.count.Load()))
		assert.Greater(t, r.dials.count.Load(), int32(1), "nothing was reloaded")
		assert.Zero(t, l.sum(false).twice)
		if c.ours {
			assert.Zero(t, l.sum(true).failed-l.refusedTwice)
			assert.LessOrEqual(t, l.refusedTwice, 8, "of each worker one at most")
		}
	})
}

// TestIdleTimeoutsOverHTTP2 sends requests when the server gives up the connection.
func TestIdleTimeoutsOverHTTP2(t *testing.T) {
	const timeout = time.Second
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{idle: timeout})
		l := r.over("/", true)
		l.run(50, func(n int) bool { return n < 6 }, func() time.Duration {
			return timeout - 5*time.Millisecond + rand.N(10*time.Millisecond)
		})
		l.count(r.processed())
		l.report(t, fmt.Sprintf("%d connections", r.dials.count.Load()))
		assert.Greater(t, r.dials.count.Load(), int32(50), "the server has closed none")
		assert.Zero(t, l.sum(false).twice)
		if c.ours {
			assert.Zero(t, l.sum(true).failed)
		}
	})
}

// TestAsManyRequestsAsAConnectionServes: nginx says GOAWAY after keepalive_requests.
func TestAsManyRequestsAsAConnectionServes(t *testing.T) {
	forEach(t, http2Peers[:1], func(t *testing.T, p http2Peer, c contestant) {
		const workers, each, most = 8, 60, 20
		r := newRig(t, p, c, settings{requests: most})
		l := r.over("/", false)
		l.run(workers, func(n int) bool { return n < each }, func() time.Duration { return rand.N(time.Millisecond) })
		l.count(r.processed())
		l.report(t, fmt.Sprintf("%d connections", r.dials.count.Load()))
		require.GreaterOrEqual(t, int(r.dials.count.Load()), workers*each/most)
		assert.Zero(t, l.sum(false).twice)
		if c.ours {
			assert.Zero(t, l.sum(true).failed)
		}
	})
}
