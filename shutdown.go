package ttlpool

import "context"

// CloseIdle closes all connections that are idle now, and those in use when
// they are given back, until the next Get for their address.
func (p *Pool) CloseIdle() { p.clear(ClosedCloseIdle) }

// Shutdown ends the pool gently: Get fails from now on, idle connections are
// closed, and those in use when they are given back. It returns when none is
// left, or with the context's error; the pool then goes on draining, and Close
// ends it at once.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.draining = true
	p.mu.Unlock()
	p.clear(ClosedPoolClosed)
	p.vacate(0)
	select {
	case <-p.drained:
		p.stopTimers()
		return nil
	case <-ctx.Done():
		return ctx.Err()
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
	p.settle(&after, readClocks())
	p.vacate(0)
	return nil
}

// stopTimers stops what would otherwise run once more.
func (p *Pool) stopTimers() {
	p.reaper.stop()
	p.lookout.stop()
}

// vacate gives up places and tells Shutdown when there are none left.
func (p *Pool) vacate(n int) {
	if p.places.Add(-int64(n)) > 0 {
		return
	}
	p.mu.RLock()
	draining := p.draining
	p.mu.RUnlock()
	if draining {
		p.drain.Do(func() { close(p.drained) })
	}
}

// clear empties all buckets of what is idle.
func (p *Pool) clear(reason CloseReason) {
	var after aftermath
	for _, b := range p.snapshot() {
		b.clear(reason, &after)
	}
	p.settle(&after, readClocks())
}
