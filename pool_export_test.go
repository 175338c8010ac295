package ttlpool

import "time"

// SweepAt runs a sweep as if d had passed, and closes the victims. next is
// negative if no further sweep is needed.
func (p *Pool) SweepAt(d time.Duration) (victims []*Conn, next time.Duration) {
	now := readClocks()
	now.wall, now.monotonic = now.wall+int64(d), now.monotonic+int64(d)
	var after aftermath
	next = -1
	if at := p.reaper.sweep(now, &after); at != noAlarm {
		next = time.Duration(at - now.monotonic)
	}
	p.tell(&after, now)
	return after.victims, next
}

// TimerArmed reports whether the pool's timer is going to fire. Only stopping
// it tells; it is started again.
func (p *Pool) TimerArmed() bool {
	r := &p.reaper
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil || !r.timer.Stop() {
		return false
	}
	r.timer.Reset(time.Duration(r.alarm.Load() - readClocks().monotonic))
	return true
}

// Addresses is how many addresses have a connection, a dial or a waiter.
func (p *Pool) Addresses() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.buckets)
}

// Addresses is the pool's.
func (t *Transport) Addresses() int { return t.pool.Addresses() }
