package ttlpool

import "context"

// demand is what a request asks of its connection.
type demand struct {
	key    key
	strict bool    // not one that has been idle for as long as the strict TTL
	begun  instant // when it was made
}

// waiter is a request that waits for a connection: for one that another
// request gives back, or for one to be dialled.
type waiter struct {
	ctx    context.Context // its values go into the dial
	demand demand
	ready  chan grant // of capacity 1; receives one grant, unless the waiter leaves before

	// The rest is guarded by the bucket's mutex.

	waiting     bool         // nobody has granted it anything, and it has not left
	queue       *waiterQueue // the queue it is in; nil if it waits for a dial of its own
	dial        *dial        // the dial that will serve it if nothing else does, or nil
	ahead, next *waiter
}

func newWaiter(ctx context.Context, d demand) *waiter {
	return &waiter{ctx: ctx, demand: d, ready: make(chan grant, 1), waiting: true}
}

// grant ends a wait: a lease, an error, or the value with which the caller's own
// dial function panicked.
type grant struct {
	lease    lease
	err      error
	panicked any
}

// take returns what was granted. A panic of the caller's own dial function
// panics here, where the caller can see it.
func (g grant) take() (lease, error) {
	if g.panicked != nil {
		panic(g.panicked)
	}
	return g.lease, g.err
}

// waiterQueue serves first come, first served, of those who may use what there is
// (userLocked). A waiter that gives up leaves
// from wherever it stands.
type waiterQueue struct {
	first, last *waiter
	len         int
}

func (q *waiterQueue) pushBack(w *waiter) {
	w.queue, w.ahead, w.next = q, q.last, nil
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	q.len++
}

// resume is for a waiter that was served in vain, with a connection found dead or
// without room: it stands before those whose requests came later.
func (q *waiterQueue) resume(w *waiter) {
	later := q.first
	for later != nil && later.demand.begun.monotonic <= w.demand.begun.monotonic {
		later = later.next
	}
	if later == nil {
		q.pushBack(w)
		return
	}
	w.queue, w.ahead, w.next = q, later.ahead, later
	if later.ahead == nil {
		q.first = w
	} else {
		later.ahead.next = w
	}
	later.ahead = w
	q.len++
}

func (q *waiterQueue) remove(w *waiter) {
	if w.ahead == nil {
		q.first = w.next
	} else {
		w.ahead.next = w.next
	}
	if w.next == nil {
		q.last = w.ahead
	} else {
		w.next.ahead = w.ahead
	}
	w.queue, w.ahead, w.next = nil, nil, nil
	q.len--
}

// grantLocked ends a wait. A dial still in progress for the waiter goes on,
// for whoever comes.
func (b *bucket) grantLocked(w *waiter, g grant) {
	if w.queue != nil {
		w.queue.remove(w)
	}
	if w.dial != nil {
		w.dial.owner, w.dial = nil, nil
	}
	w.waiting = false
	w.ready <- g // never blocks: there is one grant, and room for it
}

// leave ends a wait from the waiter's side; false means that a grant came
// first.
func (b *bucket) leave(w *waiter) bool {
	var after aftermath
	b.mu.Lock()
	left := w.waiting
	if left {
		if w.queue != nil {
			w.queue.remove(w)
		}
		if d := w.dial; d != nil {
			d.owner, w.dial = nil, nil
			if b.draining {
				after.stop = append(after.stop, d) // nobody else will come for it
			}
		}
		w.waiting = false
		b.dialForWaitersLocked(&after) // where one dial is for all, it may have been this one's
		b.vacatedLocked(&after)
	}
	b.mu.Unlock()
	b.pool.settle(&after, readClocks())
	return left
}
