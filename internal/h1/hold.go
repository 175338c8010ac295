package h1

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// holdFor is how long the head of a request waits for the first of its body.
const holdFor = time.Millisecond

// hold keeps the head of a request back until there is some of its body to go out
// with it: that is a system call, a segment and a wake-up of the server less. Where
// the body's first Read takes longer, the head is sent by the caller of Do, who has
// nothing better to do: until it is out there is no response to wait for.
type hold struct {
	// mu guards the rest; nothing is written under it. The buffer that has the head
	// belongs to the goroutine that writes the request, but to the caller of Do from
	// take until sent is closed.
	mu    sync.Mutex
	state holdState
	head  *writer       // while the body is being read
	sent  chan struct{} // closed when the caller has sent the head; nil: it does not
}

type holdState int

const (
	holdWriting holdState = iota // the body is not being read yet
	holdReading                  // its first Read has begun
	holdOver                     // the head waits no longer
)

// newHold returns nil if the head must go out as soon as it is written: where a
// write may block, or the codec may find out by a Read of its own whether there
// is a body.
func (x *Exchange) newHold() *hold {
	if x.MayBlock {
		return nil
	}
	switch x.req.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		if x.req.ContentLength <= 0 {
			return nil
		}
	}
	return new(hold)
}

// begin is called before each Read of the body, and reports whether the head
// waits for it.
func (h *hold) begin(head *writer) bool {
	if h == nil || head.sink.x.hasBegun() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != holdWriting {
		return false
	}
	h.state, h.head = holdReading, head
	return true
}

// end is called when a Read has returned.
func (h *hold) end() {
	if h == nil {
		return
	}
	h.mu.Lock()
	h.state, h.head = holdOver, nil
	sent := h.sent
	h.mu.Unlock()
	if sent != nil {
		<-sent
	}
}

// take ends the wait. The result is what has the head, if the body is still being
// read: the caller sends it, and says so by closing sent.
func (h *hold) take() (head *writer, sent chan<- struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state = holdOver
	if h.head == nil {
		return nil, nil
	}
	h.sent = make(chan struct{})
	return h.head, h.sent
}

// awaitHead returns when the head is on its way, and sends it if it has waited long
// enough. Until then there is no response, and a Read would take from the connection
// what the look before the first byte is for. An error means that nothing will go out.
func (x *Exchange) awaitHead() error {
	if x.wrote == nil {
		return nil
	}
	if x.body != nil && x.body.hold != nil {
		timer := x.Settings.getTimer(holdFor)
		defer x.Settings.putTimer(timer)
		select {
		case <-x.begun:
			return nil
		case <-x.wrote:
		case <-timer.C:
			if head, sent := x.body.hold.take(); head != nil {
				return x.sendHead(head, sent)
			}
		}
	}
	ctx := x.req.Context()
	select {
	case <-x.begun:
	case <-x.wrote:
		if !x.hasBegun() {
			return ErrUnfit // or the request itself was at fault, which an interruption has said
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// sendHead sends the head while the body is being read.
func (x *Exchange) sendHead(head *writer, sent chan<- struct{}) error {
	defer close(sent)
	switch {
	case head.buf.Flush() == nil:
	case x.hasBegun():
		x.expectHead(writeGrace, x.connErr)
	default:
		return ErrUnfit
	}
	return nil
}

// getTimer returns a timer that goes off after d.
func (s *Settings) getTimer(d time.Duration) *time.Timer {
	if timer, ok := s.timers.Get().(*time.Timer); ok {
		timer.Reset(d)
		return timer
	}
	return time.NewTimer(d)
}

func (s *Settings) putTimer(timer *time.Timer) {
	timer.Stop()
	s.timers.Put(timer)
}
