package contract

import (
	"context"
	"net"
	"sync"
	"time"
)

// Connections that callers' dialers may give, and that behave as no socket does.

// lingering is a connection whose Write has sent everything long before it returns.
type lingering struct {
	net.Conn
	stage  *stage
	until  moment
	closed chan struct{}
	once   sync.Once
}

func (l *lingering) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	if l.stage.has(idle) {
		select {
		case <-l.closed:
		case <-l.stage.reached(l.until):
		}
	}
	return n, err
}

func (l *lingering) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

func (l *lingering) SetDeadline(time.Time) error      { return nil }
func (l *lingering) SetReadDeadline(time.Time) error  { return nil }
func (l *lingering) SetWriteDeadline(time.Time) error { return nil }

// lingersUntil makes the first connection one whose writes linger until then, or until it is closed.
func lingersUntil(m moment) dialer {
	return func(_ context.Context, s *stage, dial func() (net.Conn, error)) (net.Conn, error) {
		c, err := dial()
		if err != nil || s.has("the first dial is done") {
			return c, err
		}
		s.tell("the first dial is done")
		return &lingering{Conn: c, stage: s, until: m, closed: make(chan struct{})}, nil
	}
}

// deaf is a connection whose Close does not end a Read.
type deaf struct{ net.Conn }

func (d deaf) Close() error                     { return nil }
func (d deaf) SetDeadline(time.Time) error      { return nil }
func (d deaf) SetReadDeadline(time.Time) error  { return nil }
func (d deaf) SetWriteDeadline(time.Time) error { return nil }

// deafly gives deaf connections, which hear the server's end at last.
func deafly(_ context.Context, _ *stage, dial func() (net.Conn, error)) (net.Conn, error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	return deaf{c}, nil
}
