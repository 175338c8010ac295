package hangup

import (
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Watch tells at once when the peer of a connection hangs up, for any number of
// connections with one goroutine: an epoll instance in which each socket is
// registered once, for nothing but the hang-up and edge-triggered, so that
// ordinary traffic causes no event. The goroutine waits for it in the runtime's
// own poller, and ends with the last registered connection. The zero value is
// ready; it is safe for concurrent use.
type Watch struct {
	mu      sync.Mutex // guards the rest; it is never held across a callback
	epoll   *os.File   // nil: nobody is registered
	watched map[uint64]func()
	last    uint64 // the token registered last
}

// Registration ends with Stop.
type Registration struct {
	watch *Watch
	token uint64
}

// Register has hungUp called, once and from the watch's goroutine, when the
// peer closes its side of the connection or resets it. The result is nil if the
// connection is no socket, or the kernel refuses. hungUp must be quick.
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
	if !w.addLocked(socket, token) {
		w.stopIfUnusedLocked()
		return nil
	}
	w.watched[token] = hungUp
	return &Registration{watch: w, token: token}
}

// startLocked makes the epoll instance for the first registration.
func (w *Watch) startLocked() bool {
	if w.epoll != nil {
		return true
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not poll it
		_ = unix.Close(fd)
		return false
	}
	w.epoll = os.NewFile(uintptr(fd), "epoll")
	w.watched = make(map[uint64]func())
	waiter, err := w.epoll.SyscallConn()
	if err != nil {
		_ = w.epoll.Close()
		w.epoll = nil
		return false
	}
	go w.run(waiter)
	return true
}

// addLocked registers the socket. Closing it takes it out again.
func (w *Watch) addLocked(socket syscall.RawConn, token uint64) (ok bool) {
	epoll, err := w.epoll.SyscallConn()
	if err != nil {
		return false
	}
	event := unix.EpollEvent{
		Events: unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff,
		Fd:     int32(token), Pad: int32(token >> 32),
	}
	err = socket.Control(func(fd uintptr) {
		_ = epoll.Control(func(epfd uintptr) {
			ok = unix.EpollCtl(int(epfd), unix.EPOLL_CTL_ADD, int(fd), &event) == nil
		})
	})
	return ok && err == nil
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
// another epoll instance.
func (w *Watch) stopIfUnusedLocked() {
	if len(w.watched) == 0 && w.epoll != nil {
		_ = w.epoll.Close() // wakes the goroutine; does not block
		w.epoll = nil
	}
}

// run waits for events until the epoll instance is closed.
func (w *Watch) run(epoll syscall.RawConn) {
	events := make([]unix.EpollEvent, 128)
	for {
		var n int
		err := epoll.Read(func(epfd uintptr) bool {
			n, _ = unix.EpollWait(int(epfd), events, 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, event := range events[:max(n, 0)] {
			w.tell(uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32)
		}
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
