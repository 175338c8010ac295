package ttlpool

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWaitersAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	var q waiterQueue
	a, b, c := someWaiter(), someWaiter(), someWaiter()
	for _, w := range []*waiter{a, b, c} {
		q.pushBack(w)
	}
	assert.True(t, slices.Equal([]*waiter{a, b, c}, q.check(t)))
}

func TestAWaiterLeavesFromWhereverItStands(t *testing.T) {
	for left := range 3 {
		var q waiterQueue
		ws := []*waiter{someWaiter(), someWaiter(), someWaiter()}
		for _, w := range ws {
			q.pushBack(w)
		}
		q.remove(ws[left])
		assert.Nil(t, ws[left].queue)
		assert.True(t, slices.Equal(slices.Delete(slices.Clone(ws), left, left+1), q.check(t)))
	}
}

func TestAWaiterThatWasServedInVainKeepsItsTurn(t *testing.T) {
	first, second, third, fourth := waiterSince(1), waiterSince(2), waiterSince(3), waiterSince(4)
	for _, order := range [][]*waiter{{first, second, third}, {third, second, first}, {second, third, first}} {
		var q waiterQueue
		q.pushBack(fourth)
		for _, w := range order {
			q.resume(w)
		}
		assert.True(t, slices.Equal([]*waiter{first, second, third, fourth}, q.check(t)))
	}
	var empty waiterQueue
	empty.resume(first)
	empty.resume(fourth)
	assert.True(t, slices.Equal([]*waiter{first, fourth}, empty.check(t)))
}

func TestWaiterQueueAgreesWithASlice(t *testing.T) {
	var (
		q     waiterQueue
		model []*waiter
		rng   = rand.New(rand.NewPCG(3, 4))
	)
	for now := range int64(500) {
		switch n := rng.IntN(5); {
		case n < 2:
			w := waiterSince(now)
			q.pushBack(w)
			model = append(model, w)
		case n < 3:
			w := waiterSince(rng.Int64N(now + 1))
			q.resume(w)
			at := slices.IndexFunc(model, func(other *waiter) bool {
				return other.demand.begun.monotonic > w.demand.begun.monotonic
			})
			if at < 0 {
				at = len(model)
			}
			model = slices.Insert(model, at, w)
		case len(model) > 0:
			i := rng.IntN(len(model))
			q.remove(model[i])
			model = slices.Delete(model, i, i+1)
		}
		require.True(t, slices.Equal(model, q.check(t)))
	}
}

func someWaiter() *waiter { return waiterSince(0) }

// waiterSince is a waiter whose request began then.
func waiterSince(monotonic int64) *waiter {
	return newWaiter(context.Background(), demand{begun: instant{monotonic: monotonic}})
}

// check proves the queue's invariants and returns it, first come first.
func (q *waiterQueue) check(t *testing.T) (all []*waiter) {
	t.Helper()
	var last *waiter
	for w := q.first; w != nil; w = w.next {
		require.Same(t, last, w.ahead, "links disagree")
		require.NotNil(t, w.queue)
		require.Less(t, len(all), q.len, "a loop, or a wrong length")
		all = append(all, w)
		last = w
	}
	require.Same(t, last, q.last)
	require.Len(t, all, q.len)
	return all
}
