package ttlpool

import (
	"time"
)

// putResult is what became of a connection that was given back.
type putResult int

const (
	putAway putResult = iota // it serves another, or is closed
	putIdle                  // it is idle
	putFull                  // the pool has no room for an idle one; it is leased still
)

// completed is an exchange that was run.
type completed struct{ arrived instant } // when its last byte came, as far as is known

// put takes a lease back, after an exchange or, if that is nil, without one. The
// connection serves whoever waits, becomes idle, or is closed. If it is kept,
// due says how soon the reaper must look at it.
func (b *bucket) put(c *Conn, now instant, served *completed, after *aftermath) (result putResult, due time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.closed != NotClosed {
		return putAway, 0
	}
	if c.leases == 0 {
		panic("ttlpool: Release of a connection that is not checked out")
	}
	if b.draining {
		defer b.stopSpareDialsLocked(after) // nobody else will come for what a waiter leaves behind
	}
	leased := c.idleSince.before(-c.idleAtLease)
	if served != nil {
		c.uses++
		c.idleSince = served.arrived
	}
	c.leases--
	c.reused = c.reused || served != nil || c.leases == 0
	if c.leases > 0 {
		b.serveWaitersLocked(c, now)
		return putAway, 0
	}
	if served != nil {
		b.lessons.outlive(c.idleAtLease, leased, true)
	}
	life := c.lifetimeLocked(now)
	user, makesWay := b.userLocked(c, now)
	reason := b.unkeepableLocked(c, life, user, now)
	if reason == NotClosed && makesWay {
		reason = ClosedMadeWay
	}
	switch {
	case reason != NotClosed:
		b.discardLocked(c, reason, after)
	case user != nil:
		b.grantLocked(user, grant{lease: b.leaseLocked(c, now)})
		b.serveWaitersLocked(c, now)
	case b.makeRoomLocked(after):
		return putIdle, b.keepLocked(c, life, now)
	default:
		c.leases++
		return putFull, 0
	}
	return putAway, 0
}

// dismiss gives up a connection for which the pool had no room, unless another
// request has come to share it meanwhile.
func (b *bucket) dismiss(c *Conn, now instant, after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c.closed != NotClosed:
	case c.leases > 1:
		c.leases--
		b.serveWaitersLocked(c, now)
	default:
		b.discardLocked(c, ClosedMaxIdle, after)
	}
}

// reject gives up a connection that has proved unfit when it was looked at. The
// caller has a lease; on one with a session others may be running exchanges
// still.
func (b *bucket) reject(c *Conn, why CloseReason, now instant, after *aftermath) {
	if c.session == nil {
		b.discard(c, why, after)
		return
	}
	b.retire(c, why, after)
	b.put(c, now, nil, after)
}

// unkeepableLocked says why a connection that was given back cannot serve
// again, nor be kept if nobody waits who may use it.
func (b *bucket) unkeepableLocked(c *Conn, life lifetime, user *waiter, now instant) CloseReason {
	switch expired, overheard := b.policy.expired(life, now), c.overheard(); {
	case c.retired != NotClosed:
		return c.retired
	case c.halved.Load():
		return ClosedByHolder
	case c.capacity == 0 || c.hungUp.Load():
		return ClosedHungUp
	case overheard != NotClosed: // before it was listened to, or before it is idle: nobody will tell of it
		return overheard
	case expired != NotClosed:
		return expired
	case b.second.len > b.closing: // each place that is being freed serves one
		return ClosedMadeWay
	case user != nil:
		return NotClosed
	case b.draining:
		return ClosedPoolClosed
	case b.keepNone:
		return ClosedCloseIdle
	}
	return NotClosed
}

// userLocked returns the first of those who wait that may use a connection. It has to
// make way where one who stands before them must not use it, and has no other place: a
// dial of its own, or one that is being freed.
func (b *bucket) userLocked(c *Conn, now instant) (user *waiter, makesWay bool) {
	if b.waiters.first == nil || !b.riskyLocked(true, c.lifetimeLocked(now), now) {
		return b.waiters.first, false
	}
	without := b.second.len // each place that is being freed serves one
	shared := b.sessions && b.waitedForLocked()
	for w := b.waiters.first; w != nil; w = w.next {
		if !w.demand.strict {
			return w, false
		}
		if w.dial == nil && !shared {
			without++
		}
		if without > b.closing {
			return nil, true
		}
	}
	return nil, false
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

// keepLocked makes a connection idle, in the place that was made for it, and
// returns how soon the reaper must look at it.
func (b *bucket) keepLocked(c *Conn, life lifetime, now instant) time.Duration {
	after := b.idle.newest
	for after != nil && after.idleSince.monotonic > c.idleSince.monotonic {
		after = after.older
	}
	b.idle.insert(c, after)
	c.idle = true
	left, slack, limited := b.policy.due(life, now, b.pool.idle.Load())
	if limited == NotClosed {
		return noDelay
	}
	return left - slack/2
}
