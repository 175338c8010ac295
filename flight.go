package ttlpool

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"github.com/ttlpool/ttlpool/internal/connect"
	"github.com/ttlpool/ttlpool/internal/h1"
	"github.com/ttlpool/ttlpool/internal/h2"
	"github.com/ttlpool/ttlpool/internal/replay"
)

// flight is one request on its way.
type flight struct {
	transport *Transport
	original  *http.Request
	request   *http.Request // with the context that ends it
	done      func()
	proxy     *url.URL      // or nil
	body      *replay.Body  // records the body; nil: no need, or no use
	began     instant       // when its first exchange did
	held      *Conn         // leased for it, until its response has begun
	unsent    *http.Request // what no exchange has taken over, nor will close the body of; or nil
	first     exchange      // its first try over HTTP/1.1, here because most have no other
}

func (f *flight) run() (resp *http.Response, err error) {
	returned := false
	defer func() {
		if !returned {
			f.unwind()
		}
	}()
	var d demand
	l, err := f.acquire(&d, nil, NotClosed)
	for err == nil {
		now := readClocks()
		f.held = nil // if a hook panics now, the pool has given it back
		why, gone := l.gone(now)
		if !gone {
			f.began = now
			break
		}
		f.held = l.conn
		l, err = f.acquire(&d, l.conn, why)
	}
	if err != nil {
		closeBody(f.request)
	} else {
		resp, err = f.try(l)
	}
	returned = true
	return resp, err
}

// unwind cleans up behind a panic of one of the caller's own functions: a
// dialer, a hook, a predicate. What it calls may panic, too.
func (f *flight) unwind() {
	defer f.finish()
	defer f.dropBody()
	switch conn := f.held; {
	case conn == nil:
	case conn.session != nil: // which may be running exchanges of others
		f.transport.pool.release(conn, readClocks(), false)
	default:
		f.transport.pool.discard(conn, ClosedFailed, readClocks())
	}
}

// acquire gets a connection from the pool, in place of one that has proved unfit, if
// any has.
func (f *flight) acquire(d *demand, refused *Conn, why CloseReason) (lease, error) {
	ctx := f.request.Context()
	if refused == nil {
		if ctx.Err() != nil {
			return lease{}, context.Cause(ctx)
		}
		if choose := f.transport.proxy; choose != nil {
			var err error
			if f.proxy, err = choose(f.request); err != nil {
				return lease{}, err
			}
		}
		d.key, d.strict = keyOf(f.request, f.proxy), f.unrepeatable()
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(f.connectedTo())
	}
	f.held = nil // from here on the pool has what was refused
	now := readClocks()
	if refused == nil {
		d.begun = now
	}
	l, err := f.transport.pool.acquireInstead(ctx, *d, now, refused, why)
	if err == nil && trace != nil {
		f.held = l.conn
		traceGotConn(trace, l)
	}
	return l, err
}

// connectedTo is the address that is dialled: the proxy's, if there is one.
func (f *flight) connectedTo() string {
	if f.proxy != nil {
		return asciiAddress(f.proxy)
	}
	return asciiAddress(f.request.URL)
}

// unrepeatable reports whether the request could not be sent again, whatever
// the kernel may prove.
func (f *flight) unrepeatable() bool {
	req := f.request
	if !f.transport.idempotent(req) {
		return true
	}
	return req.Body != nil && req.GetBody == nil && req.ContentLength > f.transport.replayLimit
}

// try sends the request on a connection, and again on a new one if that one
// fails it and the table allows it.
func (f *flight) try(l lease) (*http.Response, error) {
	req := f.request
	if f.body = f.recorder(l); f.body != nil {
		first, _ := f.body.Attempt() // of what nobody has read yet
		req = withBody(req, first)
	}
	resp, failed := f.exchange(l, req, false)
	if failed == nil {
		f.settleBody()
		return resp, nil
	}
	again := f.decide(failed)
	err := f.report(failed, again)
	if !again {
		f.giveUp(l.conn, failed)
		f.settleBody()
		return nil, err
	}
	return f.tryAgain(l.conn, failed)
}

// decide reports whether there shall be a second try. A recorded body is taken for
// it at once: the first try may be reading on, and bring more than is kept while
// the hooks are told that the request is sent again.
func (f *flight) decide(failed *failedExchange) bool {
	if failed.retry() && f.body != nil {
		var again io.ReadCloser
		if again, failed.replayable = f.body.Attempt(); failed.replayable {
			f.unsent = withBody(f.request, again)
		}
	}
	return failed.retry()
}

// freshLimit is how much of a body is recorded on a new connection: one piece of
// the recorder's, for a server that closes what it has just accepted does so
// before it has taken in more.
const freshLimit = 16 << 10

// recorder returns what records the request's body on that connection, or nil if
// it need not be recorded, or could not be whole. A new connection is hardly ever
// given up unseen, and a body that is known to be long would lose sendfile. One of
// HTTP/2 may refuse a stream at any age.
func (f *flight) recorder(l lease) *replay.Body {
	req, limit := f.request, f.transport.replayLimit
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return nil
	}
	if !l.reused && l.conn.session == nil {
		limit = min(limit, freshLimit)
		if req.ContentLength > limit {
			return nil
		}
	}
	return replay.New(req.Body, limit)
}

// tryAgain sends the request on a connection that takes the place of the one
// that failed it, or as another stream.
func (f *flight) tryAgain(dead *Conn, failed *failedExchange) (*http.Response, error) {
	if err := f.rewind(); err != nil {
		failed.countLost()
		f.giveUp(dead, failed)
		return nil, err
	}
	req := f.unsent
	f.held = nil
	l, err := f.anotherTurn(failed)
	if err != nil {
		failed.countLost()
		closeBody(req)
		return nil, err
	}
	l.conn.bucket.past.tally.count(eventRetry+event(failed.retryReason()), 1)
	f.held = l.conn
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		if trace.GetConn != nil {
			trace.GetConn(f.connectedTo())
		}
		traceGotConn(trace, l)
	}
	resp, failed := f.exchange(l, req, true)
	if failed == nil {
		return resp, nil
	}
	f.giveUp(l.conn, failed)
	return nil, f.report(failed, false)
}

// exchange sends the request on one connection.
func (f *flight) exchange(l lease, req *http.Request, second bool) (*http.Response, *failedExchange) {
	conn := l.conn
	conn.bucket.past.tally.count(eventRequest, 1)
	f.held, f.unsent = conn, nil
	if session, ok := conn.session.(*h2.Conn); ok {
		return f.stream(session, l, req, second)
	}
	x := &f.first
	if second {
		x = new(exchange)
	}
	x.flight, x.lease, x.before = f, l, conn.sentOnWire()
	x.Settings = f.transport.settings
	x.Conn = conn
	x.MayBlock = conn.mayHang()
	x.Reused = l.reused
	x.Owner = x
	if conn.bucket.key.forwards {
		x.ViaProxy = true
		x.ProxyAuthorization = connect.ProxyAuthorization(f.proxy)
	}
	if !l.reused && conn.kind == kindSocket && conn.unfit() == ClosedStrayBytes {
		closeBody(req)
		return nil, f.failedExchange(x, h1.ErrPremature, second) // it speaks unasked
	}
	resp, err := x.Do(req)
	if err != nil {
		return nil, f.failedExchange(x, err, second)
	}
	f.held = nil
	return resp, nil
}

// failedExchange gathers what is known of a failed HTTP/1.1 exchange. Of an
// answer that was none, nothing was received; whether the server will yet act on
// the request, only what it does next can show.
func (f *flight) failedExchange(x *exchange, err error, second bool) *failedExchange {
	conn := x.lease.conn
	failed := f.failed(x.lease, err, x.Sent(), x.Received(), second)
	evidence := conn.evidenceSince(x.before)
	// What has come though nothing was sent, or had arrived, is no answer either; who
	// wrote may have failed before it was read.
	premature := errors.Is(err, h1.ErrPremature) ||
		failed.received > 0 && (failed.sent == 0 || evidence.premature())
	if premature {
		failed.received = 0
	}
	if (premature && !x.disclaimed || failed.endedByTLS(evidence)) && failed.hopesForProof() {
		evidence = conn.awaitEvidence(f.request.Context(), x.before)
	}
	failed.acknowledged = evidence.acknowledged()
	failed.unseen = !failed.own && failed.received == 0 && (x.disclaimed || evidence.unseen())
	if !failed.reused && (premature || failed.sent == 0) {
		// Of a server that speaks first, another connection would be no better. And
		// after a FIN the first write is accepted: it was a reset, of which the look
		// before the write was told.
		failed.unseen = false
	}
	return failed
}

// report tells of a failed exchange and returns the error for the caller. What
// was the caller's own doing comes back as it is.
func (f *flight) report(e *failedExchange, again bool) error {
	if e.own {
		return e.err
	}
	err := &ExchangeError{
		Conn: e.info, Stale: e.stale(), Written: e.sent, Acknowledged: e.acknowledged, Read: e.received,
		Retried: e.second, NotRetried: e.notRetried(), Err: e.err,
	}
	tally := &e.lease.conn.bucket.past.tally
	if e.unseen {
		tally.countLate(eventUnseen, 1)
	}
	if !err.Stale {
		return err
	}
	pool := f.transport.pool
	tally.countStale(err.Conn.Idle)
	if e.closedWhileIdle() {
		e.lease.conn.bucket.noteHangUp(e.lease.conn, readClocks())
	}
	pool.checkSiblings(e.lease, isBlackHole(e.err))
	level := slog.LevelInfo
	if !again {
		tally.countLate(eventNotRetried, 1)
		level = slog.LevelWarn
	}
	pool.traces.stale(f.request.Context(), err)
	if log := pool.config.logger; log != nil {
		log.LogAttrs(f.request.Context(), level, "stale connection",
			slog.String("address", err.Conn.Address), slog.String("method", e.method),
			slog.Bool("retried", again), slog.Any("error", err))
	}
	return err
}

// giveUp ends the use of a connection on which the exchange has failed. One
// with a session knows itself whether it is still good for others.
func (f *flight) giveUp(conn *Conn, failed *failedExchange) {
	f.held = nil
	if conn.session != nil {
		f.transport.pool.release(conn, readClocks(), false)
		return
	}
	f.transport.pool.discard(conn, failed.closeReason(), readClocks())
}

// rewind makes the request, with its body at the beginning, the unsent one for the
// last time.
func (f *flight) rewind() error {
	switch {
	case f.body != nil:
		f.body.Settle() // it was taken when the second try was decided on
		return nil
	case f.request.Body == nil || f.request.Body == http.NoBody:
		f.unsent = f.request
		return nil
	}
	body, err := f.request.GetBody()
	if err == nil {
		f.unsent = withBody(f.request, body)
	}
	return err
}

// replayable reports whether the body can be sent again. One that is not
// recorded cannot, read or not: whether the exchange has begun to read it, nobody
// keeps.
func (f *flight) replayable() bool {
	if f.body != nil {
		return f.body.Replayable()
	}
	return f.request.Body == nil || f.request.Body == http.NoBody || f.request.GetBody != nil
}

// settleBody lets the body go: it will not be sent again.
func (f *flight) settleBody() {
	if f.body != nil {
		f.body.Settle()
	}
}

// dropBody closes the body, unless an exchange does.
func (f *flight) dropBody() {
	f.settleBody()
	if f.unsent != nil {
		closeBody(f.unsent)
	}
}

// finish is called at the end of the flight.
func (f *flight) finish() {
	if f.done != nil {
		f.done()
	}
}

// withBody returns a shallow copy of the request with another body.
func withBody(req *http.Request, body io.ReadCloser) *http.Request {
	other := *req
	other.Body = body
	return &other
}
