package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// line is a stretch of network: it carries connections to an address, and
// whatever is sent on them, the end included, arrives after a delay.
type line struct {
	listener net.Listener
	to       string
	delay    time.Duration
	ends     sync.WaitGroup // of connections

	mu     sync.Mutex // guards open; nothing is closed under it
	open   map[net.Conn]struct{}
	closed bool
}

func newLine(to string, delay time.Duration) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	line := &line{listener: l, to: to, delay: delay, open: make(map[net.Conn]struct{})}
	line.ends.Go(line.accept)
	return line, nil
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.ends.Go(func() { l.connect(near.(*net.TCPConn)) })
	}
}

func (l *line) connect(near *net.TCPConn) {
	defer near.Close()
	conn, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer conn.Close()
	if !l.hold(near, conn) {
		return
	}
	defer l.forget(near, conn)
	far := conn.(*net.TCPConn)
	var both sync.WaitGroup
	both.Go(func() { l.carry(near, far) })
	both.Go(func() { l.carry(far, near) })
	both.Wait()
}

// piece is what was read at one time.
type piece struct {
	data []byte
	due  time.Time
	err  error
}

// carry passes on what comes in, and how it ends: in order, or with a reset.
func (l *line) carry(from, to *net.TCPConn) {
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buffer := make([]byte, 4<<10)
			n, err := from.Read(buffer)
			pieces <- piece{buffer[:n], time.Now().Add(l.delay), err}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		_, _ = to.Write(p.data) // if it fails, the other direction will end, too
		switch {
		case errors.Is(p.err, io.EOF):
			_ = to.CloseWrite()
		case p.err != nil:
			_ = to.SetLinger(0)
			_ = to.Close()
		}
	}
}

func (l *line) hold(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.open[c] = struct{}{}
	}
	return !l.closed
}

func (l *line) forget(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		delete(l.open, c)
	}
}

// close cuts the line with all that is on it.
func (l *line) close() error {
	err := l.listener.Close()
	l.mu.Lock()
	l.closed = true
	var all []net.Conn
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // it may have ended by itself
	}
	l.ends.Wait()
	return err
}
