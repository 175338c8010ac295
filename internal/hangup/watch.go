//go:build linux || ((darwin || freebsd) && (amd64 || arm64))

package hangup

import (
	"net"
	"sync"
	"syscall"
)

// Watch tells at once when the peer of a connection hangs up, for any number of
// connections with one goroutine, which ends with the last registered
// connection; while very many hang up, with a few. Each is registered once;
// ordinary traffic causes no event. The zero value is ready; it is safe for
// concurrent use.
type Watch struct {
	mu      sync.Mutex // guards the rest; it is never held across a callback
	queue   *queue     // the kernel's; nil: nobody is registered
	watched map[uint64]func()
	last    uint64 // the token registered last
}

// Registration ends with Stop.
type Registration struct {
	watch *Watch
	token uint64
}

// Register has hungUp called, once and from a goroutine of the watch's, when the
// peer closes its side of the connection or resets it. The result is nil if the
// connection is no socket, or the kernel refuses. hungUp must be quick, and safe
// beside that of others.
//
// Events carry a token that is never used again, and not the descriptor: that
// may lead to another connection by the time the event is seen.
func (w *Watch) Register(conn net.Conn, hungUp func()) *Registration {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	socket, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.startLocked() {
		return nil
	}
	w.last++
	token := w.last
	if !w.queue.add(socket, token) {
		w.stopIfUnusedLocked()
		return nil
	}
	w.watched[token] = hungUp
	return &Registration{watch: w, token: token}
}

// startLocked makes the queue for the first registration.
func (w *Watch) startLocked() bool {
	if w.queue != nil {
		return true
	}
	q, err := newQueue()
	if err != nil {
		return false
	}
	w.queue = q
	w.watched = make(map[uint64]func())
	go q.run(w.tellAll)
	return true
}

// Stop ends a registration. hungUp may be running still.
func (r *Registration) Stop() {
	if r == nil {
		return
	}
	w := r.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.watched[r.token]; ok {
		delete(w.watched, r.token)
		w.stopIfUnusedLocked()
	}
}

// stopIfUnusedLocked ends the goroutine. The next registration begins with
// another queue.
func (w *Watch) stopIfUnusedLocked() {
	if len(w.watched) == 0 && w.queue != nil {
		w.queue.close()
		w.queue = nil
	}
}

const (
	batch = 128 // how many events are taken from the kernel at once
	// share is how many of them make a goroutine of their own worth it.
	share = 32
)

// tellAll calls back for a batch. When thousands hang up at once, one goroutine
// would get as little of the processors as any of those that go on with requests,
// and connections that are closed for long would still be open here.
func (w *Watch) tellAll(tokens []uint64) {
	var others sync.WaitGroup
	for len(tokens) > share {
		some := tokens[:share]
		tokens = tokens[share:]
		others.Go(func() { w.tellEach(some) })
	}
	w.tellEach(tokens)
	others.Wait()
}

func (w *Watch) tellEach(tokens []uint64) {
	for _, token := range tokens {
		w.tell(token)
	}
}

// tell calls back whoever is registered under the token.
func (w *Watch) tell(token uint64) {
	w.mu.Lock()
	hungUp := w.watched[token]
	w.mu.Unlock()
	if hungUp != nil {
		hungUp()
	}
}
