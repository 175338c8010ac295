package ttlpool

import (
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool/internal/tcpinfo"
)

// wire is a socket of the kernel that a Transport has dialled, below TLS. It
// keeps what is needed to prove that a request was never seen: how many bytes
// the kernel has accepted, so that they can be compared with those that the
// peer's kernel has acknowledged, and whether the peer has closed in order.
type wire struct {
	net.Conn
	kernel    *tcpinfo.Socket // nil: nothing can be proved
	roundTrip time.Duration   // of the handshake
	variation time.Duration   // of round trips, as the kernel expects it
	sent      atomic.Int64    // bytes accepted, over the whole life
	received  atomic.Int64    // bytes read
	ending    ending
	shared    atomic.Bool             // by the streams of a session
	last      atomic.Pointer[account] // as it was closed, if it was shared
	lost      atomic.Pointer[blackHoleError]
	stall     stall       // for the lookout only
	dry       atomic.Bool // Reads shall find nothing
	scratch   [1]byte     // for one who wants to know only whether there is something
}

func newWire(socket net.Conn) *wire {
	w := &wire{Conn: socket, kernel: tcpinfo.Of(socket)}
	if w.kernel == nil {
		return w
	}
	// The caller's dial function may have sent something before.
	if sent, ok := w.kernel.Sent(); ok {
		w.sent.Store(sent)
	}
	if info, ok := w.kernel.Info(); ok {
		w.roundTrip, w.variation = info.RoundTrip, info.Variation
	}
	return w
}

func (w *wire) Read(p []byte) (int, error) {
	if w.dry.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := w.Conn.Read(p)
	w.received.Add(int64(n))
	w.ending.note(err)
	return n, w.explain(err)
}

func (w *wire) Write(p []byte) (int, error) {
	w.ending.writes.Add(1)
	n, err := w.Conn.Write(p)
	w.sent.Add(int64(n))
	w.ending.wrote(err)
	return n, w.explain(err)
}

// ReadFrom keeps sendfile.
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	w.ending.writes.Add(1)
	n, err := io.Copy(w.Conn, r)
	w.sent.Add(n)
	w.ending.wrote(err)
	return n, w.explain(err)
}

// Close keeps what the kernel tells, for it tells nothing afterwards, if a session
// closes the socket before the requests on it have failed. Of any other, nobody
// asks afterwards, and ten thousand that hang up at once are closed sooner.
func (w *wire) Close() error {
	if w.kernel != nil && w.shared.Load() {
		if last, ok := w.ask(); ok {
			w.last.Store(&last)
		}
	}
	return w.Conn.Close()
}

// account is what the kernel tells of a socket.
type account struct {
	tcpinfo.Info
	ended bool // that was known before the kernel was asked
	whole bool // all that it has accepted went by TCP
}

// ask looks for the end first: of a FIN that comes between the two questions,
// the acknowledgement would else be missed that came with it. What was sent is
// read before what is unacknowledged, and that before what is acknowledged: on
// its way from one to the other nothing can be missed. What is nowhere has taken
// another way, as between the containers of one machine, where a BPF program hands it
// from socket to socket: of that no acknowledgement tells.
func (w *wire) ask() (a account, ok bool) {
	w.ending.look(w.kernel)
	a.ended = w.ending.ended.Load()
	sent := w.sent.Load()
	unacked, _ := w.kernel.Unacked()
	a.Info, ok = w.kernel.Info()
	a.whole = a.Acked+unacked >= sent
	return a, ok
}

// account is what the kernel tells, or told when the socket was closed.
func (w *wire) account() (account, bool) {
	if a, ok := w.ask(); ok {
		return a, true
	}
	if last := w.last.Load(); last != nil {
		return *last, true
	}
	return account{}, false
}

// longestRoundTrip is what a round trip seldom exceeds.
func (w *wire) longestRoundTrip() time.Duration { return w.roundTrip + 4*w.variation }

// evidence is what is known of a request that got no answer.
type evidence struct {
	counted bool  // the kernel counts all that was sent, and we have counted since birth
	closed  bool  // the peer has closed in order, by FIN
	before  int64 // bytes sent before the request
	acked   int64 // bytes that the peer's kernel has acknowledged
}

// unseen reports whether the evidence proves that the request never reached the
// server. A segment always acknowledges all that has been received, the FIN
// too: if even now the first byte of the request is not covered, the peer's
// kernel had none of it when the server closed, and nobody can read it there
// any more. What was acknowledged when the FIN came would not do: a server may
// have closed its side only, and still read. A reset proves nothing: it
// acknowledges nothing.
func (e evidence) unseen() bool {
	return e.counted && e.closed && e.acked <= e.before
}

// acknowledged is how many bytes of the request the peer's kernel has
// acknowledged, or unknownBytes.
func (e evidence) acknowledged() int64 {
	if !e.counted {
		return unknownBytes
	}
	return max(0, e.acked-e.before)
}

// premature reports whether a response that is beginning now cannot be an answer
// to the request: a real answer carries the acknowledgement with it.
func (e evidence) premature() bool {
	return e.counted && e.acked <= e.before
}

// evidenceSince gathers what is known of a request before which the connection
// had sent so many bytes.
func (c *Conn) evidenceSince(before int64) evidence {
	w := c.wire
	if w == nil || w.kernel == nil {
		return evidence{}
	}
	if lost := w.lost.Load(); lost != nil { // the kernel cannot be asked any more
		return evidence{counted: true, before: before, acked: lost.acked}
	}
	told, ok := w.account()
	return evidence{
		counted: ok && told.whole,
		closed:  told.PeerClosed || told.ended && w.ending.inOrder(),
		before:  before,
		acked:   told.Acked,
	}
}

// premature reports whether a response that is beginning now cannot be an answer
// to the request before which the connection had sent so many bytes. The
// ordinary answer costs one small question: less is unacknowledged than the
// request is long.
func (c *Conn) premature(before int64) bool {
	w := c.wire
	if w.kernel == nil {
		return false
	}
	sent := w.sent.Load() // first: what is sent meanwhile must not count as acknowledged
	if unacked, ok := w.kernel.Unacked(); ok && unacked < sent-before {
		return false
	}
	return c.evidenceSince(before).premature()
}

// awaitEvidence gathers the evidence once the server has had the time to show
// what it does after an answer that came too soon, or the end of TLS: to close, whose
// FIN is then on its way, or to take the request in, which acknowledges it.
func (c *Conn) awaitEvidence(ctx context.Context, before int64) evidence {
	e := c.evidenceSince(before)
	if c.wire == nil {
		return e
	}
	step := max(c.wire.longestRoundTrip()/8, time.Millisecond)
	for left := 2*c.wire.longestRoundTrip() + step; left > 0 && e.premature() && !e.closed; left -= step {
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return e
		}
		e = c.evidenceSince(before)
	}
	return e
}

// sentOnWire is how many bytes the connection has sent, or nothing that means
// anything if that is not known.
func (c *Conn) sentOnWire() int64 {
	if c.wire == nil {
		return 0
	}
	return c.wire.sent.Load()
}
