package ttlpool_test

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// memNet is a network in memory that behaves like the kernel's TCP where it
// matters to a pool: a dial succeeds before anybody accepts, writes are
// buffered, deadlines work, Close wakes readers and writers, and what a dead
// connection answers (EOF, reset, broken pipe) is what a socket would.
//
// Everything blocks on condition variables, so it works in a synctest bubble,
// where real sockets do not, as long as it is made there. The pool takes its
// connections for ones of unknown kind.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
}

func newMemNet() *memNet { return &memNet{listeners: make(map[string]*memListener)} }

// Listen returns a listener for an address, which may be any string. A former
// one for the same address no longer gets connections.
func (n *memNet) Listen(address string) *memListener {
	l := &memListener{network: n, address: memAddr(address)}
	l.changed.L = &n.mu
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[address] = l
	return l
}

// Dial connects to a listener; it fits a ttlpool.DialFunc and the DialContext
// of an http.Transport. Without a listener it fails as a closed port does.
func (n *memNet) Dial(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[address]
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: memAddr(address), Err: syscall.ECONNREFUSED}
	}
	client, server := memPipe("client", address)
	l.backlog = append(l.backlog, server)
	l.changed.Signal()
	return client, nil
}

// memListener is a net.Listener.
type memListener struct {
	network *memNet
	address memAddr
	changed sync.Cond // with network.mu, which guards the rest
	backlog []*memConn
	closed  bool
}

func (l *memListener) Accept() (net.Conn, error) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	for len(l.backlog) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "mem", Addr: l.address, Err: net.ErrClosed}
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	return c, nil
}

// Close stops listening and resets what nobody has accepted.
func (l *memListener) Close() error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.network.listeners[string(l.address)] == l {
		delete(l.network.listeners, string(l.address))
	}
	for _, c := range l.backlog {
		c.Reset()
	}
	l.backlog, l.closed = nil, true
	l.changed.Broadcast()
	return nil
}

func (l *memListener) Addr() net.Addr { return l.address }

type memAddr string

func (memAddr) Network() string  { return "mem" }
func (a memAddr) String() string { return string(a) }

// memPipe returns two connected ends.
func memPipe(client, server string) (*memConn, *memConn) {
	up, down := newMemStream(), newMemStream()
	return &memConn{in: down, out: up, local: memAddr(client), remote: memAddr(server)},
		&memConn{in: up, out: down, local: memAddr(server), remote: memAddr(client)}
}

// memConn is one end of a connection.
type memConn struct {
	in, out       *memStream
	local, remote memAddr
}

func (c *memConn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

func (c *memConn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close closes both directions. As in a kernel, the peer sees a reset instead
// of EOF if there are bytes that were not read.
func (c *memConn) Close() error {
	c.out.finish(net.ErrClosed)
	if c.in.abandon() {
		c.out.reset()
	}
	return nil
}

// CloseWrite lets the peer read EOF; the other direction stays open.
func (c *memConn) CloseWrite() error {
	c.out.finish(syscall.EPIPE)
	return nil
}

// Reset breaks the connection: the peer gets ECONNRESET, this end is closed.
func (c *memConn) Reset() {
	c.out.finish(net.ErrClosed)
	c.in.abandon()
	c.out.reset()
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

func (c *memConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reading, t)
	c.out.setDeadline(&c.out.writing, t)
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.reading, t)
	return nil
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writing, t)
	return nil
}

func (c *memConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: err}
}

// memBuffer is how many bytes a direction holds before a Write waits.
const memBuffer = 64 << 10

// memStream is one direction of a connection.
type memStream struct {
	mu      sync.Mutex
	changed sync.Cond // with mu, which guards the rest
	data    []byte
	reading memDeadline // of the reader's end
	writing memDeadline // of the writer's end

	finished  error // what the writer's end gets after it has closed
	abandoned bool  // the reader's end was closed
	broken    bool  // the writer's end knows that
	lost      bool  // the reader's end gets a reset
}

// memDeadline is a deadline for one end of a stream.
type memDeadline struct {
	timer  *time.Timer
	passed bool
}

func newMemStream() *memStream {
	s := new(memStream)
	s.changed.L = &s.mu
	return s
}

func (s *memStream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.abandoned:
			return 0, net.ErrClosed
		case s.reading.passed:
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			s.changed.Broadcast()
			return n, nil
		case s.lost:
			return 0, syscall.ECONNRESET
		case s.finished != nil:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		s.changed.Wait()
	}
}

func (s *memStream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := memBuffer - len(s.data); {
		case s.finished != nil:
			return n, s.finished
		case s.writing.passed:
			return n, os.ErrDeadlineExceeded
		case s.broken:
			return n, syscall.EPIPE
		case s.abandoned: // the kernel takes the bytes; the peer answers with a reset
			s.broken = true
			return len(p), nil
		case len(p) == n:
			return n, nil
		case room > 0:
			taken := min(room, len(p)-n)
			s.data = append(s.data, p[n:n+taken]...)
			n += taken
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

// finish closes the writer's end, which gets err from now on.
func (s *memStream) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = err
	s.writing.stop()
	s.changed.Broadcast()
}

// abandon closes the reader's end, and tells whether bytes were left in it.
func (s *memStream) abandon() (unread bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unread = len(s.data) > 0
	s.abandoned, s.data = true, nil
	s.reading.stop()
	s.changed.Broadcast()
	return unread
}

// reset lets the reader's end know that the connection is lost.
func (s *memStream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
	s.changed.Broadcast()
}

func (s *memStream) setDeadline(d *memDeadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	d.passed = false
	if t.IsZero() || s.abandoned && d == &s.reading || s.finished != nil && d == &s.writing {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		s.changed.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.timer == timer {
			d.passed = true
			s.changed.Broadcast()
		}
	})
	d.timer = timer
}

func (d *memDeadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
