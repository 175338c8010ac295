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
	a, ok := s.ask(readInfo)
	return a.info, ok
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
func (s *Socket) Pending() bool {
	a, ok := s.ask(readPending)
	return ok && a.bytes > 0
}

// Unacked is how many bytes of ours the peer's kernel has not acknowledged yet;
// ok is false when the connection is closed. It costs a fraction of Info.
func (s *Socket) Unacked() (n int64, ok bool) {
	a, ok := s.ask(readUnacked)
	return a.bytes, ok
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

// answer is what a question has brought.
type answer struct {
	info  Info
	bytes int64
}

// ask puts a question to the kernel.
func (s *Socket) ask(question func(fd int) (answer, bool)) (answer, bool) {
	q := queries.Get().(*query)
	defer queries.Put(q)
	q.question, q.ok = question, false
	err := s.raw.Control(q.put)
	return q.answer, err == nil && q.ok
}

// query is a question to the kernel, and its answer. It is kept for the next
// one: a closure for each would be allocated.
type query struct {
	put      func(fd uintptr)
	question func(fd int) (answer, bool)
	answer   answer
	ok       bool
}

var queries = sync.Pool{New: func() any {
	q := new(query)
	q.put = func(fd uintptr) { q.answer, q.ok = q.question(int(fd)) }
	return q
}}

func readUnacked(fd int) (answer, bool) { return readCount(fd, unix.SIOCOUTQ) }

func readPending(fd int) (answer, bool) { return readCount(fd, unix.SIOCINQ) }

func readCount(fd int, of uint) (answer, bool) {
	n, err := unix.IoctlGetUint32(fd, of) // an int of C: 4 bytes, whatever ours has
	return answer{bytes: int64(n)}, err == nil
}

// closeWait is TCP_CLOSE_WAIT of the kernel's tcp_states.h.
const closeWait = 8

func readInfo(fd int) (answer, bool) {
	raw, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || raw.Bytes_acked == 0 {
		return answer{}, false // the SYN counts as one byte, so 0 means not counted
	}
	return answer{info: Info{
		Acked:        int64(raw.Bytes_acked) - 1,
		InFlight:     raw.Unacked > 0,
		SinceAck:     time.Duration(raw.Last_ack_recv) * time.Millisecond,
		SinceArrival: time.Duration(raw.Last_data_recv) * time.Millisecond,
		PeerClosed:   raw.State == closeWait,
		RoundTrip:    time.Duration(raw.Rtt) * time.Microsecond,
		Variation:    time.Duration(raw.Rttvar) * time.Microsecond,
	}}, true
}
