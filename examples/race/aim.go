package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// window is the stretch of time around a close in which a poll is sent.
type window struct {
	before, after time.Duration
}

// windowFor covers the race: a request sent up to a round trip before the server closes can still cross the close, and
// one sent later is lost until the news has arrived. The fastest answer so far bounds the round trip; the rest is for
// timers, of either side, that fire late.
func windowFor(fastestAnswer time.Duration) window {
	return window{before: 2*fastestAnswer + time.Millisecond/2, after: 2 * time.Millisecond}
}

// in draws an instant from the window around mark.
func (w window) in(rng *rand.Rand, mark time.Time) time.Time {
	return mark.Add(between(rng, -w.before, w.after))
}

// aim chooses when a worker's next poll is sent, and the close that it is about: the zero mark for a poll about none.
type aim interface {
	next(rng *rand.Rand, w window, last exchange) (send, mark time.Time)
}

// exchange is what a worker knows of the poll it has just done.
type exchange struct {
	lane     int
	turn     int // how many polls this lane has done
	answered time.Time
}

// atIdleTimeout aims at the moment at which the connection has been idle for the server's timeout. Every fourth poll
// comes early instead, at any time before the TTL, as most polls of a real client do.
type atIdleTimeout struct {
	timeout, ttl time.Duration
}

func (a atIdleTimeout) next(rng *rand.Rand, w window, last exchange) (send, mark time.Time) {
	if last.turn%4 == 0 {
		return last.answered.Add(between(rng, 0, a.ttl)), time.Time{}
	}
	mark = last.answered.Add(a.timeout)
	return w.in(rng, mark), mark
}

// atRestart aims at the restart of the lane's node. Every second poll comes before, at any time, so that connections
// of every idle time meet the restart.
type atRestart struct {
	restarts schedule
}

func (a atRestart) next(rng *rand.Rand, w window, last exchange) (send, mark time.Time) {
	mark = a.restarts.next(last.lane%a.restarts.nodes, last.answered)
	if last.turn%2 == 0 {
		return last.answered.Add(between(rng, 0, mark.Sub(last.answered)-w.before)), time.Time{}
	}
	return w.in(rng, mark), mark
}

// schedule says when the nodes restart: each once per period, one after the other.
type schedule struct {
	start  time.Time
	period time.Duration
	nodes  int
}

// next is the first restart of the node after t.
func (s schedule) next(node int, t time.Time) time.Time {
	first := s.start.Add(s.period * time.Duration(node+1) / time.Duration(s.nodes))
	if t.Before(first) {
		return first
	}
	return first.Add((t.Sub(first)/s.period + 1) * s.period)
}

// between draws uniformly from [low, high); an empty range gives low.
func between(rng *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(rng.Int64N(int64(high-low)))
}

// sleepUntil reports false when ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
