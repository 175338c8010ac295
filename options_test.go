package ttlpool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestOptionsThatContradictEachOtherAreErrors(t *testing.T) {
	const s = time.Second
	type opts = []ttlpool.HostOption
	tests := []struct {
		name string
		opts opts
		want string // part of the message; none: no contradiction
	}{
		{"jitter without a maximum age", opts{ttlpool.WithMaxAgeJitter(s)}, "jitter"},
		{"jitter as long as the maximum age", opts{ttlpool.WithMaxAge(s), ttlpool.WithMaxAgeJitter(s)}, "jitter"},
		{"jitter longer than the maximum age", opts{ttlpool.WithMaxAgeJitter(2 * s), ttlpool.WithMaxAge(s)}, "jitter"},
		{"jitter just shorter", opts{ttlpool.WithMaxAge(s), ttlpool.WithMaxAgeJitter(s - 1)}, ""},
		{"a short server timeout, of which the default margin is a quarter", opts{ttlpool.WithServerTimeout(s)}, ""},
		{"a server timeout that the margin uses up", opts{ttlpool.WithServerTimeout(5 * s), ttlpool.WithMargin(6 * s)}, "margin"},
		{"a server timeout just longer than the margin", opts{ttlpool.WithServerTimeout(s + 1)}, ""},
		{"a server timeout without margin", opts{ttlpool.WithServerTimeout(1), ttlpool.WithMargin(0)}, ""},
		{"a margin without anything to take it off", opts{ttlpool.WithMargin(time.Hour)}, ""},
		{"a TTL past what the server's timeout leaves", opts{ttlpool.WithTTL(10 * s), ttlpool.WithServerTimeout(10 * s)}, "TTL"},
		{"a TTL of what the server's timeout leaves", opts{ttlpool.WithTTL(9 * s), ttlpool.WithServerTimeout(10 * s)}, ""},
		{"the last of several counts", opts{ttlpool.WithTTL(time.Hour), ttlpool.WithServerTimeout(10 * s), ttlpool.WithTTL(s)}, ""},
	}
	for _, tt := range tests {
		forAll := make([]ttlpool.PoolOption, len(tt.opts))
		forTransport := make([]ttlpool.Option, len(tt.opts))
		for i, o := range tt.opts {
			forAll[i], forTransport[i] = o, o
		}
		check := func(t *testing.T, err error) {
			t.Helper()
			if tt.want == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "ttlpool: ")
		}
		t.Run(tt.name, func(t *testing.T) {
			p, err := ttlpool.NewPool(nil, forAll...)
			check(t, err)
			assert.Equal(t, err == nil, p != nil)
			_, err = ttlpool.NewTransport(forTransport...)
			check(t, err)
			_, err = ttlpool.NewPool(nil, ttlpool.WithHost("hub:80", tt.opts...))
			check(t, err)
			if err != nil {
				assert.ErrorContains(t, err, `"hub:80"`, "it should say which host's options contradict")
			}
		})
	}
}

func TestNegativeValuesAreErrors(t *testing.T) {
	for name, option := range map[string]ttlpool.HostOption{
		"TTL":                                  ttlpool.WithTTL(-1),
		"server timeout":                       ttlpool.WithServerTimeout(-time.Second),
		"margin":                               ttlpool.WithMargin(-1),
		"maximum age":                          ttlpool.WithMaxAge(math.MinInt64),
		"jitter":                               ttlpool.WithMaxAgeJitter(-1),
		"maximum of uses":                      ttlpool.WithMaxUses(-1),
		"maximum of idle connections per host": ttlpool.WithMaxIdlePerHost(-1),
		"maximum of connections per host":      ttlpool.WithMaxConnsPerHost(math.MinInt),
		"acquire timeout":                      ttlpool.WithAcquireTimeout(-1),
		"black-hole timeout":                   ttlpool.WithBlackHoleTimeout(-1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ttlpool.NewPool(nil, option)
			require.ErrorContains(t, err, name)
			assert.ErrorContains(t, err, "negative")
			_, err = ttlpool.NewTransport(option)
			assert.ErrorContains(t, err, name)
			_, err = ttlpool.NewPool(nil, ttlpool.WithHost("*", option))
			assert.ErrorContains(t, err, name)
		})
	}
	_, err := ttlpool.NewPool(nil, ttlpool.WithMaxIdle(-1))
	assert.ErrorContains(t, err, "negative")
	_, err = ttlpool.NewTransport(ttlpool.WithReplayLimit(-1))
	assert.ErrorContains(t, err, "negative")
}

func TestNilIsNoOption(t *testing.T) {
	for name, option := range map[string]ttlpool.PoolOption{
		"an option":               nil,
		"an option for one host":  ttlpool.WithHost("hub", nil),
		"a trace":                 ttlpool.WithTrace(nil),
		"a logger":                ttlpool.WithLogger((*slog.Logger)(nil)),
		"an empty pattern":        ttlpool.WithHost("", ttlpool.WithTTL(1)),
		"a star within a pattern": ttlpool.WithHost("a*.example"),
		"a star before no dot":    ttlpool.WithHost("*example"),
		"two stars":               ttlpool.WithHost("*.*"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ttlpool.NewPool(nil, option)
			assert.ErrorContains(t, err, "ttlpool: ")
			_, err = ttlpool.NewTransport(option)
			assert.ErrorContains(t, err, "ttlpool: ")
		})
	}
	for name, option := range map[string]ttlpool.Option{
		"a base":      ttlpool.WithBase(nil),
		"a predicate": ttlpool.WithIdempotent(nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ttlpool.NewTransport(option)
			assert.ErrorContains(t, err, "ttlpool: ")
		})
	}
}

// Zero must mean off, not "expire at once" (pgx PR#2574).
func TestZeroMeansOff(t *testing.T) {
	const address = "hub:80"
	many := func(n int) func(t *testing.T, p *ttlpool.Pool, net *peers) {
		return func(t *testing.T, p *ttlpool.Pool, net *peers) {
			conns := make([]*ttlpool.Conn, n)
			for i := range conns {
				conns[i] = mustGet(t, p, fmt.Sprintf("host%d:80", i%20))
			}
			for _, c := range conns {
				c.Release()
			}
			assert.Equal(t, n, p.Stats().Idle)
		}
	}
	idleForAYear := func(t *testing.T, p *ttlpool.Pool, net *peers) {
		c := mustGet(t, p, address)
		c.Release()
		assert.False(t, p.TimerArmed())
		time.Sleep(365 * 24 * time.Hour)
		assert.Same(t, c, mustGet(t, p, address))
	}
	tests := map[string]struct {
		opts  []ttlpool.PoolOption
		check func(t *testing.T, p *ttlpool.Pool, net *peers)
	}{
		"TTL":            {[]ttlpool.PoolOption{ttlpool.WithTTL(0)}, idleForAYear},
		"server timeout": {[]ttlpool.PoolOption{ttlpool.WithServerTimeout(0)}, idleForAYear},
		"maximum age":    {[]ttlpool.PoolOption{ttlpool.WithMaxAge(0)}, idleForAYear},
		"maximum age for one host": {[]ttlpool.PoolOption{ttlpool.WithMaxAge(time.Second), ttlpool.WithTTL(time.Second),
			ttlpool.WithHost("hub", ttlpool.WithMaxAge(0), ttlpool.WithTTL(0))}, idleForAYear},
		"jitter": {[]ttlpool.PoolOption{ttlpool.WithMaxAge(time.Minute), ttlpool.WithMaxAgeJitter(0)},
			func(t *testing.T, p *ttlpool.Pool, net *peers) {
				for range 100 {
					c := mustGet(t, p, address)
					defer c.Release()
				}
				time.Sleep(time.Minute - 1)
				assert.Equal(t, 100, p.Stats().InUse)
				for _, c := range net.all()[:1] {
					assert.False(t, c.isClosed())
				}
			}},
		"margin": {[]ttlpool.PoolOption{ttlpool.WithServerTimeout(time.Second), ttlpool.WithMargin(0)},
			func(t *testing.T, p *ttlpool.Pool, net *peers) {
				defer mustGet(t, p, address).Release()
				assert.Equal(t, time.Second, p.Stats().Hosts[address].TTL)
			}},
		"uses": {[]ttlpool.PoolOption{ttlpool.WithMaxUses(0)},
			func(t *testing.T, p *ttlpool.Pool, net *peers) {
				for range 1000 {
					mustGet(t, p, address).Release()
				}
				assert.Equal(t, 1, net.dials())
			}},
		"idle connections": {[]ttlpool.PoolOption{ttlpool.WithMaxIdle(0)}, many(4200)},
		"idle connections per host": {[]ttlpool.PoolOption{ttlpool.WithMaxIdlePerHost(0)},
			func(t *testing.T, p *ttlpool.Pool, net *peers) {
				conns := make([]*ttlpool.Conn, 300)
				for i := range conns {
					conns[i] = mustGet(t, p, address)
				}
				for _, c := range conns {
					c.Release()
				}
				assert.Equal(t, 300, p.Stats().Idle)
			}},
		"connections per host": {[]ttlpool.PoolOption{ttlpool.WithMaxConnsPerHost(0)},
			func(t *testing.T, p *ttlpool.Pool, net *peers) {
				for range 1000 {
					defer mustGet(t, p, address).Release()
				}
				assert.Equal(t, 1000, p.Stats().InUse)
			}},
		"acquire timeout": {[]ttlpool.PoolOption{ttlpool.WithAcquireTimeout(0), ttlpool.WithMaxConnsPerHost(1)},
			func(t *testing.T, p *ttlpool.Pool, net *peers) {
				held := mustGet(t, p, address)
				c := startGet(t, p, address)
				time.Sleep(24 * time.Hour)
				require.False(t, c.finished())
				held.Release()
				c.got(t)
			}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var net peers
				tt.check(t, newTestPool(t, net.Dial, tt.opts...), &net)
			})
		})
	}
}

// Sensible limits for a proxy: two idle connections per host is not one.
func TestTheDefaultsSuitAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net peers
		p := newTestPool(t, net.Dial)
		conns := make([]*ttlpool.Conn, 300)
		for i := range conns {
			conns[i] = mustGet(t, p, "hub:80")
		}
		for _, c := range conns {
			c.Release()
		}
		assert.Equal(t, 256, p.Stats().Idle)
		assert.Zero(t, p.Stats().Hosts["hub:80"].TTL)
	})
}

// The largest duration is some people's "for ever". A sweep that has read its
// clock just before must not think that less than nothing is left of it.
func TestTheLargestDurationIsNoLimitOfAYear(t *testing.T) {
	for name, opts := range map[string][]ttlpool.PoolOption{
		"TTL":                        {ttlpool.WithTTL(math.MaxInt64)},
		"server timeout":             {ttlpool.WithServerTimeout(math.MaxInt64)},
		"server timeout, no margin":  {ttlpool.WithServerTimeout(math.MaxInt64), ttlpool.WithMargin(0)},
		"server timeout and margin":  {ttlpool.WithServerTimeout(math.MaxInt64), ttlpool.WithMargin(math.MaxInt64 / 2)},
		"margin of nothing":          {ttlpool.WithMargin(math.MaxInt64)},
		"TTL and strict TTL":         {ttlpool.WithTTL(math.MaxInt64), ttlpool.WithStrictTTL(math.MaxInt64)},
		"maximum age":                {ttlpool.WithMaxAge(math.MaxInt64)},
		"maximum age and its jitter": {ttlpool.WithMaxAge(math.MaxInt64), ttlpool.WithMaxAgeJitter(math.MaxInt64 / 2)},
		"acquire timeout":            {ttlpool.WithAcquireTimeout(math.MaxInt64)},
		"black-hole timeout":         {ttlpool.WithBlackHoleTimeout(math.MaxInt64)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newTestPool(t, new(peers).Dial, append(opts, ttlpool.WithMaxConnsPerHost(1))...)
				c := mustGet(t, p, "hub:80")
				waiting := startGet(t, p, "hub:80")
				c.Release()
				require.Same(t, c, waiting.got(t))
				c.Release()
				victims, _ := p.SweepAt(-time.Millisecond)
				assert.Empty(t, victims)
				time.Sleep(365 * 24 * time.Hour)
				assert.Same(t, c, mustGet(t, p, "hub:80"))
			})
		})
	}
}

func TestSeveralTracesAreCalledInTheirOrder(t *testing.T) {
	var net peers
	var calls []int
	trace := func(n int) ttlpool.PoolOption {
		return ttlpool.WithTrace(&ttlpool.Trace{GotConn: func(ttlpool.ConnInfo) { calls = append(calls, n) }})
	}
	p := newTestPool(t, net.Dial, trace(1), ttlpool.WithTrace(new(ttlpool.Trace)), trace(2))
	mustGet(t, p, "hub:80").Release()
	assert.Equal(t, []int{1, 2}, calls)
}

func TestIdempotentMarksAContextOnly(t *testing.T) {
	type tag struct{}
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), tag{}, "kept"))
	ctx := ttlpool.Idempotent(parent)
	assert.Equal(t, "kept", ctx.Value(tag{}))
	gone := errors.New("gone")
	cancel(gone)
	assert.Equal(t, gone, context.Cause(ctx))
}
