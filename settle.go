package ttlpool

import (
	"context"
	"log/slog"
)

// aftermath is what a change of a bucket entails that must not happen under
// its lock.
type aftermath struct {
	begin   []*dial
	stop    []*dial
	victims []*Conn
	kept    *Conn     // given back by a request that had no room on it
	shut    int       // so many of the victims are closed already
	vacated []*bucket // have nothing left in them
	freed   int       // places given up
}

// settle does what must not be done under a lock. Hooks come last, because one
// may wait for a connection.
func (p *Pool) settle(after *aftermath, now instant) {
	p.carryOut(after)
	p.tell(after, now)
}

// turn is what a request has come to: a lease, or a place among those who wait.
type turn struct {
	lease  lease
	waiter *waiter // nil: it has a lease, or failed
	bucket *bucket
	told   bool // hooks were told meanwhile, which may have taken long
}

// settleFor is settle on behalf of a request that has got its turn. If a hook
// panics, the request ends there, and must leave nothing behind.
func (p *Pool) settleFor(t *turn, after *aftermath, now instant) {
	p.carryOut(after)
	if len(after.victims) == 0 && after.kept == nil {
		return
	}
	defer func() {
		switch {
		case t.told:
		case t.waiter != nil:
			p.forgo(t.bucket, t.waiter)
		case t.lease.conn != nil:
			p.release(t.lease.conn, now, false)
		}
	}()
	p.tell(after, now)
	t.told = true
}

// carryOut is settle without the hooks. Closing comes before dialling, so that
// the peer does not see more connections than the limit allows.
func (p *Pool) carryOut(after *aftermath) {
	for after.shut < len(after.victims) { // one that is gone may make another go
		c := after.victims[after.shut]
		after.shut++
		c.shut()
		c.bucket.gone(c, after)
	}
	for _, d := range after.begin {
		d.bucket.past.tally.count(eventDial, 1)
		go d.run()
	}
	for _, d := range after.stop {
		d.cancel()
	}
	for _, b := range after.vacated {
		p.drop(b)
	}
	if after.freed > 0 {
		p.vacate(after.freed)
	}
	after.begin, after.stop, after.vacated, after.freed = nil, nil, nil, 0
}

// tell reports the connections that were closed, and one that is kept.
func (p *Pool) tell(after *aftermath, now instant) {
	for _, c := range after.victims {
		p.noteClosed(c, now)
	}
	if after.kept != nil {
		p.traces.putIdle(after.kept, now)
	}
}

// noteClosed reports a closed connection.
func (p *Pool) noteClosed(c *Conn, now instant) {
	p.traces.connClosed(c, now)
	if log := p.config.logger; log != nil {
		info := c.infoAt(now)
		log.LogAttrs(context.Background(), slog.LevelDebug, "connection closed",
			slog.String("address", info.Address), slog.String("reason", info.Closed.String()),
			slog.Duration("age", info.Age), slog.Duration("idle", info.Idle), slog.Int("uses", info.Uses))
	}
}
