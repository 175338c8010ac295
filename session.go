package ttlpool

import "net"

// session is a protocol on a connection that runs several exchanges at once. A
// connection without one runs one.
type session interface {
	// Capacity is how many exchanges may run at once, 0 if no more may begin.
	Capacity() int
	// Watch makes changed be called when the capacity may have changed.
	Watch(changed func())
	// Close closes the connection; exchanges that run fail.
	Close() error
}

// link is what a dial comes to.
type link struct {
	conn    net.Conn
	session session // or nil
}

// watchSession follows the capacity of a connection's session. It is called
// once the pool knows the connection.
//
// A fall of the capacity is not told of. So every checkout of a connection that is
// in use asks, and goes to another if there are too many for it: the peer's first
// settings often come only when the first exchange is running.
//
// A GOAWAY on an idle connection is not told of, see h2.Conn.Watch. Such a
// connection stays open, and counts as idle, until the server's FIN follows,
// which is told of, or its TTL, if it has one, has run out; a checkout before
// that asks for the capacity, and closes it (lease.unfit). To listen in on what
// the session reads would cost every read of every session to close a few
// sockets sooner.
func (p *Pool) watchSession(c *Conn) {
	if c.session == nil {
		return
	}
	changed := func() {
		var after aftermath
		now := readClocks()
		c.askCapacity(now, &after)
		p.settle(&after, now)
	}
	c.session.Watch(changed)
	changed() // for what came before
}

// askCapacity takes in what the session says, and returns how many leases are out
// and how many there may be.
func (c *Conn) askCapacity(now instant, after *aftermath) (leases, capacity int) {
	turn := c.asked.Add(1)
	return c.bucket.setCapacity(c, c.session.Capacity(), turn, now, after)
}

// setCapacity takes in what the session has said, unless it has been asked later
// and that was taken in before: nobody would come to say again that it has grown.
// It returns how many leases are out and how many there may be.
//
// A session that takes no more exchanges is retired: its connection is closed
// when the last has ended. That is for good: the session is asked without the
// lock, so that what it said before a GOAWAY may be taken in after it.
func (b *bucket) setCapacity(c *Conn, capacity int, turn uint64, now instant, after *aftermath) (leases, allowed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		defer b.stopSpareDialsLocked(after)
	}
	if capacity == 0 && c.leases > 0 && !c.over {
		c.over = true
		defer b.dialForWaitersLocked(after) // in its place
	}
	if c.closed != NotClosed || c.retired != NotClosed {
		return c.leases, 0
	}
	if turn < c.answered {
		return c.leases, c.capacity
	}
	c.answered, c.capacity = turn, capacity
	if capacity == 0 {
		c.retired = ClosedHungUp
	}
	switch {
	case capacity > 0:
		b.serveWaitersLocked(c, now)
	case c.leases == 0:
		b.discardLocked(c, ClosedHungUp, after)
	default:
		b.dialForWaitersLocked(after)
	}
	return c.leases, c.capacity
}

// isCrowded reports whether more leases are out than there may be.
func (b *bucket) isCrowded(c *Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.leases > c.capacity
}

// retire lets those who run an exchange on a connection go on with it, and
// nobody else, whatever the session says of its capacity when they end. The
// caller is one of them.
func (b *bucket) retire(c *Conn, why CloseReason, after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.retired, c.capacity = why, 0
	b.dialForWaitersLocked(after)
}

// serveWaitersLocked lets those who wait share a connection, as far as its
// capacity goes.
func (b *bucket) serveWaitersLocked(c *Conn, now instant) {
	for b.waiters.first != nil && c.leases > 0 && b.sharableLocked(c, now) {
		b.grantLocked(b.waiters.first, grant{lease: b.leaseLocked(c, now)})
	}
}

// overLocked finds a connection whose session is over, though somebody has a
// response on it that he does not read: it has no right to its place.
func (b *bucket) overLocked() *Conn {
	if !b.sessions {
		return nil
	}
	for c := range b.conns {
		if c.over {
			return c
		}
	}
	return nil
}

// sharableLocked reports whether one more exchange may begin on a connection
// that is in use. Its idle time does not matter then.
func (b *bucket) sharableLocked(c *Conn, now instant) bool {
	l := c.lifetimeLocked(now)
	l.uses += c.leases
	return c.leases < c.capacity && b.policy.worn(l, now) == NotClosed
}

// hasSessionLocked reports whether a connection is open that takes several
// exchanges, though perhaps no more at the moment.
func (b *bucket) hasSessionLocked() bool {
	for c := range b.conns {
		if c.session != nil && c.retired == NotClosed {
			return true
		}
	}
	return false
}

// shareLocked finds a connection in use that takes one more exchange.
func (b *bucket) shareLocked(now instant) *Conn {
	if !b.sessions {
		return nil
	}
	for c := range b.conns {
		if c.session != nil && c.leases > 0 && b.sharableLocked(c, now) {
			return c
		}
	}
	return nil
}
