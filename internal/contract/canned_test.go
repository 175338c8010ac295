package contract

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// canned is the client's end of a connection in memory: whoever has sent a whole request gets the same bytes and then
// the end.
type canned struct {
	until []byte // what a whole request ends with

	asked  chan struct{} // closed when that is written
	closed chan struct{}

	mu     sync.Mutex
	sent   []byte // by the client, until asked is closed
	answer []byte // not yet read
}

func newCanned(answer []byte, until string) *canned {
	return &canned{until: []byte(until), answer: answer, asked: make(chan struct{}), closed: make(chan struct{})}
}

func (c *canned) Read(b []byte) (int, error) {
	select {
	case <-c.asked:
	case <-c.closed:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over():
		return 0, net.ErrClosed
	case len(c.answer) == 0:
		return 0, io.EOF
	}
	n := copy(b, c.answer)
	c.answer = c.answer[n:]
	return n, nil
}

func (c *canned) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return 0, net.ErrClosed
	}
	if isOpen(c.asked) {
		if c.sent = append(c.sent, b...); bytes.HasSuffix(c.sent, c.until) {
			close(c.asked)
		}
	}
	return len(b), nil
}

func (c *canned) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over() {
		close(c.closed)
	}
	return nil
}

func (c *canned) over() bool { return !isOpen(c.closed) }

func isOpen(ch chan struct{}) bool {
	select {
	case <-ch:
		return false
	default:
		return true
	}
}

func (*canned) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (*canned) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (*canned) SetDeadline(time.Time) error      { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }
