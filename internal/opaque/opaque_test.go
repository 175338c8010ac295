package opaque

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// bare is a connection of which nothing but Read, Write and Close may be asked:
// the rest is a nil dereference.
type bare struct {
	net.Conn
	inner net.Conn
}

func (b bare) Read(p []byte) (int, error)  { return b.inner.Read(p) }
func (b bare) Write(p []byte) (int, error) { return b.inner.Write(p) }
func (b bare) Close() error                { return b.inner.Close() }

// pipe returns an opaque end and its peer.
func pipe() (*Conn, net.Conn) {
	ours, peer := net.Pipe()
	return New(bare{inner: ours}, 0), peer
}

// named is bare with addresses, which nettest asks for.
type named struct{ bare }

func (n named) LocalAddr() net.Addr  { return n.inner.LocalAddr() }
func (n named) RemoteAddr() net.Addr { return n.inner.RemoteAddr() }

func TestItIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		one, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return nil, nil, nil, err
		}
		other, err := l.Accept()
		if err != nil {
			one.Close()
			return nil, nil, nil, err
		}
		c1, c2 := New(named{bare{inner: one}}, 0), New(named{bare{inner: other}}, 0)
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}

func TestADeadlineEndsCallsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe()
		defer peer.Close()
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Second)))
		began := time.Now()
		_, err := c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = c.Write([]byte("x"))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestADeadlineInThePastEndsACallInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe()
		defer peer.Close()
		defer c.Close()
		ended := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, c.SetReadDeadline(time.Unix(1, 0)))
		assert.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
	})
}

func TestWhatComesAfterADeadlineIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe()
		defer peer.Close()
		defer c.Close()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		_, err = peer.Write([]byte("late")) // taken by the call that was left behind
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Time{}))
		var buf [4]byte
		_, err = io.ReadFull(c, buf[:])
		require.NoError(t, err)
		assert.Equal(t, "late", string(buf[:]))
	})
}

// slow is a connection whose Writes take their time.
type slow struct {
	net.Conn
	writing atomic.Int32
	got     bytes.Buffer
	mixed   atomic.Bool
}

const writeTakes = time.Minute

func (s *slow) Write(p []byte) (int, error) {
	if s.writing.Add(1) > 1 {
		s.mixed.Store(true)
	}
	defer s.writing.Add(-1)
	time.Sleep(writeTakes)
	return s.got.Write(p)
}

func TestAWriteWaitsForTheOneThatADeadlineLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &slow{}
		c := New(peer, 0)
		begun := time.Now()
		write := func(text string, within time.Duration) error {
			require.NoError(t, c.SetWriteDeadline(time.Now().Add(within)))
			_, err := io.WriteString(c, text)
			return err
		}
		assert.ErrorIs(t, write("left behind", time.Second), os.ErrDeadlineExceeded)
		assert.ErrorIs(t, write("never begun", time.Second), os.ErrDeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(begun), "it waits for no longer than its deadline")
		assert.NoError(t, write(", and after", time.Hour))
		assert.Equal(t, 2*writeTakes, time.Since(begun))
		assert.Equal(t, "left behind, and after", peer.got.String())
		assert.False(t, peer.mixed.Load())
	})
}

func TestAMovedDeadlineCountsFromItsNewTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe()
		defer peer.Close()
		defer c.Close()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Second)))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		began := time.Now()
		_, err := c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

func TestThePeerIsHeardWhileNobodyReads(t *testing.T) {
	for _, row := range []struct {
		name           string
		act            func(peer net.Conn)
		pending, ended bool
	}{
		{"bytes", func(peer net.Conn) { _, _ = peer.Write([]byte("x")) }, true, false},
		{"the end", func(peer net.Conn) { _ = peer.Close() }, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipe()
				defer peer.Close()
				defer c.Close()
				heard := 0
				c.Listen(func() { heard++ })
				synctest.Wait()
				pending, end := c.Heard()
				assert.False(t, pending || end != nil)
				row.act(peer)
				synctest.Wait()
				pending, end = c.Heard()
				assert.Equal(t, []any{row.pending, row.ended, 1}, []any{pending, end != nil, heard})
			})
		})
	}
}

func TestWhoeverReadsEndsTheListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipe()
		defer peer.Close()
		defer c.Close()
		c.Listen(func() { t.Error("heard although somebody reads") })
		read := make(chan string)
		go func() {
			var buf [1]byte
			_, _ = c.Read(buf[:])
			read <- string(buf[:])
		}()
		synctest.Wait()
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		assert.Equal(t, "x", <-read)
	})
}

func TestClosingLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which ends only if all goroutines do
		c, peer := pipe()
		defer peer.Close()
		c.Listen(func() {})
		require.NoError(t, c.Close())
		_, err := c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

// deaf is a connection whose calls end when the test does, and not before.
type deaf struct {
	net.Conn
	over chan struct{}
}

func (d deaf) Read([]byte) (int, error)  { <-d.over; return 0, io.EOF }
func (d deaf) Write([]byte) (int, error) { <-d.over; return 0, io.EOF }
func (d deaf) Close() error              { <-d.over; return nil }

func TestCloseEndsCallsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deaf{over: make(chan struct{})}
		defer close(d.over)
		c := New(d, 0)
		ended := make(chan error)
		read := func() { _, err := c.Read(make([]byte, 1)); ended <- err }
		write := func() { _, err := c.Write([]byte("x")); ended <- err }
		go read()
		go write()
		go write() // waits for the other
		synctest.Wait()
		go c.Close()
		go c.Close() // again
		for range 3 {
			assert.ErrorIs(t, <-ended, net.ErrClosed)
		}
		go read() // too late
		go write()
		for range 2 {
			assert.ErrorIs(t, <-ended, net.ErrClosed)
		}
	})
}

// readLimited is a connection that sets itself a deadline in each Read.
type readLimited struct{ net.Conn }

const readLimit = 10 * time.Second

func (c readLimited) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(readLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// What the connection allows a Read, it allows the one that asks, and not the one
// that was begun while nobody did.
func TestAReadHasTheConnectionsOwnDeadlineToItself(t *testing.T) {
	for _, row := range []struct {
		name   string
		begins time.Duration // after the listening
		says   time.Duration // when the peer does; 0: never
		want   time.Duration // when the Read returns
	}{
		{"the listening's passes while it waits", readLimit - time.Second, readLimit + time.Second, readLimit + time.Second},
		{"the listening's has passed before", readLimit + time.Second, readLimit + 2*time.Second, readLimit + 2*time.Second},
		{"its own passes", readLimit - time.Second, 0, 2 * readLimit},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, peer := net.Pipe()
				defer peer.Close()
				c := New(readLimited{ours}, 0)
				defer c.Close()
				begun := time.Now()
				c.Listen(func() {})
				if row.says > 0 {
					time.AfterFunc(row.says, func() { _, _ = peer.Write([]byte("x")) })
				}
				time.Sleep(row.begins)
				n, err := c.Read(make([]byte, 1))
				if row.says > 0 {
					assert.NoError(t, err)
					assert.Equal(t, 1, n)
				} else {
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				}
				assert.Equal(t, row.want, time.Since(begun))
			})
		})
	}
}

// gone is a connection whose peer has not answered the kernel's probes. The kernel
// says so once, and then that all has ended.
type gone struct {
	net.Conn
	told bool
}

func (g *gone) Read([]byte) (int, error) {
	if g.told {
		return 0, io.EOF
	}
	g.told = true
	return 0, &net.OpError{Op: "read", Err: syscall.ETIMEDOUT}
}

func TestTheKernelsTimeoutIsNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(&gone{}, 0)
		c.Listen(func() {})
		synctest.Wait()
		_, err := c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ETIMEDOUT)
	})
}
