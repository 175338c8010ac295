package main

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAimAtIdleTimeout(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	a := atIdleTimeout{timeout: 800 * time.Millisecond, ttl: 500 * time.Millisecond}
	w := window{before: time.Millisecond, after: 2 * time.Millisecond}
	early := 0
	for turn := range 400 {
		send, mark := a.next(rng, w, exchange{turn: turn, answered: noon})
		if mark.IsZero() {
			early++
			assert.WithinRange(t, send, noon, noon.Add(a.ttl))
			continue
		}
		assert.Equal(t, noon.Add(a.timeout), mark)
		assert.WithinRange(t, send, mark.Add(-w.before), mark.Add(w.after))
	}
	assert.Equal(t, 100, early)
}

func TestAimAtRestart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	a := atRestart{schedule{start: noon, period: 500 * time.Millisecond, nodes: 4}}
	w := window{before: time.Millisecond, after: 2 * time.Millisecond}
	for turn := range 400 {
		last := exchange{lane: turn, turn: turn, answered: noon.Add(time.Duration(turn) * 7 * time.Millisecond)}
		restart := a.restarts.next(turn%4, last.answered)
		send, mark := a.next(rng, w, last)
		if turn%2 == 0 {
			assert.True(t, mark.IsZero())
			assert.WithinRange(t, send, last.answered, restart)
			continue
		}
		assert.Equal(t, restart, mark)
		assert.WithinRange(t, send, mark.Add(-w.before), mark.Add(w.after))
	}
}

func TestScheduleTakesTurns(t *testing.T) {
	s := schedule{start: noon, period: time.Second, nodes: 4}
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct{ node, after, want int }{
		{0, 0, 250}, {1, 0, 500}, {3, 0, 1000},
		{0, 249, 250}, {0, 250, 1250}, {0, 251, 1250}, {0, 5250, 6250},
		{3, -5000, 1000},
	} {
		assert.Equal(t, at(c.want), s.next(c.node, at(c.after)), "node %d after %d ms", c.node, c.after)
	}
}

func TestWindowGrowsWithTheRoundTrip(t *testing.T) {
	near, far := windowFor(100*time.Microsecond), windowFor(20*time.Millisecond)
	assert.GreaterOrEqual(t, far.before, 40*time.Millisecond)
	assert.Less(t, near.before, 2*time.Millisecond)
}

func TestBetweenAnEmptyRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	assert.Equal(t, time.Second, between(rng, time.Second, time.Second))
	assert.Equal(t, time.Second, between(rng, time.Second, 0))
}

func TestSleepUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		assert.True(t, sleepUntil(t.Context(), start.Add(time.Hour)))
		assert.Equal(t, time.Hour, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.False(t, sleepUntil(ctx, time.Now().Add(time.Hour)), "the context ends first")
		assert.Equal(t, time.Hour+time.Minute, time.Since(start))
		assert.False(t, sleepUntil(ctx, start), "it has ended before")
	})
}
