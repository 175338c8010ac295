package hangup

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// queue is an epoll instance in which sockets are registered for nothing but
// the hang-up, and edge-triggered. The runtime's own poller waits for it, so
// that a waiting goroutine keeps no thread.
type queue struct {
	file  *os.File
	epoll syscall.RawConn
}

func newQueue() (*queue, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not poll it
		_ = unix.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "epoll")
	epoll, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &queue{file: file, epoll: epoll}, nil
}

// add registers a socket. Closing it takes it out again.
func (q *queue) add(socket syscall.RawConn, token uint64) (ok bool) {
	event := unix.EpollEvent{
		Events: unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff,
		Fd:     int32(token), Pad: int32(token >> 32),
	}
	err := socket.Control(func(fd uintptr) {
		_ = q.epoll.Control(func(epfd uintptr) {
			ok = unix.EpollCtl(int(epfd), unix.EPOLL_CTL_ADD, int(fd), &event) == nil
		})
	})
	return ok && err == nil
}

// ended are the events that are a hang-up; a reset is both. EPOLLERR alone is none:
// it comes, unasked as EPOLLHUP does, for what waits in a socket's error queue, as
// timestamps do.
const ended = unix.EPOLLRDHUP | unix.EPOLLHUP

// run tells of hang-ups, as many at a time as there are, until the queue is closed.
func (q *queue) run(tell func(tokens []uint64)) {
	events := make([]unix.EpollEvent, batch)
	tokens := make([]uint64, 0, batch)
	for {
		var n int
		err := q.epoll.Read(func(epfd uintptr) bool {
			n, _ = unix.EpollWait(int(epfd), events, 0)
			return n > 0
		})
		if err != nil {
			return
		}
		tokens = tokens[:0]
		for _, event := range events[:max(n, 0)] {
			if event.Events&ended != 0 {
				tokens = append(tokens, uint64(uint32(event.Fd))|uint64(uint32(event.Pad))<<32)
			}
		}
		tell(tokens)
	}
}

// close ends run. It does not block.
func (q *queue) close() { _ = q.file.Close() }
