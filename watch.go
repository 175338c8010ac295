package ttlpool

import (
	"github.com/ttlpool/ttlpool/internal/opaque"
)

// watch has the pool told at once when the peer hangs up. It is called once,
// before the connection is handed out. A session notices by itself.
func (c *Conn) watch() {
	if c.session == nil {
		c.watched = c.bucket.pool.watch.Register(bare(belowTLS(c.inner)), func() { c.bucket.pool.peerClosed(c) })
	}
}

// listen is watch for a connection without a socket, while it is idle.
func (c *Conn) listen() {
	o, ok := belowTLS(c.inner).(*opaque.Conn)
	if !ok || c.session != nil {
		return
	}
	o.Listen(func() {
		switch why := c.overheard(); why {
		case NotClosed: // somebody has read it
		case ClosedHungUp:
			c.bucket.pool.peerClosed(c)
		default: // of which there is nothing to learn
			c.bucket.pool.evictIdle(c, why)
		}
	})
}

// overheard says why a connection without a socket cannot be used again, by what
// has come on it while nobody read. It may be asked under a lock; a look at a
// socket may not.
func (c *Conn) overheard() CloseReason {
	if h, ok := c.probe.(heard); ok && c.session == nil {
		return h.look()
	}
	return NotClosed
}

// peerClosed is called at once when the peer of a connection hangs up, and must not
// take long.
func (p *Pool) peerClosed(c *Conn) {
	now := readClocks()
	c.hungUp.Store(true)
	var after aftermath
	idle, wasIdle, served := c.bucket.evictIdle(c, ClosedHungUp, now, &after)
	taught := served && c.bucket.learns() // before the first request servers have another timeout
	if taught && c.bucket.lessons.note(idle, now) {
		p.reaper.wakeWithin(0, now) // for those that are idle already
	}
	p.carryOut(&after)
	if wasIdle && p.isObserved() {
		p.tellLater(c, after.victims, taught, now)
	}
}

// isObserved reports whether there is anybody to tell.
func (p *Pool) isObserved() bool { return len(p.traces) > 0 || p.config.logger != nil }

// tellLater tells of connections that were closed with the one whose peer hung up.
func (p *Pool) tellLater(c *Conn, closed []*Conn, taught bool, now instant) {
	p.hooks.later(func() {
		p.tell(&aftermath{victims: closed}, now)
		if taught {
			p.warn(c, now) // last: a hook that waits for a connection may wait for this one's place
		}
	})
}

// evictIdle closes a connection that was spoilt while it was idle, unless it has
// been handed out meanwhile: then its holder finds out.
func (p *Pool) evictIdle(c *Conn, why CloseReason) {
	var after aftermath
	now := readClocks()
	c.bucket.evictIdle(c, why, now, &after)
	p.settle(&after, now)
}

func (b *bucket) learns() bool { return !b.policy.learningOff }
