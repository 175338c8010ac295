package ttlpool_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestConnMayBeClosedTwiceAndConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network peers
		p := newTestPool(t, network.Dial)
		c := mustGet(t, p, "hub:80")
		var closers sync.WaitGroup
		for range 20 {
			closers.Go(func() { assert.NoError(t, c.Close()) })
		}
		closers.Wait()
		assert.NoError(t, c.Close())
		assert.True(t, peerOf(c).isClosed())
		assert.EqualValues(t, 1, p.Stats().Closed[ttlpool.ClosedByHolder])
		assert.Zero(t, p.Stats().Open)
		_, err := c.Write([]byte("x"))
		assert.ErrorIs(t, err, net.ErrClosed)
		_, err = c.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

// So that a deferred Release is right after Close too.
func TestReleaseAfterCloseDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		c := mustGet(t, p, "hub:80")
		require.NoError(t, c.Close())
		for range 3 {
			c.Release()
		}
		assert.Equal(t, ttlpool.ClosedByHolder, c.Info().Closed)
		assert.Zero(t, p.Stats().Idle)
		assert.NotSame(t, c, mustGet(t, p, "hub:80"))
	})
}

func TestReleaseTwicePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		c := mustGet(t, p, "hub:80")
		c.Release()
		assert.PanicsWithValue(t, "ttlpool: Release of a connection that is not checked out", c.Release)
		assert.Same(t, c, mustGet(t, p, "hub:80"), "the pool is none the worse")
	})
}

func TestAnIdleConnectionMayBeClosedByItsFormerHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		c := mustGet(t, p, "hub:80")
		c.Release()
		require.NoError(t, c.Close())
		assert.Zero(t, p.Stats().Idle)
		assert.NotSame(t, c, mustGet(t, p, "hub:80"))
	})
}

// A deadline left set fails the next user's exchange, and makes a look at the
// connection lie (go-sql-driver/mysql#963).
func TestDeadlinesAreTakenOffOnRelease(t *testing.T) {
	for name, set := range map[string]func(*ttlpool.Conn, time.Time) error{
		"both":  (*ttlpool.Conn).SetDeadline,
		"read":  (*ttlpool.Conn).SetReadDeadline,
		"write": (*ttlpool.Conn).SetWriteDeadline,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				p := newTestPool(t, net.Dial)
				c := mustGet(t, p, "hub:80")
				require.NoError(t, set(c, time.Now().Add(time.Second)))
				c.Release()
				c = mustGet(t, p, "hub:80")
				time.Sleep(time.Minute)
				exchange(t, c)
			})
		})
	}
}

// An expired deadline does not make a live socket look dead, nor a dead one
// alive.
func TestAnExpiredDeadlineDoesNotConfuseTheNextCheckout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p := newTestPool(t, nil)
	c := mustGet(t, p, ln.Addr().String())
	require.NoError(t, c.SetDeadline(time.Unix(1, 0)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	c.Release()
	assert.Same(t, c, mustGet(t, p, ln.Addr().String()))
	_, err = c.Write([]byte("x"))
	assert.NoError(t, err)
}

func TestConnKnowsItsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		born := time.Now()
		c := mustGet(t, p, "hub:80")
		assert.Equal(t, ttlpool.ConnInfo{
			Network: "tcp", Address: "hub:80", Born: time.Unix(0, born.UnixNano()),
			LastUse: time.Unix(0, born.UnixNano()), Leases: 1,
		}, c.Info())

		time.Sleep(3 * time.Second)
		exchange(t, c)
		used := time.Now()
		time.Sleep(2 * time.Second)
		c.Release()
		time.Sleep(5 * time.Second)
		want := ttlpool.ConnInfo{
			Network: "tcp", Address: "hub:80", Born: time.Unix(0, born.UnixNano()), Age: 10 * time.Second,
			LastUse: time.Unix(0, used.UnixNano()), Idle: 7 * time.Second,
			Uses: 1, Read: 4, Written: 4,
		}
		assert.Equal(t, want, c.Info())

		c = mustGet(t, p, "hub:80")
		time.Sleep(time.Second)
		want.Age, want.Leases = 11*time.Second, 1
		assert.Equal(t, want, c.Info(), "idle is how long it was idle before this use")
		exchange(t, c)
		require.NoError(t, c.Close())
		info := c.Info()
		assert.EqualValues(t, 8, info.Read)
		assert.EqualValues(t, 8, info.Written)
		assert.Equal(t, ttlpool.ClosedByHolder, info.Closed)
	})
}

func TestConnShowsWhatItWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		c := mustGet(t, p, "hub:80")
		assert.Same(t, net.all()[0], c.NetConn())
		assert.Equal(t, "client", c.LocalAddr().String())
		assert.Equal(t, "hub:80", c.RemoteAddr().String())
	})
}

func TestReadFromCountsWhatItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		c := mustGet(t, p, "hub:80")
		n, err := io.Copy(c, bytes.NewReader(make([]byte, 1000)))
		require.NoError(t, err)
		assert.EqualValues(t, 1000, n)
		assert.EqualValues(t, 1000, c.Info().Written)
	})
}

// The peer's clock starts with its answer. When the source of the request ends
// does not matter to it.
func TestTheIdleClockDoesNotWaitForTheEndOfReadFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(10*time.Second))
		c := mustGet(t, p, "hub:80")
		source, request := io.Pipe()
		copied := make(chan struct{})
		go func() {
			defer close(copied)
			_, _ = io.Copy(c, source)
		}()
		_, err := request.Write([]byte("ping"))
		require.NoError(t, err)
		synctest.Wait()
		_, err = peerOf(c).server.Write([]byte("pong")) // the answer is there at once
		require.NoError(t, err)
		time.Sleep(6 * time.Second)
		require.NoError(t, request.Close())
		<-copied
		_, err = c.Read(make([]byte, 4))
		require.NoError(t, err)
		c.Release()
		assert.GreaterOrEqual(t, c.Info().Idle, 6*time.Second)
	})
}

// Idle time starts when the last byte arrives, not when a slow reader gets
// round to it; and not before.
func TestAConnsIdleTimeCountsFromTheArrivalOfTheLastByte(t *testing.T) {
	tests := []struct {
		name string
		read func(t *testing.T, c *ttlpool.Conn)
		idle time.Duration
	}{
		{"a reader that waits for it", func(t *testing.T, c *ttlpool.Conn) {
			time.AfterFunc(3*time.Second, func() { _, _ = peerOf(c).server.Write([]byte("pong")) })
			_, err := c.Read(make([]byte, 4))
			require.NoError(t, err)
		}, 0},
		{"a reader that comes late", func(t *testing.T, c *ttlpool.Conn) {
			_, _ = peerOf(c).server.Write([]byte("pong"))
			time.Sleep(3 * time.Second)
			_, err := c.Read(make([]byte, 4))
			require.NoError(t, err)
		}, 3 * time.Second},
		{"a reader that takes its time", func(t *testing.T, c *ttlpool.Conn) {
			_, _ = peerOf(c).server.Write([]byte("pong"))
			for range 4 {
				time.Sleep(time.Second)
				_, err := c.Read(make([]byte, 1))
				require.NoError(t, err)
			}
		}, 4 * time.Second},
		{"a holder that does nothing with it afterwards", func(t *testing.T, c *ttlpool.Conn) {
			_, _ = peerOf(c).server.Write([]byte("pong"))
			_, err := c.Read(make([]byte, 4))
			require.NoError(t, err)
			time.Sleep(5 * time.Second)
		}, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				p := newTestPool(t, net.Dial)
				c := mustGet(t, p, "hub:80")
				time.Sleep(time.Minute) // between the dial and the request
				_, err := c.Write([]byte("ping"))
				require.NoError(t, err)
				tt.read(t, c)
				c.Release()
				assert.Equal(t, tt.idle, c.Info().Idle)
			})
		})
	}
}

// The idle clock stopped before the first byte was written (varnish#3633): a
// connection that was taken and not used is as old as before.
func TestTakingAConnectionWithoutUsingItDoesNotMakeItYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(10*time.Second))
		c := mustGet(t, p, "hub:80")
		exchange(t, c)
		for range 9 {
			c.Release()
			time.Sleep(time.Second)
			require.Same(t, c, mustGet(t, p, "hub:80"))
		}
		c.Release()
		assert.Equal(t, 9*time.Second, c.Info().Idle)
		time.Sleep(time.Second)
		assert.Equal(t, ttlpool.ClosedTTL, c.Info().Closed)
	})
}

func TestAConnectionWhoseWritingSideWasClosedIsNotReused(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		t.Run(fmt.Sprintf("somebody waits: %v", waiting), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
				c := mustGet(t, p, "hub:80")
				exchange(t, c)
				require.NoError(t, c.CloseWrite())
				var next *call
				if waiting {
					next = startGet(t, p, "hub:80")
				}
				c.Release()
				assert.Equal(t, ttlpool.ClosedByHolder, c.Info().Closed)
				if !waiting {
					next = startGet(t, p, "hub:80")
				}
				exchange(t, next.got(t))
			})
		})
	}
}

func TestReleaseTakesOffTheDeadlinesOfTheWrappedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		for range 2 {
			c := mustGet(t, p, "hub:80")
			exchange(t, c)
			require.NoError(t, c.NetConn().SetDeadline(time.Unix(1, 0)))
			c.Release()
		}
		assert.Equal(t, 1, net.dials())
	})
}
