package behaviour

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// receive returns what comes from a channel.
func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

// latch is something that happens once.
type latch struct {
	once sync.Once
	done chan struct{}
}

func newLatch() *latch { return &latch{done: make(chan struct{})} }

func (l *latch) set() { l.once.Do(func() { close(l.done) }) }

// record is a list that goroutines add to.
type record struct {
	mu  sync.Mutex
	all []string
}

func (r *record) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, s)
}

// list returns what was added so far.
func (r *record) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// connections follows the connections of a server.
type connections struct {
	mu      sync.Mutex
	states  map[net.Conn]http.ConnState
	total   int
	most    int           // open at once
	changed chan struct{} // closed at the next change
}

func newConnections() *connections {
	return &connections{states: make(map[net.Conn]http.ConnState), changed: make(chan struct{})}
}

// note is a server's ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.total++
		c.states[conn] = state
	case http.StateClosed, http.StateHijacked:
		delete(c.states, conn)
	default:
		c.states[conn] = state
	}
	c.most = max(c.most, len(c.states))
	close(c.changed)
	c.changed = make(chan struct{})
}

// count is how many connections there are, and have ever been.
type count struct{ open, idle, total, most int }

func (c *connections) count() count {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, _ := c.countLocked()
	return n
}

func (c *connections) countLocked() (count, chan struct{}) {
	n := count{open: len(c.states), total: c.total, most: c.most}
	for _, state := range c.states {
		if state == http.StateIdle {
			n.idle++
		}
	}
	return n, c.changed
}

// await waits until the connections are as they must be.
func (c *connections) await(t *testing.T, what string, ok func(count) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		n, changed := c.countLocked()
		c.mu.Unlock()
		if ok(n) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited for %s, but there are %+v", what, n)
		}
	}
}

// awaitOpen waits until so many connections are open.
func (c *connections) awaitOpen(t *testing.T, want int) {
	t.Helper()
	c.await(t, "open connections", func(n count) bool { return n.open == want })
}
