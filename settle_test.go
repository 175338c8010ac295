package ttlpool

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hookPanics are the ways in which a hook is called on behalf of somebody who has
// got a lease already, or waits. Each arranges for it, and returns what calls it.
var hookPanics = []struct {
	name    string
	hook    string
	arrange func(t *testing.T, p *Pool) func()
}{
	{"an idle one has expired, and a dial is waited for", "ConnClosed", func(t *testing.T, p *Pool) func() {
		expire(idleConns(t, p, 1)[0])
		return func() { leaseFrom(t, p) }
	}},
	{"an idle one has expired, and another is taken", "ConnClosed", func(t *testing.T, p *Pool) func() {
		expire(idleConns(t, p, 2)[1])
		return func() { leaseFrom(t, p) }
	}},
	{"one has proved dead, and a dial is waited for", "ConnClosed", func(t *testing.T, p *Pool) func() {
		idleConns(t, p, 1)[0].hungUp.Store(true)
		return func() { leaseFrom(t, p) }
	}},
	{"one has proved dead, and another is taken", "ConnClosed", func(t *testing.T, p *Pool) func() {
		idleConns(t, p, 2)[1].hungUp.Store(true)
		return func() { leaseFrom(t, p) }
	}},
	{"one has proved dead, and another has expired", "ConnClosed", func(t *testing.T, p *Pool) func() {
		conns := idleConns(t, p, 2)
		expire(conns[0])
		conns[1].hungUp.Store(true)
		return func() { leaseFrom(t, p) }
	}},
	{"one that had no room is idle now, and another is taken", "PutIdle", func(t *testing.T, p *Pool) func() {
		idleConns(t, p, 2)
		c := leaseFrom(t, p)
		return func() { _, _ = p.take(t.Context(), demand{key: c.bucket.key}, readClocks(), c, NotClosed) }
	}},
	{"a second try is dialled for", "ConnClosed", func(t *testing.T, p *Pool) func() {
		c := leaseFrom(t, p)
		return func() { _, _ = p.replace(t.Context(), c, ClosedStale, readClocks()) }
	}},
	{"a sibling has proved dead", "ConnClosed", func(t *testing.T, p *Pool) func() {
		conns := idleConns(t, p, 2)
		conns[0].hungUp.Store(true)
		return func() { p.checkSiblings(lease{conn: conns[0]}, false) }
	}},
	{"a sibling is idle again", "PutIdle", func(t *testing.T, p *Pool) func() {
		conns := idleConns(t, p, 2)
		return func() { p.checkSiblings(lease{conn: conns[0]}, false) }
	}},
	{"an idle one too many makes room", "ConnClosed", func(t *testing.T, p *Pool) func() {
		p.config.maxIdle = 1
		idleConns(t, p, 1)
		other, err := p.acquire(t.Context(), demand{key: key{network: "tcp", address: "other:443"}})
		require.NoError(t, err)
		return func() { p.release(other.conn, readClocks(), true) }
	}},
}

// idleConns returns so many idle connections, of which the last was used last.
func idleConns(t *testing.T, p *Pool, n int) (conns []*Conn) {
	for range n {
		conns = append(conns, leaseFrom(t, p))
	}
	for _, c := range conns {
		p.release(c, readClocks(), true)
	}
	return conns
}

// expire makes an idle connection too old, of which the reaper does not know.
func expire(c *Conn) {
	c.maxAge = time.Second
	time.Sleep(2 * time.Second)
}

// A hook that panics is its author's business. What the pool had given to whoever
// called it nobody would give back.
func TestAHookThatPanicsLeavesNoLeaseAndNoWaiterBehind(t *testing.T) {
	const mine = "a panic of my own"
	for _, row := range hookPanics {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var armed atomic.Bool
				hook := func(name string) func(ConnInfo) {
					return func(ConnInfo) {
						if name == row.hook && armed.CompareAndSwap(true, false) {
							panic(mine)
						}
					}
				}
				c := defaultConfig()
				c.policy.maxConns = 2
				c.traces = traces{{ConnClosed: hook("ConnClosed"), PutIdle: hook("PutIdle")}}
				p := newPool(c, func(context.Context, key) (link, error) {
					here, there := net.Pipe()
					t.Cleanup(func() { _ = there.Close() })
					return link{conn: here}, nil
				})
				defer p.Close()
				act := row.arrange(t, p)
				armed.Store(true)
				require.PanicsWithValue(t, mine, act)
				synctest.Wait() // for dials that are under way

				s := p.Stats()
				assert.Zero(t, s.InUse, "a lease is lost")
				assert.Zero(t, s.Waiting, "a waiter is lost")
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var all []*Conn
				for range c.policy.maxConns {
					l, err := p.acquire(ctx, demand{key: key{network: "tcp", address: "hub:443"}})
					require.NoError(t, err, "a place is lost")
					all = append(all, l.conn)
				}
				for _, c := range all {
					p.release(c, readClocks(), true)
				}
				assert.NoError(t, p.Shutdown(ctx))
			})
		})
	}
}
