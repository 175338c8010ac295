package ttlpool_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// newTestPool returns a pool that is closed at the end of the test.
func newTestPool(t testing.TB, dial ttlpool.DialFunc, opts ...ttlpool.PoolOption) *ttlpool.Pool {
	t.Helper()
	p, err := ttlpool.NewPool(dial, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func mustGet(t testing.TB, p *ttlpool.Pool, address string) *ttlpool.Conn {
	t.Helper()
	c, err := p.Get(t.Context(), "tcp", address)
	require.NoError(t, err)
	return c
}

// patience bounds what can only fail by never coming, outside of bubbles.
const patience = 20 * time.Second

// await waits until ch is closed.
func await(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		require.FailNow(t, "it never came")
	}
}

// peers is a dial function over connections in memory. It remembers them.
type peers struct {
	mu    sync.Mutex
	conns []*peerConn
}

// peerConn is a connection as the pool gets it, with what its peer needs.
type peerConn struct {
	*memConn
	address string
	server  *memConn // the peer's end
	closed  chan struct{}
	once    sync.Once
}

func (c *peerConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.memConn.Close()
}

func (c *peerConn) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

func (p *peers) Dial(_ context.Context, _, address string) (net.Conn, error) {
	client, server := memPipe("client", address)
	c := &peerConn{memConn: client, address: address, server: server, closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	return c, nil
}

func (p *peers) all() []*peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.conns)
}

func (p *peers) dials() int { return len(p.all()) }

// open counts the connections that have not been closed.
func (p *peers) open() (n int) {
	for _, c := range p.all() {
		if !c.isClosed() {
			n++
		}
	}
	return n
}

// peerOf returns what a connection of the pool wraps.
func peerOf(c *ttlpool.Conn) *peerConn { return c.NetConn().(*peerConn) }

// exchange runs one exchange over a connection in memory: a request to its
// peer, and the answer.
func exchange(t testing.TB, c *ttlpool.Conn) {
	t.Helper()
	var buf [4]byte
	_, err := c.Write([]byte("ping"))
	require.NoError(t, err)
	_, err = peerOf(c).server.Read(buf[:])
	require.NoError(t, err)
	_, err = peerOf(c).server.Write([]byte("pong"))
	require.NoError(t, err)
	_, err = c.Read(buf[:])
	require.NoError(t, err)
}

// gate is a dial function whose dials wait until the test tells what comes of
// them. They ignore their context unless obeys is set.
type gate struct {
	peers
	obeys bool

	mu      sync.Mutex
	waiting []*gatedDial // first come first
}

type gatedDial struct {
	gate    *gate
	ctx     context.Context
	address string
	outcome chan func() (net.Conn, error)
}

func (g *gate) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	d := &gatedDial{gate: g, ctx: ctx, address: address, outcome: make(chan func() (net.Conn, error), 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, d)
	g.mu.Unlock()
	var gaveUp <-chan struct{}
	if g.obeys {
		gaveUp = ctx.Done()
	}
	select {
	case outcome := <-d.outcome:
		return outcome()
	case <-gaveUp:
		return nil, ctx.Err()
	}
}

// pending returns how many dials have begun and not been told their outcome.
func (g *gate) pending() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// next returns the dial that began first of those that wait.
func (g *gate) next(t testing.TB) *gatedDial {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	require.NotEmpty(t, g.waiting, "no dial has begun")
	d := g.waiting[0]
	g.waiting = g.waiting[1:]
	return d
}

func (d *gatedDial) succeed() {
	d.outcome <- func() (net.Conn, error) { return d.gate.peers.Dial(d.ctx, "tcp", d.address) }
}

func (d *gatedDial) fail(err error) {
	d.outcome <- func() (net.Conn, error) { return nil, err }
}

// call is a Get in progress, in a goroutine of its own.
type call struct {
	cancel   context.CancelCauseFunc
	done     chan struct{}
	conn     *ttlpool.Conn
	err      error
	panicked any
	took     time.Duration
}

// startGet starts a Get and, in a bubble, lets it get as far as it can, so that
// calls queue in the order in which they were started.
func startGet(t testing.TB, p *ttlpool.Pool, address string) *call {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &call{cancel: cancel, done: make(chan struct{})}
	begun := time.Now()
	go func() {
		defer close(c.done)
		defer cancel(nil)
		defer func() {
			c.panicked = recover()
			c.took = time.Since(begun)
		}()
		c.conn, c.err = p.Get(ctx, "tcp", address)
	}()
	synctest.Wait()
	return c
}

func (c *call) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// wait returns what Get has returned.
func (c *call) wait() (*ttlpool.Conn, error) {
	<-c.done
	return c.conn, c.err
}

// got requires that Get has returned a connection.
func (c *call) got(t testing.TB) *ttlpool.Conn {
	t.Helper()
	synctest.Wait()
	require.True(t, c.finished(), "Get still waits")
	require.NoError(t, c.err)
	require.NotNil(t, c.conn)
	return c.conn
}

// failed requires that Get has returned an error.
func (c *call) failed(t testing.TB) error {
	t.Helper()
	synctest.Wait()
	require.True(t, c.finished(), "Get still waits")
	require.Error(t, c.err)
	return c.err
}
