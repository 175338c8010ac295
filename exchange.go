package ttlpool

import (
	"net/http"
	"time"

	"github.com/ttlpool/ttlpool/internal/h1"
)

// exchange is an HTTP/1.1 exchange that gives its connection back.
type exchange struct {
	h1.Exchange
	flight *flight
	lease  lease
	before int64 // bytes that the connection had sent before

	disclaimed bool // a 408 says that the server does not have the request
}

// rested is how long a connection was idle, at least, for its server to have
// said something by a timer. It makes it worth a system call to be sure of the
// answer.
const rested = 100 * time.Millisecond

// Fit reports whether nothing has come on the connection since it was leased.
func (x *exchange) Fit() bool { return x.lease.conn.unfit() == NotClosed }

// acknowledgedBy is how long a kernel may put an acknowledgement off.
const acknowledgedBy = 40 * time.Millisecond

// Premature reports whether the response that begins now crossed the request
// on the wire. On a connection that has served, and was busy until just now, only
// one that comes within a round trip after the request can have, and a 408, which
// says that the server has waited in vain. It may have come in time and been read
// late, by a process that was stalled; but soon the request is acknowledged in any
// case, and there is nothing left to be proved.
func (x *exchange) Premature(timedOut *http.Response) bool {
	conn := x.lease.conn
	if timedOut != nil && timedOut.Close && x.isOfIdleTimer() {
		x.disclaimed = true
		return true
	}
	if conn.wire == nil {
		return false
	}
	suspect := timedOut != nil || !x.lease.reused || x.lease.idle >= rested || conn.hungUp.Load() ||
		elapsed(readClocks(), conn.arrival.lastWrite()) <= conn.wire.roundTrip+acknowledgedBy
	return suspect && conn.premature(x.before)
}

// Followed reports whether more has come. A server that has said something unasked,
// by a timer, and goes on answers the request besides. The question is worth a system
// call where the connection had rested. What comes over TLS may be no response.
func (x *exchange) Followed() bool {
	conn := x.lease.conn
	return x.lease.idle >= rested && conn.kind == kindSocket &&
		conn.wire != nil && conn.wire.kernel != nil && conn.wire.kernel.Pending()
}

// isOfIdleTimer reports whether a 408 that closes its connection is that of the
// server's idle timer, which went off when the request had just arrived: it
// says that no complete request came in time, and that the client may repeat it
// (RFC 9110, 15.5.9). A connection that was busy until just now has no such
// timer running out. An idempotent request may be repeated in any case; another
// only where the 408 comes sooner than any server gives up on a request, so
// that it is not the answer of a program that has worked on it.
func (x *exchange) isOfIdleTimer() bool {
	f := x.flight
	if !x.lease.reused || x.lease.idle < rested || !f.replayable() {
		return false
	}
	return f.transport.idempotent(f.request) || x.answeredWithin(rested)
}

// answeredWithin reports whether the answer that is being read came so soon after
// the request's beginning, beside a round trip. Not after its last byte: a body
// may trickle for longer than its server waits. This process may have been
// stalled since; the kernel was not. A suspension counts, wherever it was: the
// server was awake.
func (x *exchange) answeredWithin(limit time.Duration) bool {
	came, conn := readClocks(), x.lease.conn
	if w := conn.wire; w != nil && w.kernel != nil {
		limit += w.longestRoundTrip()
		if info, ok := w.kernel.Info(); ok {
			came = came.before(info.SinceArrival)
		}
	}
	return elapsed(came, x.flight.began) <= limit
}

// Answered completes the response and takes in the server's hint. This is the
// last time at which the connection is surely still ours: a response without a
// body gives it back before Do returns, and the end of the context does at any time.
func (x *exchange) Answered(resp *http.Response) {
	x.flight.held = nil
	resp.Request = x.flight.original
	resp.TLS = x.lease.conn.tlsState()
	pool := x.flight.transport.pool
	values := resp.Header["Keep-Alive"]
	if len(values) == 0 || pool.config.ignoreHints {
		return
	}
	x.lease.conn.applyHint(parseKeepAlive(values))
}

// reasonFor says why a connection is closed after an exchange.
var reasonFor = [...]CloseReason{
	h1.NotKept: ClosedNotKept,
	h1.Unread:  ClosedUnread,
	h1.Failed:  ClosedFailed,
	h1.Stray:   ClosedStrayBytes,
}

// Ended gives the connection back, or closes it. From then on it may be somebody
// else's, whatever a hook does that is told of it.
func (x *exchange) Ended(outcome h1.Outcome) {
	defer x.flight.finish()
	pool, now := x.flight.transport.pool, readClocks()
	if outcome == h1.Reusable {
		x.flight.tracePutIdle(pool.release(x.lease.conn, now, true))
	} else {
		pool.discard(x.lease.conn, reasonFor[outcome], now)
	}
}
