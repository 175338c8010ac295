//go:build unix

package ttlpool_test

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"golang.org/x/sys/unix"
)

// loopback is a listener on loopback and a pool of connections to it.
type loopback struct {
	net.Listener
	pool    *ttlpool.Pool
	address string
}

func newLoopback(t *testing.T, opts ...ttlpool.PoolOption) *loopback {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return &loopback{ln, newTestPool(t, nil, opts...), ln.Addr().String()}
}

// dial makes a connection, and returns both ends.
func (l *loopback) dial(t *testing.T) (client *ttlpool.Conn, peer *net.TCPConn) {
	t.Helper()
	client = mustGet(t, l.pool, l.address)
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = accepted.Close() })
	return client, accepted.(*net.TCPConn)
}

// awaitReadable waits until the kernel has something to tell about a
// connection: bytes, or its end. The pool may have been told before, and have
// closed it.
func awaitReadable(t *testing.T, c *ttlpool.Conn) {
	t.Helper()
	inner := c.NetConn()
	if secure, ok := inner.(*tls.Conn); ok {
		inner = secure.NetConn()
	}
	socket, err := inner.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	err = socket.Control(func(fd uintptr) {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(ready, int(patience/time.Millisecond))
			if err == unix.EINTR {
				continue
			}
			assert.NoError(t, err)
			assert.Equal(t, 1, n, "nothing came")
			return
		}
	})
	if err != nil {
		require.ErrorIs(t, err, net.ErrClosed)
	}
}

// what a peer may do to an idle connection.
var misdeeds = []struct {
	name    string
	do      func(t *testing.T, peer *net.TCPConn)
	reasons []ttlpool.CloseReason // any of them is true
}{
	{"closes", func(t *testing.T, peer *net.TCPConn) {
		require.NoError(t, peer.Close())
	}, []ttlpool.CloseReason{ttlpool.ClosedHungUp}},
	{"closes one direction", func(t *testing.T, peer *net.TCPConn) {
		require.NoError(t, peer.CloseWrite())
	}, []ttlpool.CloseReason{ttlpool.ClosedHungUp}},
	{"resets", func(t *testing.T, peer *net.TCPConn) {
		require.NoError(t, peer.SetLinger(0))
		require.NoError(t, peer.Close())
	}, []ttlpool.CloseReason{ttlpool.ClosedHungUp}},
	{"sends stray bytes", func(t *testing.T, peer *net.TCPConn) {
		_, err := peer.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"))
		require.NoError(t, err)
	}, []ttlpool.CloseReason{ttlpool.ClosedStrayBytes}},
	{"sends stray bytes and closes", func(t *testing.T, peer *net.TCPConn) {
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, peer.Close())
	}, []ttlpool.CloseReason{ttlpool.ClosedStrayBytes, ttlpool.ClosedHungUp}},
}

// Stray bytes on an idle connection are never an answer to the next request
// (golang/go#32310); a connection that the peer has closed is none.
func TestP6_ADeadIdleConnectionIsNeverHandedOut(t *testing.T) {
	for _, tt := range misdeeds {
		t.Run("a peer that "+tt.name, func(t *testing.T) {
			l := newLoopback(t)
			c, peer := l.dial(t)
			c.Release()
			tt.do(t, peer)
			awaitReadable(t, c)
			fresh, _ := l.dial(t)
			assert.NotSame(t, c, fresh)
			reason := c.Info().Closed
			assert.Contains(t, tt.reasons, reason)
			assert.Eventually(t, func() bool { return l.pool.Stats().Closed[reason] == 1 }, 10*time.Second, time.Millisecond,
				"the watch may still be closing it")
			assert.Equal(t, 1, l.pool.Stats().Open)
			assert.Zero(t, l.pool.Stats().Reuses)
		})
	}
}

// Bytes that came while the connection was in use and were not read.
func TestP6_AConnectionGivenBackWithUnreadBytesIsNotUsedAgain(t *testing.T) {
	l := newLoopback(t)
	c, peer := l.dial(t)
	_, err := peer.Write([]byte("answer and more"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, len("answer")))
	require.NoError(t, err)
	awaitReadable(t, c)
	c.Release()
	fresh, _ := l.dial(t)
	assert.NotSame(t, c, fresh)
	assert.Equal(t, ttlpool.ClosedStrayBytes, c.Info().Closed)
}

// A pool full of dead connections: all are looked at, none is handed out, and
// one dial serves the request.
func TestP6_ManyDeadConnectionsCostOneDial(t *testing.T) {
	l := newLoopback(t)
	var conns []*ttlpool.Conn
	var ends []*net.TCPConn
	for range 20 {
		c, peer := l.dial(t)
		conns, ends = append(conns, c), append(ends, peer)
	}
	for _, c := range conns {
		c.Release()
	}
	for _, peer := range ends {
		require.NoError(t, peer.Close())
	}
	for _, c := range conns {
		awaitReadable(t, c)
	}
	before := l.pool.Stats().Dials
	fresh, _ := l.dial(t)
	assert.False(t, slices.Contains(conns, fresh))
	assert.Equal(t, before+1, l.pool.Stats().Dials)
	assert.EqualValues(t, 20, l.pool.Stats().Closed[ttlpool.ClosedHungUp])
}

// A live one among the dead is found: the pool is not thrown away.
func TestP6_ALiveConnectionBehindDeadOnesIsUsed(t *testing.T) {
	l := newLoopback(t)
	live, _ := l.dial(t)
	dead, peer := l.dial(t)
	live.Release()
	dead.Release() // last in, first out
	require.NoError(t, peer.Close())
	awaitReadable(t, dead)
	assert.Same(t, live, mustGet(t, l.pool, l.address))
	assert.Equal(t, ttlpool.ClosedHungUp, dead.Info().Closed)
	assert.EqualValues(t, 2, l.pool.Stats().Dials)
}

// A waiter that is handed a dead connection gets another in its place, before
// those who came after it; the limit holds.
func TestP10_AWaiterThatIsHandedADeadConnectionKeepsItsTurn(t *testing.T) {
	for range 20 {
		l := newLoopback(t, ttlpool.WithMaxConnsPerHost(1))
		c, peer := l.dial(t)
		served := make(chan int, 2)
		for i := range 2 {
			before := l.pool.Stats().Waits
			go func() {
				conn, err := l.pool.Get(t.Context(), "tcp", l.address)
				served <- i
				if assert.NoError(t, err) {
					assert.NotSame(t, c, conn)
					conn.Release()
				}
			}()
			assert.Eventually(t, func() bool {
				return l.pool.Stats().Waits > before && l.pool.Stats().Waiting == i+1
			}, patience, time.Millisecond)
		}
		require.NoError(t, peer.Close())
		awaitReadable(t, c)
		c.Release()
		assert.Equal(t, 0, <-served)
		assert.Equal(t, 1, <-served)
		assert.EqualValues(t, 2, l.pool.Stats().Dials)
		require.NoError(t, l.pool.Shutdown(t.Context()))
	}
}

// RawConn.Read would wait for its turn behind whoever is reading.
func TestALookAtAConnectionDoesNotWaitForAReaderThatWasLeftBehind(t *testing.T) {
	l := newLoopback(t)
	c, peer := l.dial(t)
	reading := make(chan struct{})
	left := make(chan struct{})
	go func() {
		defer close(left)
		close(reading)
		_, _ = c.Read(make([]byte, 1))
	}()
	await(t, reading)
	c.Release()
	got := make(chan struct{})
	go func() {
		defer close(got)
		again, err := l.pool.Get(t.Context(), "tcp", l.address)
		assert.NoError(t, err)
		assert.Same(t, c, again)
	}()
	await(t, got)
	require.NoError(t, peer.Close())
	await(t, left)
}

func TestAHolderSeesWhatHappensToItsConnection(t *testing.T) {
	l := newLoopback(t)
	c, peer := l.dial(t)
	require.NoError(t, peer.SetLinger(0))
	require.NoError(t, peer.Close())
	_, err := c.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ECONNRESET)
}
