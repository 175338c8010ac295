package ttlpool

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"github.com/ttlpool/ttlpool/internal/connect"
	"github.com/ttlpool/ttlpool/internal/h1"
	"github.com/ttlpool/ttlpool/internal/h2"
	"github.com/ttlpool/ttlpool/internal/replay"
)

// Transport is an [http.RoundTripper] over a pool that never hands out a
// connection past its TTL, and that sends a request again, once and on a new
// connection, when a stale one failed it and that is safe. It is safe for
// concurrent use, and made to be kept as long as the program.
//
// What callers of [http.Transport] rely on holds here too.
type Transport struct {
	pool     *Pool
	dialer   connect.Dialer
	proxy    func(*http.Request) (*url.URL, error) // or nil
	settings *h1.Settings
	http2    *h2.Maker
	base     *http.Transport // for schemes registered there; or nil

	priorKnowledge     bool                     // speak HTTP/2 without TLS
	declaredIdempotent func(*http.Request) bool // or nil
	replayLimit        int64
}

// NewTransport returns a transport. With no option at all it keeps idle
// connections without a TTL: state one, or the server's timeout. It is an error
// if options contradict each other or the base cannot be honoured.
func NewTransport(opts ...Option) (*Transport, error) {
	c, err := transportConfig(opts)
	if err != nil {
		return nil, err
	}
	t := &Transport{
		base:               c.base,
		declaredIdempotent: c.idempotent,
		replayLimit:        c.replayLimit,
	}
	base := c.base
	if base == nil {
		base = defaultBase()
	}
	t.proxy = base.Proxy
	t.settings = settingsOf(base)
	t.dialer = dialerOf(base, t.settings.MaxHeaderBytes)
	t.dialer.Prepare = prepare
	t.http2 = h2.NewMaker(base)
	protocols := protocolsOf(base)
	t.priorKnowledge = protocols.UnencryptedHTTP2() && !protocols.HTTP1()
	t.pool = newPool(c, t.dial)
	return t, nil
}

// RoundTrip sends one request and returns its response. The request's body is
// closed in any case, perhaps after RoundTrip returns; the response's must be
// closed by the caller.
//
// Errors: an invalid request's, as net/http words it; the context's cause; a
// failed dial's or a failed body's own error; a [net.Error] for a timeout;
// [ErrClosed]; or an [*ExchangeError].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.base != nil && req.URL != nil && req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return t.base.RoundTrip(req)
	}
	if err := validate(req); err != nil {
		closeBody(req)
		return nil, err
	}
	//lint:ignore SA1019 http.Client sets it for its Timeout
	if req.Cancel != nil {
		return t.roundTripCancel(req)
	}
	return t.send(req, req, nil)
}

// CloseIdleConnections closes the connections that are idle now, and those in
// use when their response has ended, until the next request to their address.
func (t *Transport) CloseIdleConnections() { t.pool.CloseIdle() }

// Shutdown refuses new requests with [ErrClosed], waits until those in flight
// have ended, their bodies included, and closes all connections. If the context
// ends first it returns the context's error; Close then ends the rest.
func (t *Transport) Shutdown(ctx context.Context) error { return t.pool.Shutdown(ctx) }

// Close closes all connections, those in use too. Requests in flight fail, and
// new ones get [ErrClosed].
func (t *Transport) Close() error { return t.pool.Close() }

// Stats returns a snapshot of what the transport holds and has done.
func (t *Transport) Stats() Stats { return t.pool.Stats() }

// dial makes a connection for a key. Whether it speaks HTTP/2 was agreed on in
// the handshake, or is known before (RFC 9113, 3.3).
func (t *Transport) dial(ctx context.Context, k key) (link, error) {
	target := connect.Target{Network: k.network, Address: k.address, TLS: k.tls, Forwards: k.forwards, HTTP1: k.http1}
	if k.proxy != "" {
		proxy, err := url.Parse(k.proxy)
		if err != nil {
			return link{}, err
		}
		target.Proxy = proxy
	}
	conn, err := t.dialer.Connect(ctx, target)
	if err != nil {
		return link{}, err
	}
	secure, ok := conn.(*tls.Conn)
	if ok && secure.ConnectionState().NegotiatedProtocol == h2.Proto || !k.tls && !k.forwards && t.priorKnowledge {
		session, err := t.http2.Make(conn, k.address)
		return link{conn: conn, session: session}, err
	}
	return link{conn: transparent(conn)}, nil
}

// errCanceled is the cause of a cancellation by Request.Cancel.
var errCanceled = errors.New("net/http: request canceled")

// roundTripCancel is RoundTrip for a request with the deprecated Cancel, which
// is turned into a cancellation of its context.
func (t *Transport) roundTripCancel(req *http.Request) (*http.Response, error) {
	//lint:ignore SA1019 see RoundTrip
	cancelled := req.Cancel
	ctx, cancel := context.WithCancelCause(req.Context())
	go func() {
		select {
		case <-cancelled:
			cancel(errCanceled)
		case <-ctx.Done():
		}
	}()
	select {
	case <-cancelled:
		cancel(errCanceled) // not left to the goroutine: nothing must be sent
	default:
	}
	return t.send(req, req.WithContext(ctx), func() { cancel(nil) })
}

// send runs the request, once or twice. original is what the response names as
// its request; done, if not nil, is called when the exchange is over.
func (t *Transport) send(original, req *http.Request, done func()) (*http.Response, error) {
	f := flight{transport: t, original: original, request: req, done: done}
	resp, err := f.run()
	if err != nil {
		f.finish()
	}
	return resp, err
}

// flight is one request on its way.
type flight struct {
	transport *Transport
	original  *http.Request
	request   *http.Request // with the context that ends it
	done      func()
	proxy     *url.URL     // or nil
	body      *replay.Body // records the body; nil: no need, or no use
}

func (f *flight) run() (*http.Response, error) {
	l, err := f.acquire()
	if err != nil {
		closeBody(f.request)
		return nil, err
	}
	return f.try(l)
}

// finish is called at the end of the flight.
func (f *flight) finish() {
	if f.done != nil {
		f.done()
	}
}

// acquire gets a connection from the pool.
func (f *flight) acquire() (lease, error) {
	ctx := f.request.Context()
	if choose := f.transport.proxy; choose != nil && ctx.Err() == nil {
		var err error
		if f.proxy, err = choose(f.request); err != nil {
			return lease{}, err
		}
	}
	d := demand{key: keyOf(f.request, f.proxy), strict: f.unrepeatable()}
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		return f.transport.pool.acquire(ctx, d)
	}
	if trace.GetConn != nil {
		trace.GetConn(d.key.address)
	}
	l, err := f.transport.pool.acquire(ctx, d)
	if err == nil {
		traceGotConn(trace, l)
	}
	return l, err
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

func traceGotConn(trace *httptrace.ClientTrace, l lease) {
	if trace.GotConn == nil {
		return
	}
	info := httptrace.GotConnInfo{Conn: l.conn.NetConn(), Reused: l.reused, WasIdle: l.wasIdle}
	if l.wasIdle {
		info.IdleTime = l.idle
	}
	trace.GotConn(info)
}

// try sends the request on a connection, and again on a new one if that one
// turns out stale and the table allows it.
func (f *flight) try(l lease) (*http.Response, error) {
	req := f.request
	if l.reused && req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		f.body = replay.New(req.Body, f.transport.replayLimit)
		req = withBody(req, f.body.Attempt())
	}
	resp, failed := f.exchange(l, req, false)
	if failed == nil {
		f.settleBody()
		return resp, nil
	}
	again := failed.retry()
	err := f.report(failed, again)
	if !again {
		f.giveUp(l.conn, failed)
		f.settleBody()
		return nil, err
	}
	return f.tryAgain(l.conn, failed)
}

// tryAgain sends the request on a connection that takes the place of a stale
// one.
func (f *flight) tryAgain(stale *Conn, failed *failedExchange) (*http.Response, error) {
	f.transport.pool.retries.Add(1)
	req, err := f.rewind()
	if err != nil {
		f.giveUp(stale, failed)
		return nil, err
	}
	l, err := f.transport.pool.replace(req.Context(), stale, readClocks())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		traceGotConn(trace, l)
	}
	resp, failed := f.exchange(l, req, true)
	if failed == nil {
		return resp, nil
	}
	f.giveUp(l.conn, failed)
	return nil, f.report(failed, false)
}

// giveUp ends the use of a connection on which the exchange has failed. One
// with a session knows itself whether it is still good for others.
func (f *flight) giveUp(conn *Conn, failed *failedExchange) {
	if conn.session != nil {
		f.transport.pool.release(conn, readClocks(), false)
		return
	}
	f.transport.pool.discard(conn, failed.closeReason(), readClocks())
}

// rewind returns the request with its body at the beginning, for the last
// time.
func (f *flight) rewind() (*http.Request, error) {
	switch {
	case f.body != nil:
		again := withBody(f.request, f.body.Attempt())
		f.body.Settle()
		return again, nil
	case f.request.Body == nil || f.request.Body == http.NoBody:
		return f.request, nil
	}
	body, err := f.request.GetBody()
	if err != nil {
		return nil, err
	}
	return withBody(f.request, body), nil
}

// settleBody lets the body go: it will not be sent again.
func (f *flight) settleBody() {
	if f.body != nil {
		f.body.Settle()
	}
}

// exchange sends the request on one connection.
func (f *flight) exchange(l lease, req *http.Request, second bool) (*http.Response, *failedExchange) {
	f.transport.pool.requests.Add(1)
	conn := l.conn
	if session, ok := conn.session.(*h2.Conn); ok {
		return f.stream(session, l, req, second)
	}
	x := &exchange{flight: f, lease: l, before: conn.sentOnWire()}
	x.Settings = f.transport.settings
	x.Conn = conn
	x.Owner = x
	if conn.bucket.key.forwards {
		x.ViaProxy = true
		x.ProxyAuthorization = connect.ProxyAuthorization(f.proxy)
	}
	resp, err := x.Do(req)
	if err != nil {
		failed := f.failed(l, err, x.Sent(), x.Received(), second)
		evidence := conn.evidenceSince(x.before)
		failed.acknowledged = evidence.acknowledged()
		failed.unseen = !failed.own && l.reused &&
			(errors.Is(err, h1.ErrPremature) || failed.received == 0 && evidence.unseen())
		return nil, failed
	}
	resp.Request = f.original
	resp.TLS = conn.tlsState()
	return resp, nil
}

// failedExchange is a failure with its error.
type failedExchange struct {
	failure
	err          error
	lease        lease
	info         ConnInfo
	acknowledged int64
}

// failed gathers what is known of a failed exchange.
func (f *flight) failed(l lease, err error, sent, received int64, second bool) *failedExchange {
	ctx := f.request.Context()
	var fault *h1.RequestError
	isFault := errors.As(err, &fault)
	if isFault {
		err = fault.Err
	}
	cancelled := ctx.Err() != nil
	if cancelled && !isFault {
		err = context.Cause(ctx) // says more than what came of it
	}
	info := l.conn.Info()
	info.Idle = l.idle
	return &failedExchange{
		failure: failure{
			reused:     l.reused,
			second:     second,
			own:        isFault || cancelled || errors.Is(err, h1.ErrHeaderTimeout),
			timedOut:   isTimeout(err),
			sent:       sent,
			received:   received,
			idempotent: f.transport.idempotent(f.request),
			replayable: f.replayable(),
			method:     f.request.Method,
		},
		err:          err,
		lease:        l,
		info:         info,
		acknowledged: unknownBytes,
	}
}

// isTimeout reports whether an error is a timeout: the kernel's, say, or that of
// a deadline which somebody else has set.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// replayable reports whether the body can be sent again.
func (f *flight) replayable() bool {
	if f.body != nil {
		return f.body.Replayable()
	}
	return f.request.Body == nil || f.request.Body == http.NoBody || f.request.GetBody != nil
}

func (e *failedExchange) closeReason() CloseReason {
	if e.stale() {
		return ClosedStale
	}
	return ClosedFailed
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
	if !err.Stale {
		return err
	}
	pool := f.transport.pool
	pool.stale.Add(1)
	pool.checkSiblings(e.lease)
	level := slog.LevelInfo
	if !again {
		pool.notRetried.Add(1)
		level = slog.LevelWarn
	}
	pool.traces.stale(err)
	if log := pool.config.logger; log != nil {
		log.LogAttrs(f.request.Context(), level, "stale connection",
			slog.String("address", err.Conn.Address), slog.String("method", e.method),
			slog.Bool("retried", again), slog.Any("error", err))
	}
	return err
}

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

var errNotKept = errors.New("ttlpool: the connection is not kept")

func (f *flight) tracePutIdle(kept bool) {
	trace := httptrace.ContextClientTrace(f.request.Context())
	switch {
	case trace == nil || trace.PutIdleConn == nil:
	case kept:
		trace.PutIdleConn(nil)
	default:
		trace.PutIdleConn(errNotKept)
	}
}

// withBody returns a shallow copy of the request with another body.
func withBody(req *http.Request, body io.ReadCloser) *http.Request {
	other := *req
	other.Body = body
	return &other
}
