package ttlpool

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The kernel's own opinion comes late, but it is the same.
func TestTheKernelsTimeoutIsABlackHoleToo(t *testing.T) {
	kernels := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
	assert.ErrorIs(t, &ExchangeError{Err: kernels}, ErrBlackHole)
	assert.ErrorIs(t, &ExchangeError{Err: kernels}, syscall.ETIMEDOUT)
	for _, other := range []error{os.ErrDeadlineExceeded, syscall.ECONNRESET, context.DeadlineExceeded} {
		assert.False(t, errors.Is(&ExchangeError{Err: other}, ErrBlackHole), other)
	}
}

func TestTheShortestBlackHoleTimeoutSetsThePace(t *testing.T) {
	pace := func(opts ...PoolOption) time.Duration {
		p, err := NewPool(nil, opts...)
		require.NoError(t, err)
		defer p.Close()
		return p.lookout.every
	}
	assert.Equal(t, 7500*time.Millisecond, pace())
	assert.Equal(t, time.Second, pace(WithHost("hub", WithBlackHoleTimeout(4*time.Second)), WithHost("ci", WithBlackHoleTimeout(0))))
	assert.Equal(t, time.Second, pace(WithBlackHoleTimeout(0), WithHost("hub", WithBlackHoleTimeout(4*time.Second))))
	assert.Zero(t, pace(WithBlackHoleTimeout(0)))
	assert.Equal(t, time.Millisecond, pace(WithBlackHoleTimeout(1)), "a quarter of that is nothing, and not off")
}

// What lies on the way has forgotten those that were idle for as long, too.
func TestTheSiblingsOfAForgottenConnectionGo(t *testing.T) {
	for _, row := range []struct {
		name      string
		blackHole bool
		idle      time.Duration // of the one that failed
		left      int           // of those that are idle for a minute, half a minute, and no time
	}{
		{"a black hole after a minute", true, time.Minute, 2},
		{"a black hole after half a minute", true, forgetful, 1},
		{"a black hole that had just been used", true, time.Second, 3},
		{"a hang-up", false, time.Minute, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := NewPool(func(context.Context, string, string) (net.Conn, error) {
					c, _ := net.Pipe()
					return c, nil
				})
				require.NoError(t, err)
				defer p.Close()
				conns := make([]*Conn, 4)
				for i := range conns {
					conns[i], err = p.Get(t.Context(), "tcp", "hub:80")
					require.NoError(t, err)
				}
				put := func(c *Conn) {
					c.arrival.noteWrite(readClocks()) // as if it had been used
					c.Release()
				}
				put(conns[0])
				time.Sleep(forgetful)
				put(conns[1])
				time.Sleep(forgetful)
				put(conns[2])
				p.checkSiblings(lease{conn: conns[3], idle: row.idle}, row.blackHole)
				assert.Equal(t, row.left, p.Stats().Idle)
			})
		})
	}
}
