package ttlpool

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBlackHole is matched by the error of a request on a connection that leads
// nowhere any more: something on the way, as a NAT that has forgotten it, drops
// its packets, and neither end is told. Either the pool gave it up after
// [WithBlackHoleTimeout], or the system did (ETIMEDOUT), after a quarter of an
// hour. That error is also a [net.Error] whose Timeout is true.
var ErrBlackHole = errors.New("ttlpool: the peer's kernel acknowledges nothing any more")

// blackHoleError is ErrBlackHole with its circumstances.
type blackHoleError struct {
	after time.Duration
	acked int64 // bytes acknowledged over the connection's life
}

func (e *blackHoleError) Error() string {
	return fmt.Sprintf("black hole: nothing acknowledged for %v", e.after)
}
func (e *blackHoleError) Is(target error) bool { return target == ErrBlackHole }
func (e *blackHoleError) Timeout() bool        { return true }
func (e *blackHoleError) Temporary() bool      { return true }

// lookout finds black holes among the connections in use. It is one timer for
// the whole pool, set while there are such connections, and so costs a request
// one load.
//
// The tempting alternative is the kernel's own TCP_USER_TIMEOUT. It also ends
// a connection whose peer is alive but does not read for so long (Linux since
// 5.11): an upload to a busy server.
type lookout struct {
	pool   *Pool
	every  time.Duration // 0: there is nothing to look for
	posted atomic.Bool   // the timer is set, or runs

	mu      sync.Mutex // guards the rest; only the timer's own calls happen under it
	timer   *time.Timer
	stopped bool
}

// looksPerTimeout says how exact the timeout is: to one part of so many, or to a
// millisecond.
const looksPerTimeout = 4

func (l *lookout) init(p *Pool) {
	l.pool = p
	if shortest := p.config.shortestBlackHole(); shortest > 0 {
		l.every = max(shortest/looksPerTimeout, time.Millisecond)
	}
}

// shortestBlackHole is the shortest black-hole timeout of any address; 0 means
// that all are off.
func (c *config) shortestBlackHole() time.Duration {
	shortest := c.policy.blackHole
	for i := range c.hosts {
		if d := c.hosts[i].policy.blackHole; d > 0 {
			shortest = shorter(shortest, d)
		}
	}
	return shortest
}

// post makes sure that a connection in use is looked at.
func (l *lookout) post(c *Conn) {
	if l.every == 0 || c.wire == nil || c.wire.kernel == nil || l.posted.Load() {
		return
	}
	if l.posted.CompareAndSwap(false, true) {
		l.set()
	}
}

func (l *lookout) set() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
	case l.timer == nil:
		l.timer = time.AfterFunc(l.every, l.look)
	default:
		l.timer.Reset(l.every)
	}
}

// look is what the timer runs.
func (l *lookout) look() {
	now, inUse := readClocks(), false
	for _, b := range l.pool.snapshot() {
		for _, w := range b.wiresInUse() {
			inUse = true
			if limit := b.policy.blackHole; limit > 0 && w.silentFor(limit, now) {
				w.giveUp(limit)
			}
		}
	}
	if inUse {
		l.set()
		return
	}
	l.posted.Store(false)
	// A connection may have been taken since it was looked for, and its holder
	// have found the timer running.
	if l.pool.places.Load() > l.pool.idle.Load() && l.posted.CompareAndSwap(false, true) {
		l.set()
	}
}

// stop stops the timer for good.
func (l *lookout) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// wiresInUse returns the sockets on which an exchange may be running.
func (b *bucket) wiresInUse() (wires []*wire) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		if c.leases > 0 && c.wire != nil && c.wire.kernel != nil {
			wires = append(wires, c.wire)
		}
	}
	return wires
}

// stall is what the lookout has seen of a socket that waits for an
// acknowledgement.
type stall struct {
	acked int64   // so many bytes were acknowledged
	since instant // and no more since then; zero: it does not wait
}

// silentFor reports whether bytes have been on their way for so long, and
// nothing at all was heard from the peer's kernel meanwhile. What the peer has
// no room for is not on its way: a peer that does not read is alive. Only the
// lookout calls it.
func (w *wire) silentFor(limit time.Duration, now instant) bool {
	info, ok := w.kernel.Info()
	if !ok || !info.InFlight {
		w.stall = stall{}
		return false
	}
	if w.stall.since == (instant{}) || info.Acked != w.stall.acked {
		w.stall = stall{acked: info.Acked, since: now}
		return false
	}
	// Not elapsed: a suspended machine's peers are not to blame.
	waited := time.Duration(now.monotonic - w.stall.since.monotonic)
	return waited >= limit && info.SinceAck >= limit
}

// giveUp makes all that is done on the socket fail.
func (w *wire) giveUp(after time.Duration) {
	w.lost.Store(&blackHoleError{after: after, acked: w.stall.acked})
	_ = w.Conn.Close() // it does not block
}

// explain replaces an error that giveUp has brought about.
func (w *wire) explain(err error) error {
	if err == nil {
		return nil
	}
	if lost := w.lost.Load(); lost != nil {
		return lost
	}
	return err
}
