package ttlpool_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// oneHook runs f from the hook with its name, once, when it has been armed.
type oneHook struct {
	name     string
	f        func()
	armed    atomic.Bool
	returned chan struct{}
}

func newOneHook(name string, f func()) *oneHook {
	return &oneHook{name: name, f: f, returned: make(chan struct{})}
}

func (h *oneHook) run(name string) {
	if name == h.name && h.armed.CompareAndSwap(true, false) {
		h.f()
		close(h.returned)
	}
}

func (h *oneHook) trace() ttlpool.PoolOption {
	return ttlpool.WithTrace(&ttlpool.Trace{
		DialDone:   func(string, time.Duration, error) { h.run("DialDone") },
		GotConn:    func(ttlpool.ConnInfo) { h.run("GotConn") },
		PutIdle:    func(ttlpool.ConnInfo) { h.run("PutIdle") },
		ConnClosed: func(ttlpool.ConnInfo) { h.run("ConnClosed") },
	})
}

// A callback run while the caller holds a lock is a deadlock in waiting
// (golang/go#80680). Not in a bubble: a goroutine that waits for a mutex would
// stop its clock.
func TestP11_EveryHookMayCallThePool(t *testing.T) {
	var (
		p    *ttlpool.Pool
		held *ttlpool.Conn
	)
	get := func(address string) {
		if c, err := p.Get(context.Background(), "tcp", address); err == nil {
			c.Release()
		}
	}
	actions := map[string]func(){
		"Stats":         func() { p.Stats() },
		"Get":           func() { get("hub:80") },
		"Get elsewhere": func() { get("other:80") },
		"Info":          func() { held.Info() },
		"Release":       func() { held.Release() },
		"Conn.Close":    func() { _ = held.Close() },
		"CloseIdle":     func() { p.CloseIdle() },
		"Close":         func() { _ = p.Close() },
		"Shutdown": func() {
			over, cancel := context.WithCancel(context.Background())
			cancel() // what waits for its own return would wait for ever
			_ = p.Shutdown(over)
		},
	}
	for _, hook := range []string{"DialDone", "GotConn", "PutIdle", "ConnClosed"} {
		for action, f := range actions {
			t.Run(hook+"/"+action, func(t *testing.T) {
				var net peers
				h := newOneHook(hook, f)
				p = newTestPool(t, net.Dial, ttlpool.WithTTL(time.Hour), ttlpool.WithMaxUses(2), h.trace())
				held = mustGet(t, p, "hub:80")
				h.armed.Store(true)
				for range 2 {
					get("hub:80")
				}
				p.CloseIdle()
				await(t, h.returned)
				require.NoError(t, p.Close())
			})
		}
	}
}

// A hook may even wait for a connection, at the limit: it holds up its own
// goroutine, not those for whom that was about to do something.
func TestP11_AHookMayWaitForAConnection(t *testing.T) {
	for _, hook := range []string{"DialDone", "PutIdle", "ConnClosed"} {
		t.Run(hook, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var (
					net peers
					p   *ttlpool.Pool
					err error
				)
				h := newOneHook(hook, func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
					defer cancel()
					var c *ttlpool.Conn
					if c, err = p.Get(ctx, "tcp", "hub:80"); err == nil {
						c.Release()
					}
				})
				h.armed.Store(true)
				p = newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithMaxUses(2), h.trace())
				var users sync.WaitGroup
				for range 5 { // of three connections the last is kept
					users.Go(func() {
						c, err := p.Get(context.Background(), "tcp", "hub:80")
						if assert.NoError(t, err) {
							time.Sleep(time.Second)
							c.Release()
						}
					})
				}
				users.Wait()
				await(t, h.returned)
				assert.NoError(t, err, "the hook waited for what only its own return could bring")
			})
		})
	}
}

// stuckConn is a connection whose Close hangs.
type stuckConn struct {
	net.Conn
	closing chan struct{} // closed when Close has been called
	free    chan struct{} // lets it return
}

func (c *stuckConn) Close() error {
	close(c.closing)
	<-c.free
	return nil
}

// stuckDialer makes the first connection to "stuck:80" a stuckConn.
type stuckDialer struct {
	peers
	first *stuckConn
}

func (d *stuckDialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.peers.Dial(ctx, network, address)
	if address == "stuck:80" && d.first == nil {
		d.first = &stuckConn{Conn: c, closing: make(chan struct{}), free: make(chan struct{})}
		return d.first, nil
	}
	return c, err
}

// One hanging Close under the lock stops everything (golang/go#79902).
func TestP11_AHangingCloseHoldsUpNobody(t *testing.T) {
	// Each closes the connection; the rest of the pool must go on.
	ways := map[string]func(t *testing.T, p *ttlpool.Pool, stuck *ttlpool.Conn){
		"CloseIdle": func(_ *testing.T, p *ttlpool.Pool, stuck *ttlpool.Conn) {
			stuck.Release()
			p.CloseIdle()
		},
		"the reaper": func(_ *testing.T, _ *ttlpool.Pool, stuck *ttlpool.Conn) {
			stuck.Release()
			time.Sleep(10 * time.Second)
		},
		"its return, too late": func(_ *testing.T, _ *ttlpool.Pool, stuck *ttlpool.Conn) {
			time.Sleep(10 * time.Second)
			stuck.Release()
		},
		"one idle connection too many": func(t *testing.T, p *ttlpool.Pool, stuck *ttlpool.Conn) {
			stuck.Release()
			for _, address := range []string{"a:80", "b:80"} {
				time.Sleep(time.Millisecond)
				use(t, p, address) // idle for less long
			}
		},
		"its holder": func(_ *testing.T, _ *ttlpool.Pool, stuck *ttlpool.Conn) { go stuck.Close() },
	}
	for name, closeIt := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d stuckDialer
				p := newTestPool(t, d.Dial, ttlpool.WithTTL(10*time.Second), ttlpool.WithMaxIdle(2), ttlpool.WithMaxConnsPerHost(1))
				stuck := mustGet(t, p, "stuck:80")
				defer func() { close(d.first.free) }()
				waiter := startGet(t, p, "stuck:80")
				if name != "its holder" && name != "its return, too late" {
					waiter.cancel(nil) // or it would get the connection
					require.Error(t, waiter.failed(t))
				}
				goesOn(t, func() { closeIt(t, p, stuck) })
				await(t, d.first.closing)
				if waiter.err == nil {
					waiter.got(t).Release() // its dial did not wait for the Close
				}
				goesOn(t, func() { use(t, p, "stuck:80") })
				goesOn(t, func() { use(t, p, "other:80") })
				goesOn(t, p.CloseIdle)
				goesOn(t, func() {
					use(t, p, "other:80")
					time.Sleep(10 * time.Second)
				})
				assert.Zero(t, p.Stats().Open, "the reaper still sweeps")
				goesOn(t, func() { assert.NoError(t, p.Shutdown(t.Context())) })
				goesOn(t, func() { assert.NoError(t, p.Close()) })
			})
		})
	}
}

func TestP11_AHangingCloseDoesNotHoldUpTheClosingOfThePool(t *testing.T) {
	for name, end := range map[string]func(p *ttlpool.Pool) error{
		"Close":    (*ttlpool.Pool).Close,
		"Shutdown": func(p *ttlpool.Pool) error { return p.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d stuckDialer
				p := newTestPool(t, d.Dial)
				mustGet(t, p, "stuck:80").Release()
				mustGet(t, p, "other:80").Release()
				defer func() { close(d.first.free) }()
				goesOn(t, func() { assert.NoError(t, end(p)) })
				await(t, d.first.closing)
				assert.Equal(t, 1, d.open(), "all but the stuck one are closed")
			})
		})
	}
}

// use takes a connection and gives it back, in any goroutine.
func use(t *testing.T, p *ttlpool.Pool, address string) {
	t.Helper()
	if c, err := p.Get(t.Context(), "tcp", address); assert.NoError(t, err) {
		c.Release()
	}
}

// goesOn requires that f returns, which in a bubble needs no patience.
func goesOn(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		synctest.Wait()
	case <-time.After(time.Minute):
		require.FailNow(t, "it hangs")
	}
}

// A wrapper of a socket may do anything in its Close, although its socket can
// be seen through it.
func TestP11_AWrapperOfASocketIsNotTakenForASocket(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	wrapped := &stuckSocket{closing: make(chan struct{}), free: make(chan struct{})}
	p := newTestPool(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		wrapped.TCPConn = c.(*net.TCPConn)
		return wrapped, nil
	})
	mustGet(t, p, ln.Addr().String()).Release()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.CloseIdle()
	}()
	await(t, wrapped.closing)
	await(t, done)
	close(wrapped.free)
}

// stuckSocket is a socket with a Close of its own that hangs.
type stuckSocket struct {
	*net.TCPConn
	closing, free chan struct{}
}

func (s *stuckSocket) Close() error {
	close(s.closing)
	<-s.free
	return s.TCPConn.Close()
}
