package ttlpool

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/ttlpool/ttlpool/internal/connect"
)

// DialFunc makes a connection, ready to use. It is called without the
// cancellation of the request that needs it, but with its values: the
// connection may serve somebody else if that request gives up. It should set
// a timeout of its own.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dial is one dial in progress. It takes a place within the limit of
// connections, which the connection inherits.
type dial struct {
	bucket *bucket
	ctx    context.Context
	cancel context.CancelFunc
	owner  *waiter // who gets the error, or nil; guarded by bucket.mu
}

var (
	errDialNil    = errors.New("ttlpool: the dial function returned neither a connection nor an error")
	errDialExited = errors.New("ttlpool: the dial function ended its goroutine")
)

// run dials and hands over what comes of it. That is deferred, because a caller's
// dial function may panic, which goes to the request that waits for it, or end
// the goroutine.
func (d *dial) run() {
	var (
		made     link
		err      = errDialExited
		panicked any
		begun    = time.Now()
	)
	defer func() {
		if err == errDialExited {
			panicked = recover()
		}
		d.cancel()
		if err != nil {
			d.bucket.past.tally.count(eventDialError, 1)
		}
		took := time.Since(begun)
		d.bucket.dialled(d, made, grant{err: err, panicked: panicked}, readClocks())
		// Last, so that the hook may wait for a connection.
		d.bucket.pool.traces.dialDone(d.bucket.key.address, took, err)
	}()
	made, err = d.bucket.pool.dial(d.ctx, d.bucket.key)
	if err == nil && connect.IsNil(made.conn) {
		err = errDialNil
	}
}

// dialForWaitersLocked begins a dial for each waiter that has none, first come
// first served, while there are places. Every waiter gets a dial of its own
// even if others are in progress that nobody waits for: those may hang. Where
// connections have sessions, one dial is for all.
func (b *bucket) dialForWaitersLocked(after *aftermath) {
	if b.closed || !b.dialForSecondTriesLocked(after) || b.sessions && b.waitedForLocked() {
		return
	}
	for w := b.waiters.first; w != nil; w = w.next {
		if w.dial == nil {
			if !b.placeLocked(after) {
				return
			}
			b.dialLocked(w, after)
			b.pool.places.Add(1) // at once: Shutdown must not see none in between
		}
		if b.sessions {
			return
		}
	}
}

// waitedForLocked reports whether somebody in the queue has a dial, wherever it
// stands: who was turned away stands before it.
func (b *bucket) waitedForLocked() bool {
	for d := range b.dials {
		if d.owner != nil && d.owner.queue == &b.waiters {
			return true
		}
	}
	return false
}

// dialForSecondTriesLocked begins a dial for each second try, which from then on
// has it to itself; false means that there is no place for another.
func (b *bucket) dialForSecondTriesLocked(after *aftermath) bool {
	for b.second.first != nil {
		if !b.placeLocked(after) {
			return false
		}
		w := b.second.first
		b.second.remove(w)
		b.dialLocked(w, after)
		b.pool.places.Add(1)
	}
	return true
}

// placeLocked reports whether there is a place for one more connection. If not,
// an idle one makes way: if it could serve those who wait, nobody would wait. So
// does one whose session is over.
func (b *bucket) placeLocked(after *aftermath) bool {
	if b.hasPlaceLocked() {
		return true
	}
	c, reason := b.idle.oldest, ClosedMadeWay
	if c == nil {
		c, reason = b.overLocked(), ClosedHungUp
	}
	if c == nil || b.closing > 0 {
		return false
	}
	b.evictLocked(c, reason)
	after.victims = append(after.victims, c)
	b.closing++
	c.closing = true
	return false // not before it is closed
}

// hasPlaceLocked reports whether there may be one more connection.
func (b *bucket) hasPlaceLocked() bool {
	limit := b.policy.maxConns
	return limit == 0 || len(b.conns)+b.closing+len(b.dials) < limit
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

// dialFailed passes on a failure. That of a dial for nobody, which may have been
// stopped, is nobody's; those who wait get another dial.
func (b *bucket) dialFailed(d *dial, failure grant, after *aftermath) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.dials, d)
	if w := d.owner; w != nil {
		forAll := b.sessions && w.queue == &b.waiters
		b.grantLocked(w, failure)
		for forAll && b.waiters.first != nil && b.waiters.first.dial == nil {
			b.grantLocked(b.waiters.first, failure)
		}
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
	if c.wire != nil {
		b.farthest = max(b.farthest, c.wire.longestRoundTrip())
	}
	if b.closed {
		b.discardLocked(c, ClosedPoolClosed, after)
		return false
	}
	surplus := b.shareLocked(now) != nil || b.sessions && b.idle.newest != nil
	first := b.leaseLocked(c, now)
	served := b.waiters.first
	if d.owner != nil && d.owner.queue == nil {
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
	} else if b.sessions {
		b.sessions = b.hasSessionLocked()
		b.dialForWaitersLocked(after) // this one was to be for all
	}
	if served == nil && surplus {
		b.discardLocked(c, ClosedSurplus, after)
		return false
	}
	return served == nil
}

// stopSpareDialsLocked stops the dials that nobody waits for, and begins another
// where somebody has relied on one of them.
func (b *bucket) stopSpareDialsLocked(after *aftermath) {
	for d := range b.dials {
		if d.owner == nil {
			after.stop = append(after.stop, d)
		}
	}
	b.dialForWaitersLocked(after)
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

// supplant closes a connection that has failed its holder and begins a dial for
// the same request, in the same place: nobody else can take it, so the limit
// holds and the request need not queue again.
func (b *bucket) supplant(ctx context.Context, c *Conn, reason CloseReason, after *aftermath) (*waiter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || c.closed != NotClosed && c.session == nil {
		return nil, ErrClosed
	}
	w := newWaiter(ctx, demand{})
	switch {
	case c.closed == NotClosed && c.leases == 1:
		b.evictLocked(c, reason)
		after.victims = append(after.victims, c)
		b.dialLocked(w, after)
		return w, nil
	case c.closed == NotClosed:
		c.leases-- // others go on with it, and nobody else
		c.retired, c.capacity = reason, 0
	}
	if b.placeLocked(after) {
		b.dialLocked(w, after)
		b.pool.places.Add(1)
	} else {
		b.second.pushBack(w)
	}
	return w, nil
}

// dialBeside begins a dial for one request, as supplant does, but takes no
// connection's place; nil means that there is none to take.
func (b *bucket) dialBeside(ctx context.Context, after *aftermath) *waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || !b.hasPlaceLocked() {
		return nil
	}
	w := newWaiter(ctx, demand{})
	b.dialLocked(w, after)
	b.pool.places.Add(1)
	return w
}
