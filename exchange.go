package ttlpool

import (
	"net/http"

	"github.com/ttlpool/ttlpool/internal/h1"
)

// exchange is an HTTP/1.1 exchange that gives its connection back.
type exchange struct {
	h1.Exchange
	flight *flight
	lease  lease
	before int64 // bytes that the connection had sent before
}

// Premature reports whether the response that begins now crossed the request
// on the wire. Only a reused connection can have one on its way, and no later
// than a round trip after the request; but a server may send a 408, which says
// that it has waited in vain, at any time.
func (x *exchange) Premature(timedOut bool) bool {
	conn := x.lease.conn
	if !x.lease.reused || conn.wire == nil {
		return false
	}
	if !timedOut && elapsed(readClocks(), conn.arrival.lastWrite()) > conn.wire.roundTrip {
		return false
	}
	return conn.evidenceSince(x.before).premature()
}

// Answered takes in the server's hint.
func (x *exchange) Answered(resp *http.Response) {
	pool := x.flight.transport.pool
	values := resp.Header["Keep-Alive"]
	if len(values) == 0 || pool.config.ignoreHints {
		return
	}
	h := parseKeepAlive(values)
	pool.badHints.Add(int64(h.unusable))
	x.lease.conn.applyHint(h)
}

// reasonFor says why a connection is closed after an exchange.
var reasonFor = [...]CloseReason{
	h1.NotKept: ClosedNotKept,
	h1.Unread:  ClosedUnread,
	h1.Failed:  ClosedFailed,
	h1.Stray:   ClosedStrayBytes,
}

// Ended gives the connection back, or closes it.
func (x *exchange) Ended(outcome h1.Outcome) {
	pool, now := x.flight.transport.pool, readClocks()
	kept := false
	if outcome == h1.Reusable {
		kept = pool.release(x.lease.conn, now, true)
	} else {
		pool.discard(x.lease.conn, reasonFor[outcome], now)
	}
	x.flight.tracePutIdle(kept)
	x.flight.finish()
}
