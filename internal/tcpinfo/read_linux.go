package tcpinfo

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a TCP connection of which the kernel can be asked. It is safe for
// concurrent use, but for Unacked.
type Socket struct {
	raw     syscall.RawConn
	ask     func(fd uintptr) // askUnacked: kept, because a closure would be made for each call
	unacked int              // what it has found; negative: nothing
}

// Of returns nil where the answers would prove nothing: for anything but a
// plain TCP connection (Multipath TCP has several below it), and on a kernel
// before 4.1, which does not count acknowledged bytes.
func Of(conn net.Conn) *Socket {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	if multipath, err := tcp.MultipathTCP(); err != nil || multipath {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &Socket{raw: raw}
	s.ask = s.askUnacked
	if _, ok := s.Info(); !ok {
		return nil
	}
	return s
}

// Info asks the kernel; ok is false when the connection is closed.
func (s *Socket) Info() (info Info, ok bool) {
	err := s.raw.Control(func(fd uintptr) { info, ok = read(int(fd)) })
	return info, ok && err == nil
}

// Unacked is how many bytes of ours the peer's kernel has not acknowledged yet;
// ok is false when the connection is closed. It costs a fraction of Info, and
// must not be called concurrently.
func (s *Socket) Unacked() (n int64, ok bool) {
	if err := s.raw.Control(s.ask); err != nil || s.unacked < 0 {
		return 0, false
	}
	return int64(s.unacked), true
}

func (s *Socket) askUnacked(fd uintptr) {
	var err error
	if s.unacked, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil {
		s.unacked = -1
	}
}

// closeWait is TCP_CLOSE_WAIT of the kernel's tcp_states.h.
const closeWait = 8

func read(fd int) (Info, bool) {
	raw, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Info{}, false
	}
	unacked, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil || raw.Bytes_acked == 0 {
		return Info{}, false // the SYN counts as one byte, so 0 means not counted
	}
	acked := int64(raw.Bytes_acked) - 1
	return Info{
		Acked:        acked,
		Sent:         acked + int64(unacked),
		InFlight:     raw.Unacked > 0,
		SinceAck:     time.Duration(raw.Last_ack_recv) * time.Millisecond,
		SinceArrival: time.Duration(raw.Last_data_recv) * time.Millisecond,
		PeerClosed:   raw.State == closeWait,
		RoundTrip:    time.Duration(raw.Rtt) * time.Microsecond,
		Variation:    time.Duration(raw.Rttvar) * time.Microsecond,
	}, true
}
