package ttlpool

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/ttlpool/ttlpool/internal/connect"
	"github.com/ttlpool/ttlpool/internal/h1"
	"github.com/ttlpool/ttlpool/internal/h2"
)

// Transport is an [http.RoundTripper] over a pool that never hands out a
// connection past its TTL, and that sends a request again, once and on a new
// connection, when a stale one failed it and that is safe. It is safe for
// concurrent use, and made to be kept as long as the program.
//
// What callers of [http.Transport] rely on holds here too.
type Transport struct {
	pool       *Pool
	dialer     connect.Dialer
	proxy      func(*http.Request) (*url.URL, error) // or nil
	settings   *h1.Settings
	readBuffer int
	http2      *h2.Maker
	base       *http.Transport // for schemes registered there; or nil

	priorKnowledge     bool                     // speak HTTP/2 without TLS
	declaredIdempotent func(*http.Request) bool // or nil
	replayLimit        int64
}

// NewTransport returns a transport. With no option at all it goes by what
// servers say of their keep-alive timeout and what their closes teach of it;
// better is to state a TTL, or the server's timeout. It is an error if options
// contradict each other or the base cannot be honoured.
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
	t.readBuffer = base.ReadBufferSize
	t.dialer.Prepare = func(c net.Conn) net.Conn { return prepare(c, t.readBuffer) }
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

// Close closes all connections, those in use too. Requests in flight that have no
// response yet get [ErrClosed], and so do new ones.
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
	return link{conn: transparent(conn, t.readBuffer)}, nil
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
	own := req.WithContext(ctx)
	//lint:ignore SA1019 see RoundTrip
	own.Cancel = nil // HTTP/2 would look at it too, and fail of it while the context has not ended
	return t.send(req, own, func() { cancel(nil) })
}

// send runs the request, once or twice. original is what the response names as
// its request; done, if not nil, is called when the exchange is over.
func (t *Transport) send(original, req *http.Request, done func()) (*http.Response, error) {
	f := flight{transport: t, original: original, request: req, unsent: req, done: done}
	resp, err := f.run()
	if err != nil {
		f.finish()
	}
	return resp, err
}
