package ttlpool

import (
	"sync"
	"time"
)

// arrival estimates when the last byte from the peer arrived, where the kernel
// does not tell.
//
// The peer's keep-alive clock starts when it has sent its response. A caller
// that reads slowly finds the bytes in the socket's buffer long after: the
// time of the read would make the connection look younger than its peer
// thinks. But a response comes after its request; a Read that had to wait
// returned what had just arrived, unless the process was stalled meanwhile, or
// the machine suspended, which counts as idle time; and one that had not has
// returned what arrived after the socket was last seen empty.
type arrival struct {
	mu    sync.Mutex // guards the rest; nothing but assignments happens under it
	last  instant    // not after the arrival of the last byte
	empty instant    // when there was last known to be nothing to read
	wrote instant    // when something was last sent
}

// waited is the least duration of a Read that had to wait. A shorter one is
// taken for a Read that found its bytes there, which errs on the safe side.
const waited = time.Millisecond

// noteWrite notes that bytes were sent at now. What answers them is yet to
// come, and the peer's clock starts afresh when they get there.
func (a *arrival) noteWrite(now instant) {
	a.mu.Lock()
	a.last, a.empty, a.wrote = now, now, now
	a.mu.Unlock()
}

// noteRead notes a Read that returned bytes. drained says that it has left
// nothing behind.
func (a *arrival) noteRead(before, after instant, drained bool) {
	a.mu.Lock()
	switch {
	case elapsed(after, before) >= waited:
		a.last = after.awakeSince(before)
	case a.last.monotonic < a.empty.monotonic:
		a.last = a.empty // and otherwise not before what came before it
	}
	if drained {
		a.empty = after
	}
	a.mu.Unlock()
}

// lastWrite returns when something was last sent.
func (a *arrival) lastWrite() instant {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wrote
}

// bounds returns when something was last sent, and the estimate.
func (a *arrival) bounds() (wrote, latest instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wrote, a.last
}
