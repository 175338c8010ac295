package ttlpool

import "time"

// lease is the right to run one exchange on a connection. Where a connection
// has several at once, each knows its own beginning.
type lease struct {
	conn    *Conn
	reused  bool          // the connection had been given back before
	wasIdle bool          // it was idle just before
	idle    time.Duration // for how long, if it was
}

// leaseLocked hands out a lease.
func (b *bucket) leaseLocked(c *Conn, now instant) lease {
	l := lease{conn: c, reused: c.reused || c.leases > 0, wasIdle: c.idle}
	if c.idle {
		b.unlistLocked(c)
	}
	if c.leases == 0 {
		c.idleAtLease = elapsed(now, c.idleSince)
		l.idle = c.idleAtLease
	}
	c.leases++
	c.readBefore = c.read.Load()
	return l
}

// unfit says why a reused connection cannot be used after all. One that was
// waited for has aged while its waiter woke up: by milliseconds, or by hours if
// the machine was suspended.
func (l lease) unfit(waited bool, now instant) CloseReason {
	if waited {
		if reason := l.conn.bucket.expired(l.conn, now); reason != NotClosed {
			return reason
		}
	}
	return l.conn.unfit()
}
