package ttlpool

import "context"

// CloseIdle closes all connections that are idle now, and those in use when
// they are given back, until the next Get for their address.
func (p *Pool) CloseIdle() {
	var after aftermath
	p.clear(ClosedCloseIdle, &after)
	p.settle(&after, readClocks())
}

// Shutdown ends the pool gently: Get fails from now on, idle connections are
// closed, and those in use when they are given back. It returns nil if none is
// left, when none is left, or else the context's error; the pool then goes on
// draining, and Close ends it at once.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.draining = true
	p.mu.Unlock()
	var after aftermath
	p.clear(ClosedPoolClosed, &after)
	p.barred.Store(true)
	p.settle(&after, readClocks())
	p.vacate(0)
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
	}
	if p.isDrained() { // both had come
		return nil
	}
	return ctx.Err()
}

func (p *Pool) isDrained() bool {
	select {
	case <-p.drained:
		return true
	default:
		return false
	}
}

// Close closes all connections, those in use too, and stops all dials. What
// waits gets [ErrClosed]. It may be called more than once, and returns nil.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.draining, p.closed = true, true
	p.mu.Unlock()
	p.stopTimers()
	var after aftermath
	for _, b := range p.snapshot() {
		b.close(&after)
	}
	p.barred.Store(true)
	p.settle(&after, readClocks())
	p.vacate(0)
	return nil
}

// stopTimers stops what would otherwise run once more.
func (p *Pool) stopTimers() {
	p.reaper.stop()
	p.lookout.stop()
}

// vacate gives up places.
func (p *Pool) vacate(n int) {
	if p.places.Add(-int64(n)) <= 0 {
		p.noteDrained()
	}
}

// noteDrained tells Shutdown if there are no places left, for good. It looks for
// itself, and not before the pool is barred: whoever has given up the last one may
// have stood still since, while another was taken.
//
// Once the pool is barred, each bucket refuses new requests, and no bucket is made.
// Then only he takes a place who goes on: one who gives a connection back, or goes
// for another in its place (take, supplant), and has that one until he has the
// other's; and one who waits, for whom a dial is begun (dialForWaitersLocked)
// before the place is given up that makes room for it. Neither finds none taken:
// where none is, none will be.
func (p *Pool) noteDrained() {
	if p.barred.Load() && p.places.Load() <= 0 {
		p.drain.Do(func() {
			close(p.drained)
			p.stopTimers()
		})
	}
}

// clear empties all buckets of what is idle.
func (p *Pool) clear(reason CloseReason, after *aftermath) {
	for _, b := range p.snapshot() {
		b.clear(reason, after)
	}
}
