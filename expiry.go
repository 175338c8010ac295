package ttlpool

import "time"

// policy is what the options say about the connections to one address.
// It is written before the first connection and never after.
type policy struct {
	ttl            time.Duration // 0: no limit
	serverTimeout  time.Duration // 0: not stated
	margin         time.Duration
	marginStated   bool
	strictTTL      time.Duration // 0: no limit
	strictStated   bool
	learningOff    bool
	maxAge         time.Duration // 0: no limit
	maxAgeJitter   time.Duration
	maxUses        int // 0: no limit
	maxIdle        int // 0: no limit
	maxConns       int // 0: no limit
	acquireTimeout time.Duration
	blackHole      time.Duration // 0: no limit
}

// lifetime is what a connection's expiry depends on.
type lifetime struct {
	born      instant
	maxAge    time.Duration // the policy's, less the jitter drawn at birth; 0: no limit
	idleSince instant
	uses      int
	maxUses   int           // what the server allows; 0: no limit
	hinted    time.Duration // the server's timeout as it says; 0: it does not
	learned   time.Duration // the server's timeout as its closes have shown it; 0: not known
	roundTrip time.Duration // and its variation; 0: not known
}

// effectiveTTL is the shortest of the TTLs that apply: the configured one, and
// each that we know of the server, less the margin. 0 means that none does.
func (p *policy) effectiveTTL(l lifetime) time.Duration {
	ttl := p.ttl
	if p.serverTimeout > 0 {
		ttl = shorter(ttl, p.usable(p.serverTimeout, l))
	}
	if l.hinted > 0 {
		ttl = shorter(ttl, p.usable(l.hinted, l))
	}
	if l.learned > 0 {
		// Never nothing, or what was learned could not be disproved.
		ttl = shorter(ttl, max(p.usable(l.learned, l), l.learned/4))
	}
	return ttl
}

// usable is what the margin leaves of a server's timeout. Without headroom the
// connection is not reusable, which is not the same as 0.
func (p *policy) usable(timeout time.Duration, l lifetime) time.Duration {
	return max(timeout-p.marginOf(timeout, l.roundTrip), refusesReuse)
}

// shorter returns the shorter of two TTLs, of which the first may be none.
func shorter(ttl, other time.Duration) time.Duration {
	if ttl == 0 {
		return other
	}
	return min(ttl, other)
}

// marginOf is what is taken off a server's timeout: enough for a request to get
// there in time.
func (p *policy) marginOf(timeout, roundTrip time.Duration) time.Duration {
	margin := p.margin
	if !p.marginStated {
		margin = min(margin, timeout/4)
	}
	return max(margin, roundTrip)
}

// strictTTLOf is the most idle time after which a request that could not be sent
// again may use a connection; 0 means no limit.
func (p *policy) strictTTLOf(l lifetime) time.Duration {
	ttl := p.effectiveTTL(l)
	switch {
	case !p.strictStated:
		return ttl / 2
	case p.strictTTL > 0 && (ttl == 0 || p.strictTTL < ttl):
		return p.strictTTL
	}
	return ttl
}

// strictOff reports whether requests that could not be sent again are to use what
// others may.
func (p *policy) strictOff() bool { return p.strictStated && p.strictTTL == 0 }

// drawMaxAge returns the maximum age of one connection, given a random number
// in [0,1). It is drawn once, at birth: drawn again at each check, a
// connection would live as long as the luckiest draw allows.
func (p *policy) drawMaxAge(random float64) time.Duration {
	return p.maxAge - time.Duration(random*float64(p.maxAgeJitter))
}

// expired says why a connection may not be reused at now, NotClosed if it may.
// "At or past" the limit counts as expired (promise P1).
func (p *policy) expired(l lifetime, now instant) CloseReason {
	if reason := p.worn(l, now); reason != NotClosed {
		return reason
	}
	if ttl := p.effectiveTTL(l); ttl > 0 && elapsed(now, l.idleSince) >= ttl {
		return ClosedTTL
	}
	return NotClosed
}

// tooOldForStrict reports whether a request that could not be sent again must not
// use a connection that others may: Squid does that for all of them.
func (p *policy) tooOldForStrict(l lifetime, now instant) bool {
	limit := p.strictTTLOf(l)
	return limit > 0 && elapsed(now, l.idleSince) >= limit
}

// worn is expired for a connection that is not idle.
func (p *policy) worn(l lifetime, now instant) CloseReason {
	switch {
	case p.maxUses > 0 && l.uses >= p.maxUses, l.maxUses > 0 && l.uses >= l.maxUses:
		return ClosedMaxUses
	case l.maxAge > 0 && elapsed(now, l.born) >= l.maxAge:
		return ClosedMaxAge
	}
	return NotClosed
}

// due says how soon the closing of an idle connection must begin and why, and by
// how much that may be brought forward so that one sweep serves many. It begins
// sooner where a crowd is idle, which takes long to close. The reason is
// NotClosed if nothing limits its idle life.
func (p *policy) due(l lifetime, now instant, crowd int64) (left, slack time.Duration, reason CloseReason) {
	limit := p.effectiveTTL(l)
	if limit > 0 {
		left, reason = limit-elapsed(now, l.idleSince), ClosedTTL
	}
	if l.maxAge > 0 {
		if byAge := l.maxAge - elapsed(now, l.born); reason == NotClosed || byAge < left {
			left, limit, reason = byAge, l.maxAge, ClosedMaxAge
		}
	}
	left -= min(limit/8, time.Duration(crowd/sweepPortion)*portionTime)
	return left, min(limit/32, maxSweepSlack), reason
}

// maxSweepSlack bounds how early the reaper may close a connection for the sake
// of others that are due soon.
const maxSweepSlack = 200 * time.Millisecond

// portionTime is what closing sweepPortion connections takes, with the rest that
// the reaper gives to others.
const portionTime = 9 * time.Millisecond

// instant is a point in time on both clocks. A time.Time has both readings too,
// but compares only one.
type instant struct {
	wall      int64 // nanoseconds since the Unix epoch
	monotonic int64 // nanoseconds since processStart
}

var processStart = time.Now()

func instantOf(t time.Time) instant {
	return instant{wall: t.UnixNano(), monotonic: int64(t.Sub(processStart))}
}

// readClocks reads both clocks, once for each exported call.
func readClocks() instant { return instantOf(time.Now()) }

// time returns what the wall clock showed.
func (i instant) time() time.Time { return time.Unix(0, i.wall) }

// before returns the instant so long before.
func (i instant) before(d time.Duration) instant {
	return instant{wall: i.wall - int64(d), monotonic: i.monotonic - int64(d)}
}

// awakeSince returns the instant as it was if the machine had not been suspended
// since the other one. If it was, nobody knows whether before or after what is
// dated by it; this is not too late.
func (i instant) awakeSince(other instant) instant {
	i.wall = min(i.wall, other.wall+i.monotonic-other.monotonic)
	return i
}

// elapsed is the larger of the monotonic and the wall-clock time since then.
// The monotonic clock stands still while a machine is suspended and the
// server's does not; the wall clock may be set back. It is never less than
// nothing, even where now was read first: of the largest duration more would be
// left than there is.
func elapsed(now, since instant) time.Duration {
	return time.Duration(max(0, now.monotonic-since.monotonic, now.wall-since.wall))
}
