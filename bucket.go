package ttlpool

import (
	"context"
	"math/rand/v2"
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

	lessons *lessons // have a lock of their own, which is taken last

	// mu guards the rest, and what is said to be guarded by it in the Conns,
	// waiters and dials of this bucket. Nothing under it blocks or calls out:
	// no I/O, no close, no hook, no other lock but that of lessons. What has to happen outside is
	// noted in an aftermath. Pool.mu may be held when it is taken.
	mu      sync.Mutex
	conns   map[*Conn]struct{} // all that are open
	idle    idleList           // those of them without a lease
	dials   map[*dial]struct{}
	waiters waiterQueue // not empty only while nothing idle could serve them
	closing int         // connections that are being closed, and hold their places

	sessions bool // connections of this key have turned out to have sessions
	keepNone bool // CloseIdle was called, and no request has come since
	draining bool // Shutdown was called: no new requests
	closed   bool // Close was called
	dropped  bool // no longer known to the pool: look it up again
}

func newBucket(p *Pool, k key) *bucket {
	return &bucket{
		pool:    p,
		key:     k,
		policy:  p.config.policyFor(k.address),
		lessons: p.lessonsForLocked(k),
		conns:   make(map[*Conn]struct{}),
		dials:   make(map[*dial]struct{}),
	}
}

// aftermath is what a change of a bucket entails that must not happen under
// its lock.
type aftermath struct {
	begin   []*dial
	stop    []*dial
	victims []*Conn
	vacated []*bucket // have nothing left in them
	freed   int       // places given up
}

// take leases the connection used last, or else queues a waiter. again is set
// by a request that was served before, with a connection that proved dead: it
// keeps its turn. If ok is false, the bucket is no longer in use.
func (b *bucket) take(ctx context.Context, d demand, now instant, again bool) (l lease, w *waiter, ok bool) {
	var after aftermath
	defer b.pool.settle(&after, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped || b.closed || b.draining && !again {
		return lease{}, nil, false
	}
	b.keepNone = false
	if c := b.shareLocked(now); c != nil {
		return b.leaseLocked(c, now), nil, true
	}
	for c := b.idle.newest; c != nil; c = b.idle.newest {
		reason := b.policy.expired(c.lifetimeLocked(now), now)
		if reason != NotClosed {
			b.discardLocked(c, reason, &after)
			continue
		}
		if b.policy.tooOldFor(d.strict, c.lifetimeLocked(now), now) {
			break // and so are the others, which have been idle longer
		}
		return b.leaseLocked(c, now), nil, true
	}
	w = newWaiter(ctx, d)
	if again {
		b.waiters.pushFront(w)
	} else {
		b.waiters.pushBack(w)
	}
	b.dialForWaitersLocked(&after)
	return lease{}, w, true
}

// unlistLocked takes a connection out of the idle ones.
func (b *bucket) unlistLocked(c *Conn) {
	b.idle.remove(c)
	c.idle = false
	b.pool.idle.Add(-1)
}

// evictLocked takes a connection out, with its place.
func (b *bucket) evictLocked(c *Conn, reason CloseReason) {
	if c.idle {
		b.unlistLocked(c)
	}
	delete(b.conns, c)
	c.closed = reason
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
	return len(b.conns)+b.closing+len(b.dials)+b.waiters.len == 0
}

// dialForWaitersLocked begins a dial for each waiter that has none, first come
// first served, while there are places. Every waiter gets a dial of its own
// even if others are in progress that nobody waits for: those may hang. Where
// connections have sessions, one dial is for all.
func (b *bucket) dialForWaitersLocked(after *aftermath) {
	if b.closed {
		return
	}
	for w := b.waiters.first; w != nil && b.placeLocked(after); w = w.next {
		if w.dial == nil {
			b.dialLocked(w, after)
			b.pool.places.Add(1) // at once: Shutdown must not see none in between
		}
		if b.sessions {
			return
		}
	}
}

// placeLocked reports whether there is a place for one more connection. If not,
// an idle one makes way: if it could serve those who wait, nobody would wait.
func (b *bucket) placeLocked(after *aftermath) bool {
	limit := b.policy.maxConns
	if limit == 0 || len(b.conns)+b.closing+len(b.dials) < limit {
		return true
	}
	if b.idle.oldest == nil || b.closing > 0 {
		return false
	}
	c := b.idle.oldest
	b.evictLocked(c, ClosedMadeWay)
	after.victims = append(after.victims, c)
	b.closing++
	c.closing = true
	return false // not before it is closed
}

// dialLocked begins a dial for one waiter, with its values but not its
// cancellation.
func (b *bucket) dialLocked(w *waiter, after *aftermath) {
	d := &dial{bucket: b, owner: w}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(w.ctx))
	w.dial = d
	b.dials[d] = struct{}{}
	after.begin = append(after.begin, d)
}

// dialled takes in what a dial has come to. A connection serves the waiter
// that has this dial to itself, or the one that waits longest, or becomes
// idle. An error goes to the waiter for which the dial was begun, if it still
// waits.
func (b *bucket) dialled(d *dial, made link, failure grant, now instant) {
	var after aftermath
	if failure.err != nil {
		b.dialFailed(d, failure, &after)
		b.pool.settle(&after, now)
		return
	}
	c := newConn(b, made, rand.Float64(), now)
	c.watch()
	spare := b.admit(d, c, now, &after)
	b.pool.settle(&after, now)
	if spare {
		b.pool.release(c, now, false)
	}
	b.pool.watchSession(c)
}

// dialFailed passes on a failure.
func (b *bucket) dialFailed(d *dial, failure grant, after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.dials, d)
	if d.owner != nil {
		b.grantLocked(d.owner, failure)
	}
	for b.sessions && b.waiters.first != nil && b.waiters.first.dial == nil {
		b.grantLocked(b.waiters.first, failure) // the dial was for all of them
	}
	b.freeLocked(after)
}

// admit takes in a connection. If nobody waits for it, spare is true and it has
// a lease.
func (b *bucket) admit(d *dial, c *Conn, now instant, after *aftermath) (spare bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.dials, d)
	b.conns[c] = struct{}{}
	if b.closed {
		b.discardLocked(c, ClosedPoolClosed, after)
		return false
	}
	surplus := b.shareLocked(now) != nil || b.sessions && b.idle.newest != nil
	first := b.leaseLocked(c, now)
	served := b.waiters.first
	if d.owner != nil && !d.owner.queued {
		served = d.owner
	}
	if served != nil {
		b.passOnLocked(d, served)
		b.grantLocked(served, grant{lease: first})
	}
	if c.session != nil {
		b.sessions = true
		b.serveWaitersLocked(c, now)
		b.stopSpareDialsLocked(after)
	}
	if served == nil && surplus {
		b.discardLocked(c, ClosedSurplus, after)
		return false
	}
	return served == nil
}

// stopSpareDialsLocked stops the dials that nobody waits for.
func (b *bucket) stopSpareDialsLocked(after *aftermath) {
	for d := range b.dials {
		if d.owner == nil {
			after.stop = append(after.stop, d)
		}
	}
}

// passOnLocked keeps every waiter provided for when the dial of one has served
// another: the two swap dials.
func (b *bucket) passOnLocked(d *dial, served *waiter) {
	if owner := d.owner; owner != nil && owner != served {
		owner.dial = served.dial
		if served.dial != nil {
			served.dial.owner = owner
		}
		served.dial = nil
	}
}

// grantLocked ends a wait. A dial still in progress for the waiter goes on,
// for whoever comes.
func (b *bucket) grantLocked(w *waiter, g grant) {
	if w.queued {
		b.waiters.remove(w)
	}
	if w.dial != nil {
		w.dial.owner, w.dial = nil, nil
	}
	w.waiting = false
	w.ready <- g // never blocks: there is one grant, and room for it
}

// leave ends a wait from the waiter's side; false means that a grant came
// first.
func (b *bucket) leave(w *waiter) bool {
	var after aftermath
	b.mu.Lock()
	left := w.waiting
	if left {
		if w.queued {
			b.waiters.remove(w)
		}
		if d := w.dial; d != nil {
			d.owner, w.dial = nil, nil
			if b.draining {
				after.stop = append(after.stop, d) // nobody else will come for it
			}
		}
		w.waiting = false
		b.dialForWaitersLocked(&after) // where one dial is for all, it may have been this one's
		b.vacatedLocked(&after)
	}
	b.mu.Unlock()
	b.pool.settle(&after, instant{})
	return left
}

// putResult is what became of a connection that was given back.
type putResult int

const (
	putAway putResult = iota // it serves another, or is closed
	putIdle                  // it is idle
	putFull                  // the pool has no room for an idle one; it is leased still
)

// put takes a lease back. The connection serves whoever waits, becomes idle,
// or is closed. served says that an exchange was run. If it is kept, due says
// how soon the reaper must look at it.
func (b *bucket) put(c *Conn, now instant, served bool, after *aftermath) (result putResult, due time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closed != NotClosed {
		return putAway, 0
	}
	if c.leases == 0 {
		panic("ttlpool: Release of a connection that is not checked out")
	}
	c.reused = true
	if served {
		c.uses++
		c.idleSince = c.lastArrival(now)
	}
	c.leases--
	if c.leases > 0 {
		b.serveWaitersLocked(c, now)
		return putAway, 0
	}
	reason := b.unkeepableLocked(c, now)
	switch {
	case reason != NotClosed:
		b.discardLocked(c, reason, after)
	case b.waiters.first != nil:
		b.grantLocked(b.waiters.first, grant{lease: b.leaseLocked(c, now)})
		b.serveWaitersLocked(c, now)
	case b.makeRoomLocked(after):
		return putIdle, b.keepLocked(c, now)
	default:
		c.leases++
		return putFull, 0
	}
	return putAway, 0
}

// unkeepableLocked says why a connection that was given back cannot serve
// again, nor be kept if nobody waits for it.
func (b *bucket) unkeepableLocked(c *Conn, now instant) CloseReason {
	switch reason := b.policy.expired(c.lifetimeLocked(now), now); {
	case c.capacity == 0 || c.hungUp.Load():
		return ClosedHungUp
	case reason != NotClosed:
		return reason
	case b.waiters.first != nil && b.policy.tooOldFor(b.waiters.first.demand.strict, c.lifetimeLocked(now), now):
		return ClosedMadeWay
	case b.waiters.first != nil:
		return NotClosed
	case b.draining:
		return ClosedPoolClosed
	case b.keepNone:
		return ClosedCloseIdle
	}
	return NotClosed
}

// makeRoomLocked takes a place for an idle connection; false means that one of
// another address must go first. Where this address has as many as it may, the
// oldest makes way.
func (b *bucket) makeRoomLocked(after *aftermath) bool {
	if limit := b.policy.maxIdle; limit > 0 && b.idle.len >= limit {
		b.discardLocked(b.idle.oldest, ClosedMaxIdle, after)
	}
	return b.pool.reserveIdle()
}

// expired says why a connection that is leased should not be used at now.
func (b *bucket) expired(c *Conn, now instant) CloseReason {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.policy.expired(c.lifetimeLocked(now), now)
}

// keepLocked makes a connection idle, in the place that was made for it, and
// returns how soon the reaper must look at it.
func (b *bucket) keepLocked(c *Conn, now instant) time.Duration {
	after := b.idle.newest
	for after != nil && after.idleSince.monotonic > c.idleSince.monotonic {
		after = after.older
	}
	b.idle.insert(c, after)
	c.idle = true
	left, slack, limited := b.policy.due(c.lifetimeLocked(now), now)
	if limited == NotClosed {
		return noDelay
	}
	return left - slack/2
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

// sweepIdle discards the idle connections that are due. It returns how long
// the next sweep may wait, or next unchanged if that is sooner.
func (b *bucket) sweepIdle(now instant, next time.Duration, after *aftermath) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := b.idle.oldest; c != nil; {
		younger := c.newer
		switch left, slack, reason := b.policy.due(c.lifetimeLocked(now), now); {
		case reason == NotClosed:
		case left <= slack:
			b.discardLocked(c, reason, after)
		default:
			next = min(next, left-slack/2)
		}
		c = younger
	}
	return next
}

// evictIdle discards a connection if it is idle, and says for how long it was.
func (b *bucket) evictIdle(c *Conn, reason CloseReason, now instant, after *aftermath) (idle time.Duration, wasIdle bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.idle {
		return 0, false
	}
	b.discardLocked(c, reason, after)
	return elapsed(now, c.idleSince), true
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
	for b.waiters.first != nil {
		b.grantLocked(b.waiters.first, grant{err: ErrClosed})
	}
	for c := range b.conns {
		b.discardLocked(c, ClosedPoolClosed, after)
	}
	b.vacatedLocked(after)
}

// supplant closes a connection that its holder has found stale and begins a
// dial for the same request, in the same place: nobody else can take it, so
// the limit holds and the request need not queue again.
func (b *bucket) supplant(ctx context.Context, c *Conn, after *aftermath) (*waiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || c.closed != NotClosed && c.session == nil {
		return nil, ErrClosed
	}
	w := newWaiter(ctx, demand{})
	switch {
	case c.closed == NotClosed && c.leases == 1:
		b.evictLocked(c, ClosedStale)
		after.victims = append(after.victims, c)
		b.dialLocked(w, after)
		return w, nil
	case c.closed == NotClosed:
		c.leases-- // others go on with it, and nobody else
		c.capacity = 0
	}
	if b.placeLocked(after) {
		b.dialLocked(w, after)
		b.pool.places.Add(1)
	} else {
		b.waiters.pushFront(w)
	}
	return w, nil
}

// ttlLocked is the effective TTL of the connection used last, or what holds for
// a new one.
func (b *bucket) ttlLocked(now instant) time.Duration {
	var l lifetime
	if b.learns() {
		l.learned = b.lessons.timeout(now)
	}
	if b.idle.newest != nil {
		l = b.idle.newest.lifetimeLocked(now)
	}
	return b.policy.effectiveTTL(l)
}

// stats returns the gauges.
func (b *bucket) stats(now instant) HostStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return HostStats{
		Open:    len(b.conns),
		Idle:    b.idle.len,
		InUse:   len(b.conns) - b.idle.len,
		Dialing: len(b.dials),
		Waiting: b.waiters.len,
		TTL:     b.ttlLocked(now),
		Learned: b.lessons.evidence(),
	}
}
