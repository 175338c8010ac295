package tcpinfo

import (
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a TCP connection of which the kernel can be asked. It is safe for
// concurrent use.
type Socket struct{ raw syscall.RawConn }

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
	if _, ok := s.Info(); !ok {
		return nil
	}
	return s
}

// Info asks the kernel; ok is false when the connection is closed.
func (s *Socket) Info() (info Info, ok bool) {
	q := queries.Get().(*query)
	defer queries.Put(q)
	ok = s.ask(q, q.readInfo)
	return q.info, ok
}

// End looks what a Read would come to, without reading: the peer's end of the
// stream, or its reset. Both are false if neither has come, or bytes are to be
// read before. The kernel tells of a reset once; afterwards it is an end.
func (s *Socket) End() (ended, reset bool) {
	_ = s.raw.Control(func(fd uintptr) { // closed on our side: neither
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ended, reset = n == 0 && err == nil, err == unix.ECONNRESET
	})
	return ended, reset
}

// Pending reports whether there are bytes to read, without reading any.
func (s *Socket) Pending() (pending bool) {
	_ = s.raw.Control(func(fd uintptr) { // closed on our side: none
		n, err := unix.IoctlGetUint32(int(fd), unix.SIOCINQ)
		pending = n > 0 && err == nil
	})
	return pending
}

// Unacked is how many bytes of ours the peer's kernel has not acknowledged yet;
// ok is false when the connection is closed. It costs a fraction of Info.
func (s *Socket) Unacked() (n int64, ok bool) {
	q := queries.Get().(*query)
	defer queries.Put(q)
	ok = s.ask(q, q.readUnacked)
	return q.unacked, ok
}

// Sent is how many bytes of ours the kernel has accepted, over the life of the
// connection; ok is false when it is closed. What is acknowledged while it asks
// is missing, and not counted twice: too high a sum would make a request that
// follows look as if it had not been acknowledged.
func (s *Socket) Sent() (n int64, ok bool) {
	info, ok := s.Info()
	if !ok {
		return 0, false
	}
	unacked, ok := s.Unacked()
	return info.Acked + unacked, ok
}

func (s *Socket) ask(q *query, question func(fd uintptr)) bool {
	q.ok = false
	return s.raw.Control(question) == nil && q.ok
}

// query is a question to the kernel, and its answer. It is kept for the next
// one: a closure for each would be allocated.
type query struct {
	readInfo, readUnacked func(fd uintptr)

	info    Info
	unacked int64
	ok      bool
}

var queries = sync.Pool{New: func() any {
	q := new(query)
	q.readInfo = func(fd uintptr) { q.info, q.ok = readInfo(int(fd)) }
	q.readUnacked = func(fd uintptr) {
		n, err := unix.IoctlGetUint32(int(fd), unix.SIOCOUTQ) // an int of C: 4 bytes, whatever ours has
		q.unacked, q.ok = int64(n), err == nil
	}
	return q
}}

// closeWait is TCP_CLOSE_WAIT of the kernel's tcp_states.h.
const closeWait = 8

func readInfo(fd int) (Info, bool) {
	raw, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || raw.Bytes_acked == 0 {
		return Info{}, false // the SYN counts as one byte, so 0 means not counted
	}
	return Info{
		Acked:        int64(raw.Bytes_acked) - 1,
		InFlight:     raw.Unacked > 0,
		SinceAck:     time.Duration(raw.Last_ack_recv) * time.Millisecond,
		SinceArrival: time.Duration(raw.Last_data_recv) * time.Millisecond,
		PeerClosed:   raw.State == closeWait,
		RoundTrip:    time.Duration(raw.Rtt) * time.Microsecond,
		Variation:    time.Duration(raw.Rttvar) * time.Microsecond,
	}, true
}
