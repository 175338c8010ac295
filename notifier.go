package ttlpool

import "sync"

// notifier tells hooks of what the watch has seen, one thing after the other, on a
// goroutine that lives while there is something to tell. A hook that takes long must
// not keep the watch from what happens meanwhile: connections would be handed out that
// their peers have closed, and be thought to have been idle for longer than they were.
type notifier struct {
	mu      sync.Mutex // guards the rest; no hook is called under it
	pending []func()
	running bool
}

// later has tell called.
func (n *notifier) later(tell func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending = append(n.pending, tell)
	if !n.running {
		n.running = true
		go n.run()
	}
}

func (n *notifier) run() {
	for pending := n.next(); len(pending) > 0; pending = n.next() {
		for _, tell := range pending {
			tell()
		}
	}
}

// next returns what is to be told. If that is nothing, there is nobody to tell it any
// more.
func (n *notifier) next() []func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	pending := n.pending
	n.pending, n.running = nil, len(n.pending) > 0
	return pending
}
