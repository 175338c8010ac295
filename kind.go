package ttlpool

import (
	"crypto/tls"
	"net"

	"github.com/ttlpool/ttlpool/internal/connect"
	"github.com/ttlpool/ttlpool/internal/hangup"
	"github.com/ttlpool/ttlpool/internal/opaque"
)

// connKind says what a wrapped connection can be relied on to do.
type connKind int

const (
	// kindUnknown may do nothing right but Read, Write and Close.
	kindUnknown connKind = iota
	// kindOpaque is one of unknown kind that was given working deadlines.
	kindOpaque
	// kindSocket is a socket of the kernel: deadlines unblock its calls, Close
	// does not block, and a Read that returns less than it could has emptied
	// it.
	kindSocket
	// kindTLS is TLS over one of the two above, or over TLS again: a Read returns
	// at most one record.
	kindTLS
)

// kindOf takes nothing but the standard library's own types for sockets: a
// wrapper of one may do anything in its Read and Close.
func kindOf(c net.Conn) connKind {
	switch c := c.(type) {
	case *net.TCPConn, *net.UnixConn, *wire:
		return kindSocket
	case *opaque.Conn:
		return kindOpaque
	case *tls.Conn:
		if kindOf(c.NetConn()) != kindUnknown {
			return kindTLS
		}
	}
	return kindUnknown
}

// prepare is for the connections that a Transport dials: it counts what goes
// over sockets, and makes the deadlines of all others work.
func prepare(c net.Conn, readBuffer int) net.Conn {
	switch kindOf(c) {
	case kindSocket:
		return newWire(c)
	case kindUnknown:
		return opaque.New(c, readBuffer)
	}
	return c
}

// wired is prepare for a Pool, whose holders have to cope with what their dial
// function returns.
func wired(c net.Conn) net.Conn {
	if kindOf(c) == kindSocket && !connect.IsNil(c) {
		return newWire(c)
	}
	return c
}

// transparent is prepare for a connection that somebody else has made ready:
// what its socket has sent is not known.
func transparent(c net.Conn, readBuffer int) net.Conn {
	if kindOf(c) == kindUnknown {
		return opaque.New(c, readBuffer)
	}
	return c
}

// belowTLS returns the connection below TLS, of which there are two layers where
// the proxy of a server with TLS is spoken to by TLS, too.
func belowTLS(c net.Conn) net.Conn {
	for {
		secure, ok := c.(*tls.Conn)
		if !ok {
			return c
		}
		c = secure.NetConn()
	}
}

// bare returns what somebody has dialled, without what was put around it here.
func bare(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *opaque.Conn:
		return c.NetConn()
	case *wire:
		return c.Conn
	}
	return c
}

// prober looks at an idle connection without reading from it, and says why it
// cannot be used again; NotClosed: nothing has come.
type prober interface{ look() CloseReason }

func proberOf(c net.Conn) prober {
	if o, ok := c.(*opaque.Conn); ok {
		return heard{o}
	}
	if p := hangup.NewProbe(bare(c)); p != nil {
		return seen{p}
	}
	return nil
}

// seen is the prober of a socket.
type seen struct{ probe *hangup.Probe }

func (s seen) look() CloseReason {
	switch s.probe.State() {
	case hangup.Pending:
		return ClosedStrayBytes
	case hangup.HungUp:
		return ClosedHungUp
	}
	return NotClosed
}

// heard is the prober of an opaque connection. It takes that one's lock and makes
// no system call.
type heard struct{ conn *opaque.Conn }

func (h heard) look() CloseReason {
	switch pending, end := h.conn.Heard(); {
	case pending:
		return ClosedStrayBytes
	case isTimeout(end) && !isBlackHole(end):
		return ClosedOwnTimeout
	case end != nil:
		return ClosedHungUp
	}
	return NotClosed
}
