//go:build unix

package hangup

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Probe looks at one socket without reading from it. It is not safe for
// concurrent use: its fields save an allocation at each look.
type Probe struct {
	socket syscall.RawConn
	look   func(fd uintptr)
	poll   [1]unix.PollFd
	state  State
}

// NewProbe returns nil if conn is not a socket of the kernel.
func NewProbe(conn net.Conn) *Probe {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	socket, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	p := &Probe{socket: socket}
	p.look = p.lookAt
	return p
}

// State looks at the socket now. It costs one system call and does not block.
//
// RawConn.Control and not RawConn.Read: Read waits for its turn behind
// whoever is reading, and for a deadline that may have been left set.
func (p *Probe) State() State {
	if err := p.socket.Control(p.look); err != nil {
		return HungUp // closed on our side
	}
	return p.state
}

func (p *Probe) lookAt(fd uintptr) {
	p.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	n, err := unix.Poll(p.poll[:], 0)
	for err == unix.EINTR { // it says so though it does not wait; the runtime sends signals
		n, err = unix.Poll(p.poll[:], 0)
	}
	switch {
	case err != nil:
		p.state = Unknown
	case n == 0:
		p.state = Quiet
	default:
		p.state = pendingOrHungUp(int(fd))
	}
}

// pendingOrHungUp tells apart what makes a socket readable.
func pendingOrHungUp(fd int) State {
	var one [1]byte
	n, _, err := unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return Unknown
	case err != nil || n == 0:
		return HungUp
	}
	return Pending
}
