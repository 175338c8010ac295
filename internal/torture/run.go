package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	idField = "X-Request-Id"
	before  = 2 * time.Millisecond // a close, the aim begins
	after   = 5 * time.Millisecond // it, the aim ends
	early   = 80 * time.Millisecond
	late    = 2 * time.Millisecond // a request begun later than meant by this was not aimed
	lessons = 20                   // closes that a peer sees at most before it has learned
)

// campaign is all that one peer is asked to do.
type campaign struct {
	peer    *Peer
	name    string // in the ids
	timeout time.Duration
	closes  Closes
	methods []Method
	effort  Effort

	next      atomic.Int64
	unlearned atomic.Int64 // lanes that had all lessons for nothing
	cells     []cell       // by method

	mu   sync.Mutex // guards sent
	sent map[string]int
}

// cell is what became of the requests of one method.
type cell struct {
	mu        sync.Mutex // guards the rest
	outcomes  map[outcome]int
	late      int
	latencies []time.Duration
	first     error
}

func (c *campaign) run(ctx context.Context) {
	c.cells, c.sent = make([]cell, len(c.methods)), make(map[string]int)
	var all sync.WaitGroup
	for lane := range c.effort.Lanes {
		all.Go(func() { c.work(ctx, lane) })
	}
	all.Wait()
}

// work is one lane: a connection that is idle until just when it is closed, and
// then used.
func (c *campaign) work(ctx context.Context, lane int) {
	if !pause(ctx, time.Now().Add(rand.N(c.timeout))) { // the lanes do not march in step
		return
	}
	c.warm(ctx, lane)
	if !c.teach(ctx, lane) {
		return
	}
	for {
		n := int(c.next.Add(1)) - 1
		if n >= c.effort.Requests*len(c.methods) {
			return
		}
		at := time.Now().Add(c.gap())
		if !pause(ctx, at) {
			return
		}
		c.call(ctx, lane, n%len(c.methods), fmt.Sprintf("%s-%d", c.name, n), time.Since(at) > late)
	}
}

// teach has a peer that learns see closes until it has learned. That a server
// of a busy machine closes late is no lesson missed: it is given time.
func (c *campaign) teach(ctx context.Context, lane int) bool {
	if c.peer.knows == nil {
		return true
	}
	for range lessons {
		if !pause(ctx, time.Now().Add(c.closes.Last+100*time.Millisecond)) {
			return false
		}
		c.warm(ctx, lane)
		if c.peer.knows(lane) {
			return true
		}
	}
	c.unlearned.Add(1)
	return true
}

// pause waits until then, and reports whether it came to that.
func pause(ctx context.Context, then time.Time) bool {
	timer := time.NewTimer(time.Until(then))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// gap draws an idle time around the server's close or, of a peer that does
// not get that far, around its own deadline.
func (c *campaign) gap() time.Duration {
	if rand.IntN(2) == 0 {
		switch {
		case c.peer.ttl > 0 && c.peer.ttl < c.closes.First:
			return c.peer.ttl - early + rand.N(early+after)
		case c.peer.knows != nil: // whatever it has learned
			return rand.N(c.closes.First)
		}
	}
	return c.closes.First - before + rand.N(c.closes.Last-c.closes.First+before+after)
}

// warm opens a connection. It counts for nothing.
func (c *campaign) warm(ctx context.Context, lane int) {
	_, _, _ = c.methods[0].send(ctx, c.peer.transport, c.peer.url(lane), c.header(""))
}

func (c *campaign) header(id string) http.Header {
	h := maps.Clone(c.peer.header)
	if h == nil {
		h = make(http.Header)
	}
	if id != "" {
		h.Set(idField, id)
	}
	return h
}

// patience is how long an answer may take. It is no part of the race: a busy
// machine may take long.
const patience = time.Minute

func (c *campaign) call(ctx context.Context, lane, method int, id string, late bool) {
	// The end of the run is no failure of what has been sent by then.
	ctx, cancel := context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), aimedKey{}, true), patience)
	defer cancel()
	c.mu.Lock()
	c.sent[id] = method
	c.mu.Unlock()
	begun := time.Now()
	status, header, err := c.methods[method].send(ctx, c.peer.transport, c.peer.url(lane), c.header(id))
	took := time.Since(begun)
	if err == nil && status >= http.StatusBadRequest {
		err = errors.New(http.StatusText(status))
		c.cells[method].note(outcomeOf(status, header, nil, id), took, late, err)
		return
	}
	c.cells[method].note(outcomeOf(status, header, err, id), took, late, err)
}

func (c *cell) note(o outcome, took time.Duration, late bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcomes == nil {
		c.outcomes = make(map[outcome]int)
	}
	c.outcomes[o]++
	c.latencies = append(c.latencies, took)
	if late {
		c.late++
	}
	if err != nil && c.first == nil {
		c.first = err
	}
}
