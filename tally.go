package ttlpool

import (
	"sync/atomic"
	"time"
)

// event is something that is counted.
type event int

const (
	eventDial event = iota
	eventDialError
	eventReuse
	eventWait
	eventWaitNanos
	eventWaitTimeout
	eventRequest
	eventNotRetried
	eventUnseen
	eventBadHint
	eventStaleNanos

	eventClosed                                                // one for each CloseReason
	eventRetry     = eventClosed + event(closeReasons)         // one for each RetryReason
	eventStaleIdle = eventRetry + event(retryReasons)          // one for each idle bucket
	events         = eventStaleIdle + event(len(idleBounds)+1) // how many there are
)

// tally has the counters of one key. Counting is one atomic addition; a tally
// that nothing leads to any more passes what it has on to its heir, so that
// memory is bounded and no count is lost.
type tally struct {
	counters [events]atomic.Int64
	heir     atomic.Pointer[tally]
}

// count is for what is counted while the bucket is surely in use: a connection,
// a dial or a waiter is there.
func (t *tally) count(e event, n int64) { t.counters[e].Add(n) }

// countLate is for what may be counted when the bucket has been dropped. The
// order matters: bequeath sets the heir first and reads the counters then, so
// one of the two sees the count.
func (t *tally) countLate(e event, n int64) {
	t.count(e, n)
	if heir := t.heir.Load(); heir != nil {
		t.passOn(heir)
	}
}

// bequeath gives all counts to the heir, those too that come later.
func (t *tally) bequeath(heir *tally) {
	t.heir.Store(heir)
	t.passOn(heir)
}

func (t *tally) passOn(heir *tally) {
	for e := range t.counters {
		if n := t.counters[e].Swap(0); n != 0 {
			heir.counters[e].Add(n)
		}
	}
}

// countStale counts a stale exchange.
func (t *tally) countStale(idle time.Duration) {
	t.countLate(eventStaleNanos, int64(idle))
	t.countLate(eventStaleIdle+event(idleBucketOf(idle)), 1)
}

// counts returns what was counted. Causes that have not happened are left out.
func (t *tally) counts() Counts {
	n := Counts{
		Dials:       t.of(eventDial),
		DialErrors:  t.of(eventDialError),
		Reuses:      t.of(eventReuse),
		Waits:       t.of(eventWait),
		WaitTime:    time.Duration(t.of(eventWaitNanos)),
		WaitTimeout: t.of(eventWaitTimeout),
		Requests:    t.of(eventRequest),
		NotRetried:  t.of(eventNotRetried),
		Unseen:      t.of(eventUnseen),
		BadHints:    t.of(eventBadHint),
		StaleIdle:   time.Duration(t.of(eventStaleNanos)),
		Closed:      byReason[CloseReason](t.counters[eventClosed:eventRetry]),
		RetriesBy:   byReason[RetryReason](t.counters[eventRetry:eventStaleIdle]),
	}
	for _, retries := range n.RetriesBy {
		n.Retries += retries
	}
	byIdle := noneByIdle()
	for i := range byIdle {
		byIdle[i].Count = t.of(eventStaleIdle + event(i))
		n.Stale += byIdle[i].Count
	}
	if n.Stale > 0 {
		n.StaleByIdle = byIdle
	}
	return n
}

func (t *tally) of(e event) int64 { return t.counters[e].Load() }

// byReason returns the counters that are not zero.
func byReason[R ~int](counters []atomic.Int64) map[R]int64 {
	var counts map[R]int64
	for reason := range counters {
		n := counters[reason].Load()
		if n == 0 {
			continue
		}
		if counts == nil {
			counts = make(map[R]int64)
		}
		counts[R(reason)] = n
	}
	return counts
}
