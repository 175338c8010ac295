package ttlpool

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNoCountIsLostWhenATallyIsForgotten(t *testing.T) {
	const goroutines, each = 4, 10_000
	var known, heir tally
	var counting sync.WaitGroup
	begun := make(chan struct{}, goroutines)
	for range goroutines {
		counting.Go(func() {
			for i := range each {
				if i == each/10 {
					begun <- struct{}{}
				}
				known.countLate(eventWait, 1)
			}
		})
	}
	<-begun
	known.bequeath(&heir)
	counting.Wait()
	assert.EqualValues(t, goroutines*each, heir.counts().Waits)
	assert.Zero(t, known.counts().Waits)
}

func TestEachEventHasACounterOfItsOwn(t *testing.T) {
	var n tally
	for e := range events {
		n.count(e, int64(e)+1)
	}
	counts := n.counts()
	assert.EqualValues(t, eventDial+1, counts.Dials)
	assert.EqualValues(t, eventStaleNanos+1, counts.StaleIdle)
	for reason := range closeReasons {
		assert.EqualValues(t, int(eventClosed)+int(reason)+1, counts.Closed[reason])
	}
	for reason := range retryReasons {
		assert.EqualValues(t, int(eventRetry)+int(reason)+1, counts.RetriesBy[reason])
	}
	assert.EqualValues(t, events, counts.StaleByIdle[len(idleBounds)].Count)
}
