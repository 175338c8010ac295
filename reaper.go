package ttlpool

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// reaper closes idle connections before their time runs out, though no request
// comes. It is one timer for the whole pool, set only when something becomes
// idle whose life is limited. It is hygiene: the guarantee is the check at
// checkout.
type reaper struct {
	pool *Pool

	// alarm is when the timer fires, in nanoseconds of instant.monotonic;
	// noAlarm if it does not. It is read without the lock, so that giving back
	// a connection that is due later than others costs one load.
	alarm atomic.Int64

	mu      sync.Mutex // guards the rest and writes of alarm; only the timer's own calls happen under it
	timer   *time.Timer
	stopped bool
}

const noAlarm = math.MaxInt64

// wakeWithin makes sure that the pool is swept no later than delay from now.
func (r *reaper) wakeWithin(delay time.Duration, now instant) {
	if delay > longestDelay {
		return
	}
	at := now.monotonic + int64(delay)
	if r.alarm.Load() <= at {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.alarm.Load() <= at {
		return
	}
	r.alarm.Store(at)
	if r.timer == nil {
		r.timer = time.AfterFunc(delay, r.wake)
	} else {
		r.timer.Reset(delay)
	}
}

// wake is what the timer runs.
func (r *reaper) wake() {
	r.mu.Lock()
	r.alarm.Store(noAlarm)
	stopped := r.stopped
	r.mu.Unlock()
	if stopped {
		return
	}
	now := readClocks()
	var after aftermath
	next := r.pool.sweep(now, &after)
	r.wakeWithin(next, now)
	r.pool.settle(&after, now)
}

// stop stops the timer for good.
func (r *reaper) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// longestDelay is as good as for ever, and does not overflow.
const longestDelay = 100 * 365 * 24 * time.Hour

// noDelay stands for a next sweep that is not needed.
const noDelay = time.Duration(math.MaxInt64)

// sweep makes victims of the idle connections that are due at now, and returns
// how long the next sweep may wait, noDelay if there is nothing to wait for.
func (p *Pool) sweep(now instant, after *aftermath) (next time.Duration) {
	next = noDelay
	for _, b := range p.snapshot() {
		next = b.sweepIdle(now, next, after)
	}
	return next
}
