package ttlpool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestAConnectionGivenBackIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		first := mustGet(t, p, "hub:80")
		exchange(t, first)
		first.Release()
		second := mustGet(t, p, "hub:80")
		assert.Same(t, first, second)
		exchange(t, second)
		assert.Equal(t, 1, net.dials())
	})
}

func TestAConnectionInUseIsNotHandedOutTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		assert.NotSame(t, mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80"))
		assert.Equal(t, 2, net.dials())
	})
}

func TestConnectionsAreKeptByNetworkAndAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		type place struct{ network, address string }
		places := []place{{"tcp", "a:1"}, {"tcp", "a:2"}, {"tcp", "b:1"}, {"tcp6", "a:1"}}
		conns := make(map[place]*ttlpool.Conn)
		for _, at := range places {
			c, err := p.Get(t.Context(), at.network, at.address)
			require.NoError(t, err)
			c.Release()
			conns[at] = c
		}
		assert.Equal(t, len(places), net.dials())
		for _, at := range places {
			c, err := p.Get(t.Context(), at.network, at.address)
			require.NoError(t, err)
			assert.Same(t, conns[at], c)
			assert.Equal(t, at.network, c.Info().Network)
			assert.Equal(t, at.address, c.Info().Address)
		}
	})
}

// First in, first out would hand out the stalest connection first, and keep
// all of them alive for ever.
func TestTheConnectionUsedLastIsHandedOutFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		a, b, c := mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80")
		for _, conn := range []*ttlpool.Conn{b, c, a} {
			time.Sleep(time.Second)
			exchange(t, conn)
			conn.Release()
		}
		assert.Same(t, a, mustGet(t, p, "hub:80"))
		assert.Same(t, c, mustGet(t, p, "hub:80"))
		assert.Same(t, b, mustGet(t, p, "hub:80"))
	})
}

// The peer's clock counts from its last answer, whenever the connection was
// given back.
func TestAConnectionGivenBackLateIsNoFresherForThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		stale, fresh := mustGet(t, p, "hub:80"), mustGet(t, p, "hub:80")
		exchange(t, stale)
		time.Sleep(5 * time.Second)
		exchange(t, fresh)
		fresh.Release()
		time.Sleep(time.Second)
		stale.Release()
		assert.Same(t, fresh, mustGet(t, p, "hub:80"))
		assert.Same(t, stale, mustGet(t, p, "hub:80"))
	})
}

// What the pool keeps of an address is forgotten with its last connection, and
// made anew with the next, at any moment.
func TestAConnectionInUseIsAlwaysKnownToThePool(t *testing.T) {
	p := newTestPool(t, dialInert)
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 2000 {
				c, err := p.Get(context.Background(), "tcp", "hub:80")
				if !assert.NoError(t, err) {
					return
				}
				if !assert.Positive(t, p.Stats().Hosts["hub:80"].InUse) {
					return
				}
				_ = c.Close()
			}
		})
	}
	users.Wait()
	assert.Zero(t, p.Addresses())
}

// The rest of a burst is not used in turn: what is not needed runs out.
func TestConnectionsThatAreNotNeededRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial, ttlpool.WithTTL(10*time.Second))
		var burst []*ttlpool.Conn
		for range 5 {
			burst = append(burst, mustGet(t, p, "hub:80"))
		}
		for _, c := range burst {
			c.Release()
		}
		for range 12 {
			time.Sleep(time.Second)
			c := mustGet(t, p, "hub:80")
			exchange(t, c)
			c.Release()
		}
		assert.Equal(t, 1, p.Stats().Open)
		assert.EqualValues(t, 4, p.Stats().Closed[ttlpool.ClosedTTL])
	})
}

func TestADialThatNobodyNeedsAnyMoreBecomesIdleAndIsHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net gate
		p := newTestPool(t, net.Dial)
		first := startGet(t, p, "hub:80")
		net.next(t).succeed()
		held := first.got(t)
		second := startGet(t, p, "hub:80") // dials, but the first comes back sooner
		held.Release()
		assert.Same(t, held, second.got(t))
		assert.Zero(t, p.Stats().Idle)

		net.next(t).succeed()
		synctest.Wait()
		assert.Equal(t, 1, p.Stats().Idle)
		surplus := startGet(t, p, "hub:80").got(t)
		assert.NotSame(t, held, surplus)
		assert.Zero(t, surplus.Info().Uses)
		assert.Zero(t, net.pending(), "it dialled all the same")
	})
}

// A dial keeps the caller's values but not its cancellation.
func TestADialSeesTheValuesOfItsRequestAndNotItsCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type tag struct{}
		var net gate
		p := newTestPool(t, net.Dial)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), tag{}, "mine"), time.Second)
		defer cancel()
		_, err := p.Get(ctx, "tcp", "hub:80")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		dial := net.next(t)
		assert.Equal(t, "mine", dial.ctx.Value(tag{}))
		assert.NoError(t, dial.ctx.Err())
		_, limited := dial.ctx.Deadline()
		assert.False(t, limited)
		dial.succeed()
	})
}

func TestANilDialFunctionDialsTheNetwork(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	p := newTestPool(t, nil)
	c := mustGet(t, p, ln.Addr().String())
	assert.IsType(t, new(net.TCPConn), c.NetConn())
	assert.Equal(t, ln.Addr().String(), c.RemoteAddr().String())
}

func TestClosesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		p := newTestPool(t, net.Dial, ttlpool.WithLogger(logger))
		c := mustGet(t, p, "hub:80")
		time.Sleep(time.Minute)
		c.Release()
		p.CloseIdle()
		var line struct {
			Level, Address, Reason string
			Age                    time.Duration
			Uses                   int
		}
		require.NoError(t, json.Unmarshal(log.Bytes(), &line))
		assert.Equal(t, "DEBUG", line.Level)
		assert.Equal(t, "hub:80", line.Address)
		assert.Equal(t, "close_idle", line.Reason)
		assert.Equal(t, time.Minute, line.Age)
		assert.Equal(t, 1, line.Uses)
	})
}
