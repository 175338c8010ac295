package ttlpool

import (
	"context"
	"sync"
	"time"
)

// key says what connections lead to. Those of one key are interchangeable.
type key struct {
	network, address string
	// The rest is for the Transport's dial function; the Pool does not look at
	// it.
	tls      bool
	proxy    string // its URL, credentials included; empty: none
	forwards bool   // address is the proxy's, which forwards requests
	http1    bool   // nothing but HTTP/1.1 will do
}

// bucket holds everything about one key.
type bucket struct {
	pool   *Pool
	key    key
	policy *policy

	past    *past
	lessons *lessons // of the past; have a lock of their own, which is taken last

	// mu guards the rest, and what is said to be guarded by it in the Conns,
	// waiters and dials of this bucket. Nothing under it blocks or calls out:
	// no I/O, no close, no hook, no lock but those of lessons and opaque.Conn,
	// which are taken last. What has to happen outside is noted in an
	// aftermath. Pool.mu may be held when it is taken.
	mu      sync.Mutex
	conns   map[*Conn]struct{} // all that are open
	idle    idleList           // those of them without a lease
	dials   map[*dial]struct{}
	waiters waiterQueue // not empty only while nothing idle could serve them when they came
	second  waiterQueue // second tries that wait for a place: nothing but a connection dialled for them will do
	closing int         // connections that are being closed, and hold their places

	lastHangUp instant // when an idle connection that had served was last found closed by the peer; zero: never

	hinted   bool          // some connection has a timeout of its own
	farthest time.Duration // the longest round trip that any connection has had
	sessions bool          // connections of this key have turned out to have sessions
	keepNone bool          // CloseIdle was called, and no request has come since
	draining bool          // Shutdown was called: no new requests
	closed   bool          // Close was called
	dropped  bool          // no longer known to the pool: look it up again
}

func newBucket(p *Pool, k key) *bucket {
	known := p.pastOfLocked(k)
	return &bucket{
		pool:    p,
		key:     k,
		policy:  p.config.policyFor(k.address),
		past:    known,
		lessons: &known.lessons,
		conns:   make(map[*Conn]struct{}),
		dials:   make(map[*dial]struct{}),
	}
}

// take leases the connection used last, or else queues a waiter. again is set
// by a request that was served before, with a connection that proved unfit: it
// keeps its turn. If ok is false, the bucket is no longer in use.
func (b *bucket) take(ctx context.Context, d demand, now instant, again bool, after *aftermath) (l lease, w *waiter, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped || b.closed || b.draining && !again {
		return lease{}, nil, false
	}
	b.keepNone = false
	if c := b.shareLocked(now); c != nil {
		return b.leaseLocked(c, now), nil, true
	}
	for c := b.fitLocked(d.strict, now, after); c != nil; c = b.fitLocked(d.strict, now, after) {
		user, _ := b.userLocked(c, now)
		if user == nil || again {
			return b.leaseLocked(c, now), nil, true
		}
		b.grantLocked(user, grant{lease: b.leaseLocked(c, now)}) // it was risky when he came
	}
	w = newWaiter(ctx, d)
	if again {
		b.waiters.resume(w)
	} else {
		b.waiters.pushBack(w)
	}
	b.dialForWaitersLocked(after)
	return lease{}, w, true
}

// fitLocked finds the connection used last of those that are idle and fit, and
// discards what has expired on the way.
func (b *bucket) fitLocked(strict bool, now instant, after *aftermath) *Conn {
	for c := b.idle.newest; c != nil; {
		older := c.older
		life := c.lifetimeLocked(now)
		if reason := b.policy.expired(life, now); reason != NotClosed {
			b.discardLocked(c, reason, after)
		} else if !b.riskyLocked(strict, life, now) {
			return c
		} else if b.isNextLocked(life, now) || b.evenLocked(now) {
			break // so are the others, which have been idle longer
		}
		c = older
	}
	return nil
}

// evenLocked reports whether all connections have the same effective TTL: then one
// that has been idle for longer than another is due sooner.
func (b *bucket) evenLocked(now instant) bool {
	if b.hinted {
		return false
	}
	life := lifetime{learned: b.learned(now)}
	near := b.policy.effectiveTTL(life)
	life.roundTrip = b.farthest
	return b.policy.effectiveTTL(life) == near
}

// learned is the server's timeout as far as it may be learned; 0: not known.
func (b *bucket) learned(now instant) time.Duration {
	if !b.learns() {
		return 0
	}
	return b.lessons.timeout(now)
}

// unlistLocked takes a connection out of the idle ones.
func (b *bucket) unlistLocked(c *Conn) {
	b.idle.remove(c)
	c.idle = false
	b.pool.idle.Add(-1)
}

// evictLocked takes a connection out, with its place.
func (b *bucket) evictLocked(c *Conn, reason CloseReason) {
	c.closed, c.closedIdle = reason, c.idle
	if c.idle {
		b.unlistLocked(c)
	}
	delete(b.conns, c)
	b.past.tally.count(eventClosed+event(reason), 1)
}

// freeLocked gives up the place of a closed connection or a failed dial.
func (b *bucket) freeLocked(after *aftermath) {
	after.freed++
	b.dialForWaitersLocked(after)
	b.vacatedLocked(after)
}

// discardLocked takes a connection out to be closed. Its place is free when it
// is closed, so that the peer never sees more than the limit; but nobody waits
// for a Close that may hang.
func (b *bucket) discardLocked(c *Conn, reason CloseReason, after *aftermath) {
	b.evictLocked(c, reason)
	after.victims = append(after.victims, c)
	if c.mayHang() {
		b.freeLocked(after)
	} else {
		b.closing++
		c.closing = true
	}
}

// discard is discardLocked for one that may have been taken out already; then
// it is false.
func (b *bucket) discard(c *Conn, reason CloseReason, after *aftermath) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closed != NotClosed {
		return false
	}
	b.discardLocked(c, reason, after)
	return true
}

// gone frees the place of a connection that has been closed.
func (b *bucket) gone(c *Conn, after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closing {
		c.closing = false
		b.closing--
		b.freeLocked(after)
	}
}

// vacatedLocked notes that nothing is left in the bucket.
func (b *bucket) vacatedLocked(after *aftermath) {
	if b.vacantLocked() {
		after.vacated = append(after.vacated, b)
	}
}

func (b *bucket) vacantLocked() bool {
	return len(b.conns)+b.closing+len(b.dials)+b.waiters.len+b.second.len == 0
}

// expired says why a connection that is leased should not be used at now. One that
// others were using has been idle since the lease began, at most: what its idle
// time counts from may be as long ago as the exchange of one of them takes.
func (b *bucket) expired(l lease, now instant) CloseReason {
	b.mu.Lock()
	defer b.mu.Unlock()
	life := l.conn.lifetimeLocked(now)
	if l.rank > 1 && life.idleSince.monotonic < l.since.monotonic {
		life.idleSince = l.since
	}
	return b.policy.expired(life, now)
}

// oldestIdle tells since when the longest idle connection has been idle.
func (b *bucket) oldestIdle() (since instant, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle.oldest == nil {
		return instant{}, false
	}
	return b.idle.oldest.idleSince, true
}

// evictOldest closes the longest idle connection, if there is one still.
func (b *bucket) evictOldest(after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle.oldest != nil {
		b.discardLocked(b.idle.oldest, ClosedMaxIdle, after)
	}
}

// sweepPortion is how many connections are discarded under one hold of the lock,
// at most: it takes some tens of microseconds. Ten thousand that were due at once
// would keep requests waiting for milliseconds.
const sweepPortion = 64

// sweepIdle discards a portion of the idle connections that are due; more says
// that others may be. Otherwise the next sweep may wait for next.
func (b *bucket) sweepIdle(now instant, after *aftermath) (next time.Duration, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next = noDelay
	ordered := b.policy.maxAge == 0 && b.evenLocked(now)
	crowd := b.pool.idle.Load()
	enough := len(after.victims) + sweepPortion
	for c := b.idle.oldest; c != nil; {
		younger := c.newer
		switch left, slack, reason := b.policy.due(c.lifetimeLocked(now), now, crowd); {
		case reason == NotClosed:
		case left <= slack:
			b.lessons.outlive(elapsed(now, c.idleSince), now, false)
			b.discardLocked(c, reason, after)
			if len(after.victims) == enough {
				return noDelay, true
			}
		default:
			next = min(next, left-slack/2)
			if ordered {
				return next, false // and so are all others
			}
		}
		c = younger
	}
	return next, false
}

// evictIdle discards a connection if it is idle, and says for how long it was, and
// whether it had served.
func (b *bucket) evictIdle(c *Conn, reason CloseReason, now instant, after *aftermath) (idle time.Duration, wasIdle, served bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.idle {
		return 0, false, false
	}
	if h, ok := c.probe.(heard); ok && h.look() == NotClosed {
		return 0, false, false // what was heard was read: it was an answer, and the connection is idle again
	}
	if reason == ClosedHungUp {
		b.noteHangUpLocked(c, now)
	}
	b.discardLocked(c, reason, after)
	return elapsed(now, c.idleSince), true, c.uses > 0
}

// clear discards the idle connections, and stops the dials that nobody waits
// for.
func (b *bucket) clear(reason CloseReason, after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keepNone = true
	b.draining = b.draining || reason == ClosedPoolClosed
	for b.idle.oldest != nil {
		b.discardLocked(b.idle.oldest, reason, after)
	}
	b.stopSpareDialsLocked(after)
}

// close discards all connections, in use or not, fails all waiters and stops
// all dials.
func (b *bucket) close(after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for d := range b.dials {
		if d.owner != nil {
			b.grantLocked(d.owner, grant{err: ErrClosed})
		}
		after.stop = append(after.stop, d)
	}
	for _, q := range []*waiterQueue{&b.waiters, &b.second} {
		for q.first != nil {
			b.grantLocked(q.first, grant{err: ErrClosed})
		}
	}
	for c := range b.conns {
		b.discardLocked(c, ClosedPoolClosed, after)
	}
	b.vacatedLocked(after)
}

// ttlLocked is the effective TTL of the connection used last, or what holds for
// a new one.
func (b *bucket) ttlLocked(now instant) time.Duration {
	l := lifetime{learned: b.learned(now)}
	if b.idle.newest != nil {
		l = b.idle.newest.lifetimeLocked(now)
	}
	return b.policy.effectiveTTL(l)
}

// stats returns the gauges, and the effective TTL.
func (b *bucket) stats(now instant) HostStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return HostStats{
		Counts: Counts{
			Open:    len(b.conns),
			Idle:    b.idle.len,
			InUse:   len(b.conns) - b.idle.len,
			Dialing: len(b.dials),
			Waiting: b.waiters.len + b.second.len,
		},
		TTL: b.ttlLocked(now),
	}
}
