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

	mu       sync.Mutex // guards the rest and writes of alarm; only the timer's own calls happen under it
	timer    *time.Timer
	sweeping bool // one sweep at a time, or they would not rest
	again    bool // the timer has fired meanwhile
	stopped  bool
}

const noAlarm = math.MaxInt64

// wakeWithin makes sure that the pool is swept no later than delay from now.
func (r *reaper) wakeWithin(delay time.Duration, now instant) {
	if delay <= longestDelay {
		r.wakeAt(now.monotonic + int64(delay))
	}
}

// wakeAt makes sure that the pool is swept no later than at, in nanoseconds of
// instant.monotonic.
func (r *reaper) wakeAt(at int64) {
	if r.alarm.Load() <= at {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.alarm.Load() <= at {
		return
	}
	r.alarm.Store(at)
	delay := time.Duration(at - readClocks().monotonic) // the caller's clock may be of long ago
	if r.timer == nil {
		r.timer = time.AfterFunc(delay, r.wake)
	} else {
		r.timer.Reset(delay)
	}
}

// wake is what the timer runs. What falls due while a sweep rests waits until it
// is done: all are due sooner by as long as the crowd takes.
func (r *reaper) wake() {
	r.mu.Lock()
	r.alarm.Store(noAlarm)
	r.again = r.sweeping
	begin := !r.sweeping && !r.stopped
	r.sweeping = r.sweeping || begin
	r.mu.Unlock()
	if !begin {
		return
	}
	var after aftermath
	for more := true; more; more = r.swept() {
		r.wakeAt(r.sweep(readClocks(), &after))
	}
	r.pool.tell(&after, readClocks()) // a hook that takes long keeps no connection open
}

// swept ends a sweep, unless it is to begin again.
func (r *reaper) swept() (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	again, r.again = r.again && !r.stopped, false
	r.sweeping = again
	return again
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

// sweep closes the idle connections that are due, and returns when the next
// sweep is, in nanoseconds of instant.monotonic; noAlarm if there is nothing to
// wait for.
//
// It rests for twice as long as it works. A crowd that is due at once would else
// keep a processor busy for hundreds of milliseconds, and flood the server with
// as many ends, while requests on other connections wait for both.
func (r *reaper) sweep(now instant, after *aftermath) (next int64) {
	next = noAlarm
	begun := time.Now()
	for _, b := range r.pool.snapshot() {
		for more := true; more; {
			var wait time.Duration
			wait, more = b.sweepIdle(now, after)
			if wait <= longestDelay {
				next = min(next, now.monotonic+int64(wait))
			}
			r.pool.carryOut(after)
			if rest := restAfter(time.Since(begun)); rest > 0 {
				time.Sleep(rest)
				now = now.before(-time.Since(begun))
				begun = time.Now()
			}
		}
	}
	return next
}

// restAfter is how long the reaper rests when it has worked for so long.
func restAfter(worked time.Duration) time.Duration {
	if worked < workBeforeRest {
		return 0
	}
	return min(2*worked, maxRest)
}

// workBeforeRest is short beside what a request may wait for unnoticed, and long
// beside what it costs to sleep.
const workBeforeRest = time.Millisecond

// maxRest is for work that only seemed long, because the process stood still.
const maxRest = 20 * time.Millisecond
