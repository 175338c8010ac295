package ttlpool

import "time"

// lease is the right to run one exchange on a connection. Where a connection
// has several at once, each knows its own beginning.
type lease struct {
	conn    *Conn
	reused  bool          // the connection had been given back before, or others are using it
	wasIdle bool          // it was idle just before
	idle    time.Duration // for how long, if it was
	rank    int           // how many there were then, this one included; more than one: others were using it
	since   instant       // when it began
}

// leaseLocked hands out a lease.
func (b *bucket) leaseLocked(c *Conn, now instant) lease {
	c.leases++
	l := lease{conn: c, reused: c.reused || c.leases > 1, wasIdle: c.idle, rank: c.leases, since: now}
	if c.idle {
		b.unlistLocked(c)
	}
	if c.leases == 1 {
		c.idleAtLease = elapsed(now, c.idleSince)
		l.idle = c.idleAtLease
	}
	c.readBefore = c.read.Load()
	return l
}

// hasServed reports whether a connection is not fresh any more: an exchange has ended
// well on it, of whichever of those who share it, or it has been idle. Only then
// can what fails on it be no fault of the request.
func (b *bucket) hasServed(c *Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.reused
}

// unfit reports whether a reused connection cannot be used after all, and why it
// must be given up; NotClosed: it is good for the others, but has no room for this
// lease. One that comes late, to a waiter who woke up or behind hooks, has aged
// meanwhile: by milliseconds, or by hours if the machine was suspended.
func (l lease) unfit(late bool, now instant) (why CloseReason, unfit bool) {
	c := l.conn
	if late {
		if why = c.bucket.expired(l, now); why != NotClosed {
			return why, true
		}
	}
	if c.session == nil {
		why = c.unfit()
		return why, why != NotClosed
	}
	return NotClosed, !l.hasRoom(now)
}

// hasRoom asks a session how many exchanges may run, and reports whether this one
// may. If there are too many, those go that came last.
func (l lease) hasRoom(now instant) bool {
	var after aftermath
	leases, capacity := l.conn.askCapacity(now, &after)
	l.conn.bucket.pool.settleFor(&turn{lease: l}, &after, now)
	return leases <= capacity || l.rank <= capacity
}

// secondLook is how old a lease may be when its exchange begins. After more,
// which a hook may have taken, or a machine that is busy, its connection is
// looked at again.
const secondLook = time.Millisecond

// gone is unfit for a connection that was leased a while ago.
func (l lease) gone(now instant) (why CloseReason, gone bool) {
	if !l.reused || elapsed(now, l.since) <= secondLook {
		return NotClosed, false
	}
	why, gone = l.unfit(true, now)
	return why, gone || l.conn.bucket.isCrowded(l.conn) // who came later may run already
}
