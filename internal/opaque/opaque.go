// Package opaque makes something of connections of which nothing is known but
// Read, Write and Close: their deadlines may do nothing or panic, closing them
// may not end their calls, and there is no descriptor to look at.
package opaque

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn wraps such a connection. Its deadlines work, and it knows whether the
// peer has sent something, or hung up, while nobody reads.
//
// The price is a goroutine for each call in progress, left behind by a deadline or
// by Close until the call returns, and one while it is listened to.
type Conn struct {
	inner       net.Conn
	size        int
	read, write deadline
	closed      chan struct{} // closed by Close
	closing     sync.Once
	reading     sync.Mutex    // held through each Read
	writing     chan struct{} // full while the connection's Write is in progress

	mu       sync.Mutex    // guards the rest; the connection is not touched under it
	buf      []byte        // for the call in progress
	unread   []byte        // what the last call has brought
	err      error         // of the last call; what follows it would be the same
	busy     chan struct{} // closed at the end of the call in progress; nil: there is none
	listened bool          // Listen has begun the last call
	heard    func()        // called at its end, once
}

// New wraps a connection. buffer is how much is read from it at once; 0 means
// 4 KiB.
func New(inner net.Conn, buffer int) *Conn {
	if buffer <= 0 {
		buffer = 4 << 10
	}
	return &Conn{inner: inner, size: buffer, closed: make(chan struct{}), writing: make(chan struct{}, 1)}
}

// Read reads what has been heard, or waits for more.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		over := c.read.over()
		if err := c.ended(over); err != nil {
			return 0, err
		}
		if n, err := c.take(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-c.call(nil):
		case <-over:
			return 0, os.ErrDeadlineExceeded
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
}

// ended says why there is nothing to begin: the connection is closed, or the
// deadline has come.
func (c *Conn) ended(over <-chan struct{}) error {
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	select {
	case <-over:
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

// take returns what there is without waiting. The deadline of a call that Listen
// has begun is forgotten: it counts from then, and not from the Read that asks,
// for which the connection is called once more.
func (c *Conn) take(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if n > 0 {
		return n, nil
	}
	if c.listened && isDeadline(c.err) {
		c.err = nil
	}
	return 0, c.err
}

// isDeadline reports whether an error is that of a deadline on this side, as the
// connection itself may set one in each Read. The kernel's own timeout says that
// the peer is gone.
func isDeadline(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, syscall.ETIMEDOUT)
}

// call makes sure that a Read of the connection is in progress, and returns a
// channel that is closed at its end. heard, if not nil, is called then.
func (c *Conn) call(heard func()) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = heard
	if c.busy != nil {
		return c.busy
	}
	busy := make(chan struct{})
	if len(c.unread) > 0 || c.err != nil {
		close(busy) // there is something already
		return busy
	}
	if c.buf == nil {
		c.buf = make([]byte, c.size)
	}
	c.busy, c.listened = busy, heard != nil
	go c.run(busy)
	return busy
}

// run is a call.
func (c *Conn) run(busy chan<- struct{}) {
	n, err := c.inner.Read(c.buf)
	c.mu.Lock()
	c.unread, c.err, c.busy = c.buf[:n], err, nil
	heard := c.heard
	c.heard = nil
	c.mu.Unlock()
	close(busy)
	if heard != nil {
		heard()
	}
}

// Listen has heard called, once and from any goroutine, when the peer sends
// something or hangs up. The next Read ends it. What has come already is not told:
// Heard has it.
func (c *Conn) Listen(heard func()) { c.call(heard) }

// Heard tells what has come and was not read: bytes, or the error that is the end.
func (c *Conn) Heard() (pending bool, end error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.unread) > 0, c.err
}

// Write writes p, after what went before: a Write that its deadline has left behind
// may still be going on, and two at once would mix their bytes. If the deadline
// passes, nothing is known of how much was, or will be, written.
func (c *Conn) Write(p []byte) (int, error) {
	over := c.write.over()
	if err := c.ended(over); err != nil { // although there may be room
		return 0, err
	}
	select {
	case c.writing <- struct{}{}:
	case <-over:
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
	done := make(chan written, 1)
	go c.send(bytes.Clone(p), done) // a copy: the call may outlive this one
	var left error
	select {
	case w := <-done:
		return w.n, w.err
	case <-over:
		left = os.ErrDeadlineExceeded
	case <-c.closed:
		left = net.ErrClosed
	}
	select {
	case w := <-done: // both had come
		return w.n, w.err
	default:
		return 0, left
	}
}

// written is what a Write of the connection has come to.
type written struct {
	n   int
	err error
}

// send is a Write of the connection, and then lets the next begin.
func (c *Conn) send(p []byte, done chan<- written) {
	n, err := c.inner.Write(p)
	<-c.writing
	done <- written{n, err}
}

// Close closes the connection. Calls in progress end, whether or not the
// connection's own do.
func (c *Conn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.inner.Close()
}

// LocalAddr returns the connection's.
func (c *Conn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the connection's.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// SetDeadline sets both deadlines. The connection's own are not touched.
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}

// NetConn returns the wrapped connection.
func (c *Conn) NetConn() net.Conn { return c.inner }
