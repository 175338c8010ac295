//go:build (darwin || freebsd) && (amd64 || arm64)

package hangup

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue is a kqueue in which sockets are registered for reading, with EV_CLEAR
// and a low-water mark that ordinary data does not reach; the end of the stream
// is an event below it, too. The kernels agree on that: filt_soread of XNU and
// of FreeBSD. XNU takes the size of the receive buffer for the mark if that is
// less, so a full buffer is an event there, and is ignored.
//
// A thread waits in kevent as long as anybody is registered: the runtime's
// poller asks of each descriptor that it can be written to as well, which a
// kqueue refuses.
type queue struct{ kq int }

const (
	lowWater = 1 << 30 // bytes
	// wakeUp is the identifier of the event by which run is ended.
	wakeUp = 1
)

func newQueue() (*queue, error) {
	kq, err := unix.Kqueue() // which no child process inherits
	if err != nil {
		return nil, err
	}
	q := &queue{kq: kq}
	var event unix.Kevent_t
	unix.SetKevent(&event, wakeUp, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR)
	if err := q.change(event); err != nil {
		_ = unix.Close(kq)
		return nil, err
	}
	return q, nil
}

// change asks for one change of what is registered. It does not block.
func (q *queue) change(event unix.Kevent_t) error {
	_, err := unix.Kevent(q.kq, []unix.Kevent_t{event}, nil, nil)
	return err
}

// add registers a socket. Closing it takes it out again.
func (q *queue) add(socket syscall.RawConn, token uint64) bool {
	var changeErr error
	err := socket.Control(func(fd uintptr) {
		var event unix.Kevent_t
		unix.SetKevent(&event, int(fd), unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
		event.Fflags = unix.NOTE_LOWAT
		event.Data = lowWater
		*userData(&event) = uintptr(token) | outside
		changeErr = q.change(event)
	})
	return err == nil && changeErr == nil
}

// outside marks a token, so that the garbage collector, which sees a pointer
// where the token is, does not look for an object there: the address is in no
// program's reach.
const outside = uintptr(1) << 63

// userData is what the kernel hands back with an event.
func userData(event *unix.Kevent_t) *uintptr { return (*uintptr)(unsafe.Pointer(&event.Udata)) }

// run tells of events, as many at a time as there are, until the queue is closed.
func (q *queue) run(tell func(tokens []uint64)) {
	events := make([]unix.Kevent_t, batch)
	tokens := make([]uint64, 0, batch)
	for {
		n, err := unix.Kevent(q.kq, nil, events, nil)
		if err != nil && err != unix.EINTR {
			return // the descriptor stays: add must not find somebody else's there
		}
		tokens = tokens[:0]
		for i := range events[:max(n, 0)] {
			switch event := &events[i]; {
			case event.Filter == unix.EVFILT_USER:
				_ = unix.Close(q.kq)
				return
			case event.Flags&unix.EV_EOF != 0:
				tokens = append(tokens, uint64(*userData(event)&^outside))
			}
		}
		tell(tokens)
	}
}

// close ends run, which closes the descriptor when it no longer waits on it.
// Nothing is added any more.
func (q *queue) close() {
	var event unix.Kevent_t
	unix.SetKevent(&event, wakeUp, unix.EVFILT_USER, 0)
	event.Fflags = unix.NOTE_TRIGGER
	_ = q.change(event)
}
