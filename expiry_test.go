package ttlpool

import (
	"context"
	"fmt"
	"math"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// someday is an instant for tables; on it both clocks show something odd.
var someday = instant{wall: 1_700_000_000_123_456_789, monotonic: 987_654_321}

// later returns an instant at which both clocks have gone on.
func later(i instant, d time.Duration) instant {
	return instant{wall: i.wall + int64(d), monotonic: i.monotonic + int64(d)}
}

// A synctest bubble moves both clocks together, so the cases in which they
// disagree are given by hand.
func TestElapsedIsTheLargerOfTheTwoClocks(t *testing.T) {
	tests := []struct {
		name            string
		wall, monotonic time.Duration // what each clock has gone on
		want            time.Duration
	}{
		{"no time", 0, 0, 0},
		{"both clocks agree", time.Minute, time.Minute, time.Minute},
		{"the machine was suspended for an hour: monotonic time stood still", time.Hour + time.Second, time.Second, time.Hour + time.Second},
		{"the clock was set back by an hour", -time.Hour + time.Second, time.Second, time.Second},
		{"the clock was set back while the machine was suspended", -time.Hour, 0, 0},
		{"the clock was set forward by an hour: old rather than young", time.Hour + time.Second, time.Second, time.Hour + time.Second},
		{"the clock is being slewed", 999 * time.Millisecond, time.Second, time.Second},
		{"one nanosecond counts", 0, 1, 1},
		{"the other has read the clocks later", -time.Millisecond, -time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := instant{wall: someday.wall + int64(tt.wall), monotonic: someday.monotonic + int64(tt.monotonic)}
			assert.Equal(t, tt.want, elapsed(now, someday))
		})
	}
}

// Something is noticed after the machine may have been suspended, of which the
// monotonic clock tells when it happened.
func TestWhatIsDatedAcrossASuspensionIsNotDatedTooLate(t *testing.T) {
	tests := []struct {
		name            string
		wall, monotonic time.Duration // what each clock has gone on, as it seems
		want            time.Duration // what the wall clock has gone on at least
	}{
		{"no suspension", 3 * time.Second, 3 * time.Second, 3 * time.Second},
		{"a suspension of an hour, before or after", time.Hour + 3*time.Second, 3 * time.Second, 3 * time.Second},
		{"the clock was set back", -time.Hour, 3 * time.Second, -time.Hour},
		{"the same instant", 0, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := instant{wall: someday.wall + int64(tt.wall), monotonic: someday.monotonic + int64(tt.monotonic)}
			want := instant{wall: someday.wall + int64(tt.want), monotonic: at.monotonic}
			assert.Equal(t, want, at.awakeSince(someday))
		})
	}
}

func TestP1_AConnectionExpiresAtItsLimitAndNotBefore(t *testing.T) {
	tests := []struct {
		name   string
		policy policy
		drawn  time.Duration // the connection's maximum age
		limit  time.Duration
		want   CloseReason
	}{
		{"TTL", policy{ttl: 10 * time.Second}, 0, 10 * time.Second, ClosedTTL},
		{"TTL of a nanosecond", policy{ttl: 1}, 0, 1, ClosedTTL},
		{"server's timeout less the margin", policy{serverTimeout: 5 * time.Second, margin: time.Second}, 0, 4 * time.Second, ClosedTTL},
		{"maximum age", policy{maxAge: time.Hour}, time.Hour, time.Hour, ClosedMaxAge},
		{"maximum age that jitter has shortened", policy{maxAge: time.Hour, maxAgeJitter: time.Minute}, time.Hour - 7*time.Second, time.Hour - 7*time.Second, ClosedMaxAge},
		{"TTL before maximum age", policy{ttl: time.Second, maxAge: time.Hour}, time.Hour, time.Second, ClosedTTL},
		{"maximum age before TTL", policy{ttl: time.Hour, maxAge: time.Second}, time.Second, time.Second, ClosedMaxAge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := lifetime{born: someday, maxAge: tt.drawn, idleSince: someday}
			assert.Equal(t, NotClosed, tt.policy.expired(l, someday), "at once")
			assert.Equal(t, NotClosed, tt.policy.expired(l, later(someday, tt.limit-1)), "a nanosecond before")
			assert.Equal(t, tt.want, tt.policy.expired(l, later(someday, tt.limit)), "at the limit")
			assert.Equal(t, tt.want, tt.policy.expired(l, later(someday, tt.limit+1)), "past it")
		})
	}
}

func TestP1_AConnectionExpiresAtItsLastUseAndNotBefore(t *testing.T) {
	p := policy{maxUses: 3}
	for uses, want := range []CloseReason{NotClosed, NotClosed, NotClosed, ClosedMaxUses, ClosedMaxUses} {
		assert.Equal(t, want, p.expired(lifetime{born: someday, idleSince: someday, uses: uses}, someday), "%d uses", uses)
	}
}

// A suspended machine's monotonic clock stands still; its peers' do not.
func TestP1_ConnectionsFromBeforeASuspensionAreExpired(t *testing.T) {
	woken := instant{wall: someday.wall + int64(8*time.Hour), monotonic: someday.monotonic + int64(time.Second)}
	assert.Equal(t, ClosedTTL, (&policy{ttl: 10 * time.Second}).expired(lifetime{born: someday, idleSince: someday}, woken))
	assert.Equal(t, ClosedMaxAge, new(policy).expired(lifetime{born: someday, maxAge: time.Hour, idleSince: someday}, woken))
}

func TestP1_AClockSetBackDoesNotMakeAConnectionYoung(t *testing.T) {
	now := instant{wall: someday.wall - int64(24*time.Hour), monotonic: someday.monotonic + int64(time.Hour)}
	assert.Equal(t, ClosedTTL, (&policy{ttl: time.Hour}).expired(lifetime{born: someday, idleSince: someday}, now))
	assert.Equal(t, ClosedMaxAge, new(policy).expired(lifetime{born: someday, maxAge: time.Hour, idleSince: someday}, now))
}

// Zero must mean off, not "expire at once" (pgx PR#2574).
func TestALimitOfZeroIsNone(t *testing.T) {
	var none policy
	l := lifetime{born: someday, idleSince: someday, uses: math.MaxInt}
	century := later(someday, 100*365*24*time.Hour)
	assert.Equal(t, NotClosed, none.expired(l, someday))
	assert.Equal(t, NotClosed, none.expired(l, century))
	_, _, reason := none.due(l, century, 0)
	assert.Equal(t, NotClosed, reason)
	assert.Zero(t, none.effectiveTTL(lifetime{}))
	assert.Zero(t, none.drawMaxAge(0.5))
}

func TestTheShortestTTLIsTheEffectiveOne(t *testing.T) {
	tests := []struct {
		policy policy
		want   time.Duration
	}{
		{policy{}, 0},
		{policy{ttl: 9 * time.Second}, 9 * time.Second},
		{policy{ttl: 9 * time.Second, margin: time.Second}, 9 * time.Second}, // the margin comes off the server's number only
		{policy{serverTimeout: 9 * time.Second}, 9 * time.Second},
		{policy{serverTimeout: 9 * time.Second, margin: time.Second}, 8 * time.Second},
		{policy{serverTimeout: 9 * time.Second, margin: time.Second, ttl: 5 * time.Second}, 5 * time.Second},
		{policy{serverTimeout: 9 * time.Second, margin: time.Second, ttl: 8 * time.Second}, 8 * time.Second},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, tt.policy.effectiveTTL(lifetime{}), "%+v", tt.policy)
	}
}

// Jitter that lengthens, or that is truncated to whole seconds (pgx#1437).
func TestJitterOnlyShortensAndKeepsItsFraction(t *testing.T) {
	p := policy{maxAge: time.Minute, maxAgeJitter: 300 * time.Millisecond}
	assert.Equal(t, time.Minute, p.drawMaxAge(0))
	assert.Equal(t, time.Minute-150*time.Millisecond, p.drawMaxAge(0.5))
	largest := math.Nextafter(1, 0)
	assert.GreaterOrEqual(t, p.drawMaxAge(largest), time.Minute-300*time.Millisecond)
	for i := range 1000 {
		age := p.drawMaxAge(float64(i) / 1000)
		assert.LessOrEqual(t, age, time.Minute)
		assert.Greater(t, age, time.Minute-300*time.Millisecond)
	}
	whole := policy{maxAge: time.Hour, maxAgeJitter: time.Hour - 1}
	assert.Positive(t, whole.drawMaxAge(largest), "zero would mean no limit")
}

func TestDueSaysHowSoonAndWhy(t *testing.T) {
	both := policy{ttl: 32 * time.Second, maxAge: 64 * time.Second}
	tests := []struct {
		name       string
		policy     policy
		life       lifetime
		crowd      int64
		left       time.Duration
		slack      time.Duration
		wantReason CloseReason
	}{
		{"long limits have a bounded slack", both,
			lifetime{born: someday, maxAge: 64 * time.Second, idleSince: someday}, sweepPortion - 1, 32 * time.Second, maxSweepSlack, ClosedTTL},
		{"whichever comes first", both,
			lifetime{born: later(someday, -60*time.Second), maxAge: 64 * time.Second, idleSince: someday}, 0, 4 * time.Second, maxSweepSlack, ClosedMaxAge},
		{"short limits have a small slack", policy{ttl: 320 * time.Millisecond},
			lifetime{born: someday, idleSince: someday}, 0, 320 * time.Millisecond, 10 * time.Millisecond, ClosedTTL},
		{"overdue", policy{ttl: time.Second},
			lifetime{born: someday, idleSince: later(someday, -3*time.Second)}, 0, -2 * time.Second, time.Second / 32, ClosedTTL},
		{"a crowd is closed sooner", both,
			lifetime{born: someday, maxAge: 64 * time.Second, idleSince: someday}, 10 * sweepPortion, 32*time.Second - 10*portionTime, maxSweepSlack, ClosedTTL},
		{"however large it is, not much sooner", policy{ttl: 8 * time.Second},
			lifetime{born: someday, idleSince: someday}, 1e6, 7 * time.Second, maxSweepSlack, ClosedTTL},
		{"the largest TTL, of a connection that became idle after the clock was read", policy{ttl: math.MaxInt64},
			lifetime{born: someday, idleSince: later(someday, 1)}, 0, math.MaxInt64, maxSweepSlack, ClosedTTL},
		{"the largest age, of a connection that was dialled after it", policy{maxAge: math.MaxInt64},
			lifetime{born: later(someday, 1), maxAge: math.MaxInt64, idleSince: later(someday, 1)}, 0, math.MaxInt64, maxSweepSlack, ClosedMaxAge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			left, slack, reason := tt.policy.due(tt.life, someday, tt.crowd)
			assert.Equal(t, tt.left, left)
			assert.Equal(t, tt.slack, slack)
			assert.Equal(t, tt.wantReason, reason)
		})
	}
}

// The three places where a pool looks at a connection's age: at checkout, on
// return, and when one request hands it to the next (pgx#2560,
// corefx#29822: a pool that is always busy never sees its own sweep).
func TestP1_ExpiryIsCheckedWhereverAConnectionChangesHands(t *testing.T) {
	const limit = 10 * time.Second
	limits := []struct {
		option HostOption
		reason CloseReason
	}{
		{WithTTL(limit), ClosedTTL},
		{WithMaxAge(limit), ClosedMaxAge},
	}
	for _, l := range limits {
		for _, past := range []time.Duration{-1, 0, 1} {
			want := NotClosed
			if past >= 0 {
				want = l.reason
			}
			t.Run(fmt.Sprintf("%v %+d/at checkout", l.reason, past), func(t *testing.T) {
				h := holdOne(t, l.option)
				h.pool.release(h.conn, h.born, true)
				taken, err := h.pool.take(t.Context(), demand{key: h.key}, later(h.born, limit+past), nil, NotClosed)
				require.NoError(t, err)
				assert.Equal(t, want, h.conn.Info().Closed)
				assert.Equal(t, want == NotClosed, taken.lease.conn == h.conn)
			})
			t.Run(fmt.Sprintf("%v %+d/on return", l.reason, past), func(t *testing.T) {
				h := holdOne(t, l.option)
				kept := h.pool.release(h.conn, later(h.born, limit+past), true)
				assert.Equal(t, want, h.conn.Info().Closed)
				assert.Equal(t, want == NotClosed, kept)
			})
			t.Run(fmt.Sprintf("%v %+d/at a hand-over", l.reason, past), func(t *testing.T) {
				h := holdOne(t, l.option, WithMaxConnsPerHost(1))
				waiting, err := h.pool.take(t.Context(), demand{key: h.key}, h.born, nil, NotClosed)
				require.NoError(t, err)
				h.pool.release(h.conn, later(h.born, limit+past), true)
				g := <-waiting.waiter.ready // the connection given back, or a new one: never nothing
				require.NoError(t, g.err)
				assert.Equal(t, want, h.conn.Info().Closed)
				assert.Equal(t, want == NotClosed, g.lease.conn == h.conn)
			})
		}
	}
}

func TestP1_UsesAreCheckedOnReturnAndAtAHandOver(t *testing.T) {
	h := holdOne(t, WithMaxUses(2), WithMaxConnsPerHost(1))
	assert.True(t, h.pool.release(h.conn, h.born, true))
	again, err := h.pool.take(t.Context(), demand{key: h.key}, h.born, nil, NotClosed)
	require.NoError(t, err)
	require.Same(t, h.conn, again.lease.conn)
	waiting, err := h.pool.take(t.Context(), demand{key: h.key}, h.born, nil, NotClosed)
	require.NoError(t, err)
	h.pool.release(h.conn, h.born, true)
	g := <-waiting.waiter.ready
	require.NoError(t, g.err)
	assert.NotSame(t, h.conn, g.lease.conn)
	assert.Equal(t, ClosedMaxUses, h.conn.Info().Closed)
}

// A waiter may wake up long after it was served: the machine may have been busy,
// or suspended.
func TestP1_AWaiterLooksAtTheExpiryAgainWhenItWakesUp(t *testing.T) {
	const limit = 10 * time.Second
	h := holdOne(t, WithMaxAge(limit))
	served := lease{conn: h.conn, reused: true}
	_, unfit := served.unfit(true, later(h.born, limit-1))
	assert.False(t, unfit)
	why, unfit := served.unfit(true, later(h.born, limit))
	assert.True(t, unfit)
	assert.Equal(t, ClosedMaxAge, why)
}

// Expired connections still counted in the cap made callers wait for places
// that would never be free (undici#5144).
func TestP10_AnExpiredConnectionDoesNotTakeAPlace(t *testing.T) {
	h := holdOne(t, WithTTL(time.Hour), WithMaxConnsPerHost(1))
	h.pool.release(h.conn, h.born, true)
	waiting, err := h.pool.take(t.Context(), demand{key: h.key}, later(h.born, time.Hour), nil, NotClosed)
	require.NoError(t, err)
	require.Nil(t, waiting.lease.conn)
	g := <-waiting.waiter.ready
	require.NoError(t, g.err)
	assert.NotSame(t, h.conn, g.lease.conn)
}

// The largest duration is some people's "for ever".
func TestP2_TheLargestDurationIsATTLLikeAnyOther(t *testing.T) {
	h := holdOne(t, WithTTL(math.MaxInt64))
	now := later(h.born, time.Second)
	require.True(t, h.pool.release(h.conn, now, true))
	assert.Greater(t, h.pool.reaper.alarm.Load(), now.monotonic, "an alarm in the past keeps all others from being set")
}

// held is a pool out of which one connection has been taken.
type held struct {
	pool *Pool
	key  key
	conn *Conn
	born instant
}

func holdOne(t *testing.T, opts ...PoolOption) held {
	t.Helper()
	pool, err := NewPool(func(context.Context, string, string) (net.Conn, error) { return stillConn{}, nil }, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = pool.Close() })
	conn, err := pool.Get(t.Context(), "tcp", "hub:80")
	require.NoError(t, err)
	return held{pool, key{network: "tcp", address: "hub:80"}, conn, conn.born}
}

// stillConn is a connection on which nothing happens.
type stillConn struct{ net.Conn }

func (stillConn) Close() error { return nil }
