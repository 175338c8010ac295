package ttlpool

import "time"

// A stale connection makes its siblings suspect: those to the same address that
// have been idle at least as long. Most of the time the same close has ended
// them too. They are looked at, and only the dead ones go: closing all would
// make every request dial at once.

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
