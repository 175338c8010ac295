package ttlpool_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// Each of these runs in a bubble, which fails if a goroutine is left at its
// end.

func TestP8_AfterCloseNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net gate
		net.obeys = true
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Minute), ttlpool.WithMaxConnsPerHost(3))
		idleCall, usedCall := startGet(t, p, "hub:80"), startGet(t, p, "hub:80")
		net.next(t).succeed()
		net.next(t).succeed()
		idle, used := idleCall.got(t), usedCall.got(t)
		idle.Release()
		busy := startGet(t, p, "hub:80").got(t)
		dialling, waiting := startGet(t, p, "hub:80"), startGet(t, p, "hub:80")
		elsewhere := startGet(t, p, "other:80")
		spare := startGet(t, p, "third:80") // leaves its dial behind
		spare.cancel(errors.New("no longer needed"))
		require.Error(t, spare.failed(t))

		reader := make(chan error, 1)
		go func() {
			_, err := used.Read(make([]byte, 1))
			reader <- err
		}()
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, p.Close())
		assert.ErrorIs(t, dialling.failed(t), ttlpool.ErrClosed)
		assert.ErrorIs(t, waiting.failed(t), ttlpool.ErrClosed)
		assert.ErrorIs(t, elsewhere.failed(t), ttlpool.ErrClosed)
		assert.Error(t, <-reader, "a connection in use is closed too")
		synctest.Wait()
		assert.Zero(t, time.Since(begun))
		assert.Zero(t, net.open())
		assert.False(t, p.TimerArmed())
		stats := p.Stats()
		assert.Zero(t, stats.Open+stats.Dialing+stats.Waiting)
		assert.Zero(t, p.Addresses())
		assert.EqualValues(t, 2, stats.Closed[ttlpool.ClosedPoolClosed])

		used.Release() // harmless
		busy.Release()
		require.NoError(t, busy.Close())
		assert.EqualValues(t, 2, p.Stats().Closed[ttlpool.ClosedPoolClosed])
	})
}

func TestP8_CloseMayBeRepeatedAndConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(time.Minute))
		for range 5 {
			defer mustGet(t, p, "hub:80").Release()
		}
		var closers sync.WaitGroup
		for range 20 {
			closers.Go(func() { assert.NoError(t, p.Close()) })
			closers.Go(func() { assert.NoError(t, p.Shutdown(t.Context())) })
			closers.Go(p.CloseIdle)
		}
		closers.Wait()
		assert.NoError(t, p.Close())
		synctest.Wait()
		assert.Zero(t, net.open())
		assert.EqualValues(t, 5, p.Stats().Closed[ttlpool.ClosedPoolClosed])
	})
}

func TestP8_GetAfterTheEndIsErrClosed(t *testing.T) {
	for name, end := range map[string]func(*ttlpool.Pool) error{
		"Close":    (*ttlpool.Pool).Close,
		"Shutdown": func(p *ttlpool.Pool) error { return p.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			var net peers
			p := newTestPool(t, net.Dial)
			c := mustGet(t, p, "hub:80")
			c.Release()
			require.NoError(t, end(p))
			for _, address := range []string{"hub:80", "new:80"} {
				_, err := p.Get(t.Context(), "tcp", address)
				assert.ErrorIs(t, err, ttlpool.ErrClosed)
			}
			assert.Equal(t, 1, net.dials())
		})
	}
}

func TestP8_AfterCloseIdleWithNothingInFlightNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net gate
		net.obeys = true
		p, err := ttlpool.NewPool(net.Dial, ttlpool.WithTTL(time.Minute))
		require.NoError(t, err)
		first := startGet(t, p, "hub:80")
		net.next(t).succeed()
		first.got(t).Release()
		cancelled := startGet(t, p, "other:80") // its dial goes on without it
		cancelled.cancel(nil)
		require.Error(t, cancelled.failed(t))
		assert.Equal(t, 1, p.Stats().Dialing)

		p.CloseIdle() // and no Close
		synctest.Wait()
		assert.Zero(t, net.open())
		assert.Zero(t, p.Stats().Dialing)
		assert.EqualValues(t, 1, p.Stats().Closed[ttlpool.ClosedCloseIdle])
	})
}

func TestCloseIdleClosesThoseInUseWhenTheyComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		a, b := mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80")
		p.CloseIdle()
		synctest.Wait()
		assert.Equal(t, 2, net.open(), "those in use are left alone")
		a.Release()
		assert.Equal(t, ttlpool.ClosedCloseIdle, a.Info().Closed)

		c := mustGet(t, p, "hub:80") // somebody needs connections again
		b.Release()
		c.Release()
		assert.Equal(t, 2, p.Stats().Idle)
	})
}

func TestP8_ACancelledGetReturnsAtOnce(t *testing.T) {
	cause := errors.New("the user has gone")
	stages := map[string]func(t *testing.T, net *gate, p *ttlpool.Pool) *call{
		"while its dial ignores the context": func(t *testing.T, _ *gate, p *ttlpool.Pool) *call {
			return startGet(t, p, "hub:80")
		},
		"while waiting for a place": func(t *testing.T, net *gate, p *ttlpool.Pool) *call {
			holder := startGet(t, p, "hub:80")
			net.next(t).succeed()
			holder.got(t)
			return startGet(t, p, "hub:80")
		},
	}
	for name, arrange := range stages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net gate
				p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
				c := arrange(t, &net, p)
				require.False(t, c.finished())
				time.Sleep(time.Second)
				c.cancel(cause)
				assert.Equal(t, cause, c.failed(t), "the context's cause as such")
				assert.Equal(t, time.Second, c.took)
				for net.pending() > 0 {
					net.next(t).succeed()
				}
			})
		})
	}
	t.Run("before it begins", func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := p.Get(ctx, "tcp", "hub:80")
		assert.Equal(t, cause, err)
		assert.Zero(t, net.dials())
		assert.Zero(t, p.Addresses())
	})
}

func TestP8_AConnectionThatComesTooLateIsPooledOrClosed(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, p *ttlpool.Pool) // what happens while the dial hangs
		idle   int
		closed ttlpool.CloseReason
	}{
		{"pooled", func(*testing.T, *ttlpool.Pool) {}, 1, ttlpool.NotClosed},
		{"closed after CloseIdle", func(_ *testing.T, p *ttlpool.Pool) { p.CloseIdle() }, 0, ttlpool.ClosedCloseIdle},
		{"closed after Close", func(t *testing.T, p *ttlpool.Pool) { require.NoError(t, p.Close()) }, 0, ttlpool.ClosedPoolClosed},
		{"closed after Shutdown", func(t *testing.T, p *ttlpool.Pool) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, p.Shutdown(ctx), context.DeadlineExceeded)
		}, 0, ttlpool.ClosedPoolClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net gate // ignores the context
				p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(1))
				c := startGet(t, p, "hub:80")
				c.cancel(nil)
				require.ErrorIs(t, c.failed(t), context.Canceled)
				tt.before(t, p)
				assert.Equal(t, 1, p.Stats().Dialing)
				net.next(t).succeed()
				synctest.Wait()
				stats := p.Stats()
				assert.Zero(t, stats.Dialing)
				assert.Equal(t, tt.idle, stats.Idle)
				assert.Equal(t, tt.idle, net.open())
				if tt.closed != ttlpool.NotClosed {
					assert.EqualValues(t, 1, stats.Closed[tt.closed])
				}
			})
		})
	}
}

func TestP8_TheContextOfADialEndsWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net gate
		p := newTestPool(t, net.Dial)
		c := startGet(t, p, "hub:80")
		dial := net.next(t)
		require.NoError(t, p.Close())
		assert.ErrorIs(t, c.failed(t), ttlpool.ErrClosed)
		assert.ErrorIs(t, dial.ctx.Err(), context.Canceled)
		dial.fail(dial.ctx.Err())
	})
}

func TestP8_EveryGetReturnsWhenThePoolIsClosedAtAnyMoment(t *testing.T) {
	for range 200 {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithMaxConnsPerHost(2), ttlpool.WithTTL(time.Minute))
		var users sync.WaitGroup
		for range 8 {
			users.Go(func() {
				for {
					c, err := p.Get(context.Background(), "tcp", "hub:80")
					if err != nil {
						assert.ErrorIs(t, err, ttlpool.ErrClosed)
						return
					}
					c.Release()
				}
			})
		}
		if c, err := p.Get(t.Context(), "tcp", "hub:80"); assert.NoError(t, err) {
			c.Release()
		}
		require.NoError(t, p.Close())
		users.Wait()
		stats := p.Stats()
		require.Zero(t, stats.Open+stats.Idle+stats.Waiting)
		for _, c := range net.all() {
			await(t, c.closed)
		}
		require.NoError(t, p.Shutdown(t.Context()))
	}
}

func TestCloseReportsTheErrorOfTheConnectionsOwnClose(t *testing.T) {
	broken := errors.New("the disk is full")
	p := newTestPool(t, func(context.Context, string, string) (net.Conn, error) { return failingClose{broken}, nil })
	c := mustGet(t, p, "hub:80")
	assert.Equal(t, broken, c.Close())
	assert.NoError(t, c.Close(), "only the first call can return an error")
	assert.NoError(t, p.Close())
}

// failingClose is a connection whose Close returns an error.
type failingClose struct{ err error }

func (failingClose) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (failingClose) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (c failingClose) Close() error                   { return c.err }
func (failingClose) LocalAddr() net.Addr              { return nil }
func (failingClose) RemoteAddr() net.Addr             { return nil }
func (failingClose) SetDeadline(time.Time) error      { return nil }
func (failingClose) SetReadDeadline(time.Time) error  { return nil }
func (failingClose) SetWriteDeadline(time.Time) error { return nil }

// deafConn is a connection whose Read ends when the test does, whatever is closed.
type deafConn struct {
	net.Conn
	over chan struct{}
}

func (d deafConn) Read([]byte) (int, error)    { <-d.over; return 0, io.EOF }
func (d deafConn) Write(p []byte) (int, error) { return len(p), nil }
func (d deafConn) Close() error                { return nil }

func TestP8_CloseEndsARequestWhoseConnectionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deafConn{over: make(chan struct{})}
		defer close(d.over)
		dial := func(context.Context, string, string) (net.Conn, error) { return d, nil }
		tr := newTransport(t, ttlpool.WithBase(&http.Transport{DialContext: dial}))
		ended := make(chan error)
		go func() {
			req, _ := http.NewRequest("GET", "http://hub/", nil)
			_, err := tr.RoundTrip(req)
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, tr.Close())
		assert.ErrorIs(t, <-ended, ttlpool.ErrClosed)
	})
}
