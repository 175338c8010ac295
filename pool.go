package ttlpool

import (
	"container/list"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool/internal/hangup"
)

// Pool keeps connections for reuse, by network and address. It knows nothing
// of HTTP: a [Transport] is built on it, and a client of any protocol in which
// the client speaks first can use it alone. It is safe for concurrent use.
//
// Whether an idle connection is still alive is checked when it is handed out,
// as far as the system allows: a socket that the peer has closed, or on which it
// has sent bytes unasked, is never handed out.
type Pool struct {
	config  *config
	dial    func(context.Context, key) (link, error)
	traces  traces
	reaper  reaper
	lookout lookout
	watch   hangup.Watch
	hooks   notifier // of what the watch has seen

	idle    atomic.Int64  // idle connections
	places  atomic.Int64  // open connections and dials in progress
	barred  atomic.Bool   // no bucket lets in a new request any more
	drained chan struct{} // closed when places has come to 0 after that
	drain   sync.Once
	warned  warned

	forgotten tally // of the keys that pasts no longer has

	// mu guards the rest. A bucket's mutex and those of lessons may be taken
	// under it; nothing else happens there.
	mu       sync.RWMutex
	buckets  map[key]*bucket
	pasts    map[key]*past // one for each bucket, and for each of dormant
	dormant  list.List     // the keys that have no bucket now, the one without for longest first
	draining bool
	closed   bool
}

// NewPool returns a pool whose connections are made by dial, or by a
// [net.Dialer] with a timeout of 30 seconds if dial is nil. It is an error if
// options contradict each other.
func NewPool(dial DialFunc, opts ...PoolOption) (*Pool, error) {
	c := defaultConfig()
	for _, opt := range opts {
		if opt == nil {
			return nil, errNilOption
		}
		if err := opt.applyPool(c); err != nil {
			return nil, err
		}
	}
	if err := c.policy.validateStated(); err != nil {
		return nil, err
	}
	if err := c.settle(); err != nil {
		return nil, err
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	return newPool(c, func(ctx context.Context, k key) (link, error) {
		conn, err := dial(ctx, k.network, k.address)
		return link{conn: wired(conn)}, err
	}), nil
}

func newPool(c *config, dial func(context.Context, key) (link, error)) *Pool {
	p := &Pool{
		config:  c,
		dial:    dial,
		traces:  c.traces,
		drained: make(chan struct{}),
		buckets: make(map[key]*bucket),
		pasts:   make(map[key]*past),
	}
	p.reaper.pool = p
	p.reaper.alarm.Store(noAlarm)
	p.lookout.init(p)
	return p
}

// Get returns a connection to the address: the one used last of those that are
// idle, or a new one. It waits while [WithMaxConnsPerHost] allows no other,
// until a connection is free or the context ends; then the error is the
// context's cause. After Close or Shutdown it returns [ErrClosed]. A failed
// dial's error comes back as it is, and a panic of the dial function panics
// here.
func (p *Pool) Get(ctx context.Context, network, address string) (*Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	l, err := p.acquire(ctx, demand{key: key{network: network, address: address}})
	return l.conn, err
}

// Stats returns a snapshot of what the pool holds and has done.
func (p *Pool) Stats() Stats {
	now := readClocks()
	s := p.remembered(now)
	for _, b := range p.snapshot() {
		h := b.stats(now)
		s.addHost(b.key.address, h)
		s.Counts.add(h.Counts)
	}
	return s
}

// acquire leases a connection.
func (p *Pool) acquire(ctx context.Context, d demand) (lease, error) {
	d.begun = readClocks()
	return p.acquireInstead(ctx, d, d.begun, nil, NotClosed)
}

// acquireInstead leases a connection in place of one that its holder has found unfit,
// if he has: that one's place, and his own among those who wait, are kept. The
// liveness of a reused one is looked at outside the lock; while that is being done,
// it is leased.
func (p *Pool) acquireInstead(ctx context.Context, d demand, now instant, refused *Conn, why CloseReason) (lease, error) {
	for {
		t, err := p.take(ctx, d, now, refused, why)
		if err != nil {
			return lease{}, err
		}
		l := t.lease
		if t.waiter != nil {
			if l, err = p.wait(ctx, t.bucket, t.waiter, d.begun); err != nil {
				return lease{}, err
			}
		}
		late := t.waiter != nil || t.told
		if late {
			now = readClocks()
		}
		if l.reused {
			var unfit bool
			if why, unfit = l.unfit(late, now); unfit {
				refused = l.conn
				continue
			}
			l.conn.bucket.past.tally.count(eventReuse, 1)
		}
		p.handOut(l.conn, now)
		return l, nil
	}
}

// handOut tells of a checkout. Of a hook that panics the lease is taken back: it
// never gets to its holder.
func (p *Pool) handOut(c *Conn, now instant) {
	p.lookout.post(c)
	told := false
	defer func() {
		if !told {
			p.release(c, now, false)
		}
	}()
	p.traces.gotConn(c, now)
	told = true
}

// take leases an idle connection of the demanded key, or queues a waiter there,
// in place of one that has proved unfit, if any has. That goes only then: its place
// keeps the pool from having drained.
func (p *Pool) take(ctx context.Context, d demand, now instant, refused *Conn, why CloseReason) (t turn, err error) {
	var after aftermath
	if refused.saidGoodbye(why) { // the watch may not have told: and the next to be taken may be the next to be closed
		refused.bucket.noteHangUp(refused, now)
	}
	for ok := false; !ok && err == nil; {
		if t.bucket, err = p.bucket(d.key, refused != nil); err == nil {
			t.lease, t.waiter, ok = t.bucket.take(ctx, d, now, refused != nil, &after)
		}
	}
	switch {
	case refused == nil:
	case why != NotClosed:
		refused.bucket.reject(refused, why, now, &after)
	case p.giveBack(refused, now, nil, &after): // and it is the last lease of all
		after.kept = refused
	}
	p.settleFor(&t, &after, now)
	return t, err
}

// bucket finds the bucket of k, or makes it.
func (p *Pool) bucket(k key, again bool) (*bucket, error) {
	p.mu.RLock()
	b, refused := p.buckets[k], p.closed || p.draining && !again
	p.mu.RUnlock()
	if refused {
		return nil, ErrClosed
	}
	if b != nil {
		return b, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.draining {
		return nil, ErrClosed
	}
	if b = p.buckets[k]; b == nil {
		b = newBucket(p, k)
		p.buckets[k] = b
	}
	return b, nil
}

// wait waits for a grant.
func (p *Pool) wait(ctx context.Context, b *bucket, w *waiter, begun instant) (lease, error) {
	var timeout <-chan time.Time
	limit := b.policy.acquireTimeout
	if limit > 0 {
		timer := time.NewTimer(limit - elapsed(readClocks(), begun))
		defer timer.Stop()
		timeout = timer.C
	}
	tally := &b.past.tally
	tally.countLate(eventWait, 1)
	defer func() { tally.countLate(eventWaitNanos, int64(elapsed(readClocks(), begun))) }()
	select {
	case g := <-w.ready:
		return g.take()
	case <-ctx.Done():
		p.forgo(b, w)
		return lease{}, context.Cause(ctx)
	case <-timeout:
		tally.countLate(eventWaitTimeout, 1)
		p.forgo(b, w)
		return lease{}, &acquireTimeoutError{address: b.key.address, waited: limit}
	}
}

// forgo ends a wait without a connection. What was granted meanwhile goes back.
func (p *Pool) forgo(b *bucket, w *waiter) {
	if b.leave(w) {
		return
	}
	if g := <-w.ready; g.lease.conn != nil {
		p.release(g.lease.conn, readClocks(), false)
	}
}

// release takes a lease back; served says that an exchange has been run.
func (p *Pool) release(c *Conn, now instant, served bool) (kept bool) {
	var exchange *completed
	if served {
		if why := c.takenInByTLS(); why != NotClosed {
			p.discard(c, why, now)
			return false
		}
		exchange = &completed{arrived: c.lastArrival(now)} // asks the kernel: not under a lock
	}
	var after aftermath
	kept = p.giveBack(c, now, exchange, &after)
	p.settle(&after, now)
	if kept {
		p.traces.putIdle(c, now)
	}
	return kept
}

// giveBack is release without the hooks.
func (p *Pool) giveBack(c *Conn, now instant, served *completed, after *aftermath) (kept bool) {
	c.listen() // before anybody else can have it
	result, due := c.bucket.put(c, now, served, after)
	for result == putFull {
		// Room is made without the bucket's lock, because the connection that
		// goes may be in another bucket.
		if p.evictOldIdle(after) {
			result, due = c.bucket.put(c, now, nil, after)
		} else {
			result = putAway
			c.bucket.dismiss(c, now, after)
		}
	}
	if result == putIdle {
		p.reaper.wakeWithin(due, now)
	}
	return result == putIdle
}

// reserveIdle takes one of the places for idle connections, if there is one.
func (p *Pool) reserveIdle() bool {
	limit := int64(p.config.maxIdle)
	for {
		n := p.idle.Load()
		if limit > 0 && n >= limit {
			return false
		}
		if p.idle.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// evictionSample is how many addresses evictOldIdle compares. Comparing all
// would make each release cost as much as there are addresses.
const evictionSample = 16

// evictOldIdle takes out an idle connection that has been idle long.
func (p *Pool) evictOldIdle(after *aftermath) bool {
	var (
		from   *bucket
		oldest instant
		looked int
	)
	p.mu.RLock()
	for _, b := range p.buckets { // in random order
		if since, any := b.oldestIdle(); any {
			if from == nil || since.monotonic < oldest.monotonic {
				from, oldest = b, since
			}
			if looked++; looked == evictionSample {
				break
			}
		}
	}
	p.mu.RUnlock()
	if from == nil {
		return false
	}
	from.evictOldest(after)
	return true
}

// replace closes a connection that has failed its holder, and returns one
// dialled for the same request.
func (p *Pool) replace(ctx context.Context, c *Conn, reason CloseReason, now instant) (lease, error) {
	var after aftermath
	w, err := c.bucket.supplant(ctx, c, reason, &after)
	p.settleFor(&turn{waiter: w, bucket: c.bucket}, &after, now)
	if err != nil {
		return lease{}, err
	}
	return p.awaitOwn(ctx, c.bucket, w, now)
}

// elsewhere gives back a lease for which there is no room on its connection, and
// returns another for the same request, which will not be sent once more. It is of
// a new connection, if there may be one more: those who come first to a session are
// not too many for it.
func (p *Pool) elsewhere(ctx context.Context, c *Conn, now instant) (lease, error) {
	var after aftermath
	w := c.bucket.dialBeside(ctx, &after)
	if w == nil {
		return p.acquireInstead(ctx, demand{key: c.bucket.key, strict: true, begun: now}, now, c, NotClosed)
	}
	if p.giveBack(c, now, nil, &after) {
		after.kept = c
	}
	p.settleFor(&turn{waiter: w, bucket: c.bucket}, &after, now)
	return p.awaitOwn(ctx, c.bucket, w, now)
}

// awaitOwn waits for a connection that is dialled for a second try.
func (p *Pool) awaitOwn(ctx context.Context, b *bucket, w *waiter, now instant) (lease, error) {
	fresh, err := p.wait(ctx, b, w, now)
	if err != nil {
		return lease{}, err
	}
	p.handOut(fresh.conn, readClocks())
	return fresh, nil
}

// close closes a connection for good, and returns what its Close says; only for
// the first caller does it do anything. Those who wait for its place do not
// wait for a Close that may hang.
func (p *Pool) close(c *Conn, reason CloseReason, now instant) (err error) {
	var after aftermath
	if !c.bucket.discard(c, reason, &after) {
		return nil
	}
	after.victims = slices.DeleteFunc(after.victims, func(v *Conn) bool { return v == c }) // it is closed here, for its error
	c.watched.Stop()
	if c.mayHang() {
		p.settle(&after, now)
		err = c.inner.Close()
	} else {
		err = c.inner.Close()
		c.bucket.gone(c, &after)
		p.settle(&after, now)
	}
	p.noteClosed(c, now)
	return err
}

// discard is close for those who cannot wait for a Close that hangs.
func (p *Pool) discard(c *Conn, reason CloseReason, now instant) {
	var after aftermath
	c.bucket.discard(c, reason, &after)
	p.settle(&after, now)
}

// drop forgets a bucket if it is still vacant, so that addresses of long ago
// cost nothing.
func (p *Pool) drop(b *bucket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vacantLocked() && !b.dropped {
		b.dropped = true
		delete(p.buckets, b.key)
		p.retainLocked(b.key)
	}
}

// snapshot returns the buckets there are, so that none of them is locked with
// the pool's lock held for long.
func (p *Pool) snapshot() []*bucket {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := make([]*bucket, 0, len(p.buckets))
	for _, b := range p.buckets {
		all = append(all, b)
	}
	return all
}
