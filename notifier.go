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
	ended := false
	defer func() {
		if !ended { // a hook has ended the goroutine, as a test's FailNow does
			go n.run()
		}
	}()
	for tell := n.next(); tell != nil; tell = n.next() {
		tell()
	}
	ended = true
}

// next returns what is to be told. If that is nothing, there is nobody to tell it any
// more.
func (n *notifier) next() (tell func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) == 0 {
		n.pending, n.running = nil, false
		return nil
	}
	tell = n.pending[0]
	n.pending[0] = nil
	n.pending = n.pending[1:]
	return tell
}
