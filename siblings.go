package ttlpool

import "time"

// A stale connection makes its siblings suspect: those to the same address that
// have been idle at least as long. Most of the time the same close has ended
// them too. They are looked at, and only the dead ones go: closing all would
// make every request dial at once. Those that are left may be next: for a while, what
// could not be sent again is not risked on them.

// forgetful is the least idle time after which something on the way may have
// forgotten a connection. Then its siblings lead nowhere either, and no look
// shows it: each would cost a request the black-hole timeout.
const forgetful = 30 * time.Second

// checkSiblings evicts the dead ones among the idle connections that have been
// idle as long as the lease's was; all of them, if that one was forgotten.
func (p *Pool) checkSiblings(stale lease, blackHole bool) {
	var (
		now   = readClocks()
		after aftermath
		kept  []*Conn
	)
	for _, suspect := range stale.conn.bucket.leaseSiblings(stale, now) {
		c := suspect.conn
		why := c.unfit()
		if why == NotClosed && blackHole && stale.idle >= forgetful {
			why = ClosedStale
		}
		if why != NotClosed {
			c.bucket.reject(c, why, now, &after)
		} else if p.giveBack(c, now, nil, &after) {
			kept = append(kept, c)
		}
	}
	p.settle(&after, now) // when none is leased any more, because a hook may panic
	for _, c := range kept {
		p.traces.putIdle(c, now)
	}
}

// leaseSiblings leases the suspects, so that nobody gets one while it is looked
// at.
func (b *bucket) leaseSiblings(stale lease, now instant) (suspects []lease) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := b.idle.oldest; c != nil; {
		newer := c.newer
		if elapsed(now, c.idleSince) >= stale.idle {
			suspects = append(suspects, b.leaseLocked(c, now))
		}
		c = newer
	}
	return suspects
}

// leaving is how long a peer may take that hangs up on all its idle connections, one
// after the other and in one process after the other, as it does when it restarts.
const leaving = time.Second

// noteHangUp notes that a connection was found closed by the peer that had been idle.
func (b *bucket) noteHangUp(c *Conn, now instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noteHangUpLocked(c, now)
}

// noteHangUpLocked passes over a connection that had never served: a server waits for
// the first request with another timer.
func (b *bucket) noteHangUpLocked(c *Conn, now instant) {
	if c.uses > 0 && (b.lastHangUp == (instant{}) || now.monotonic > b.lastHangUp.monotonic) {
		b.lastHangUp = now
	}
}

// riskyLocked reports whether a request must not use a connection that others may: it
// is strict, for it could not be sent again, and the connection has been idle for long,
// or may be the next on which the peer hangs up.
func (b *bucket) riskyLocked(strict bool, life lifetime, now instant) bool {
	return strict && (b.policy.tooOldForStrict(life, now) || b.isNextLocked(life, now))
}

// isNextLocked reports whether the peer has just hung up on a connection, and nothing
// has come on this one since. One that has served since is not of those that are being
// closed. If it is so of one, it is of those that have been idle for longer.
func (b *bucket) isNextLocked(life lifetime, now instant) bool {
	if b.lastHangUp == (instant{}) || b.policy.strictOff() || life.idleSince.monotonic >= b.lastHangUp.monotonic {
		return false
	}
	return elapsed(now, b.lastHangUp) < leaving
}
