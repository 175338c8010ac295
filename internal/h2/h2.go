// Package h2 runs HTTP/2 exchanges on one connection. The protocol is spoken by
// net/http's own client connection; what is here is how to hand a connection to
// it, and how to read its errors.
package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Proto is the protocol's name in ALPN (RFC 9113, 3.1).
const Proto = "h2"

// Maker makes connections speak HTTP/2. It is safe for concurrent use.
type Maker struct{ carrier *http.Transport }

// NewMaker returns a maker whose exchanges have the settings of base: timeouts,
// limits, compression, and HTTP2. The base itself is not used.
func NewMaker(base *http.Transport) *Maker {
	var only http.Protocols
	only.SetHTTP2(true)
	only.SetUnencryptedHTTP2(true)
	handOver := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return ctx.Value(carried{}).(net.Conn), nil
	}
	return &Maker{carrier: &http.Transport{
		Protocols:              &only,
		HTTP2:                  base.HTTP2,
		DialContext:            handOver,
		DialTLSContext:         handOver,
		DisableCompression:     base.DisableCompression,
		ResponseHeaderTimeout:  base.ResponseHeaderTimeout,
		ExpectContinueTimeout:  base.ExpectContinueTimeout,
		MaxResponseHeaderBytes: base.MaxResponseHeaderBytes,
		ReadBufferSize:         base.ReadBufferSize,
		WriteBufferSize:        base.WriteBufferSize,
	}}
}

// carried is the key of the connection that the carrier shall use.
type carried struct{}

// Conn is a connection that speaks HTTP/2.
type Conn struct{ client *http.ClientConn }

// Make begins to speak HTTP/2 on a connection: over TLS if it is a *tls.Conn
// that has agreed on it, else with prior knowledge. It closes the connection if
// that fails.
func (m *Maker) Make(conn net.Conn, address string) (*Conn, error) {
	scheme := "http"
	if _, secure := conn.(*tls.Conn); secure {
		scheme = "https"
	}
	// The context ends with this call; nobody's values belong into it.
	ctx := context.WithValue(context.Background(), carried{}, conn)
	client, err := m.carrier.NewClientConn(ctx, scheme, address)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &Conn{client: client}, nil
}

// Capacity is how many exchanges may run at once, as far as the peer has said,
// those that run now included. It is 0 when no more may begin.
func (c *Conn) Capacity() int {
	if c.client.Err() != nil {
		return 0
	}
	for range 3 {
		if n := c.client.Available() + c.client.InFlight(); n > 0 {
			return n
		} // or the last exchange has ended between the two, and perhaps another begun
	}
	return 0
}

// Watch makes changed be called when the capacity has grown, an exchange has
// ended, or the connection is closed. It may be called from any goroutine.
//
// It is not called when the capacity has fallen, to 0 by a GOAWAY for one: the
// state hook of net/http tells of nothing but growth and ends, and nothing else
// there can be waited for. If exchanges run, the end of the next one tells; an
// exchange that begins before asks for the capacity itself, or it would wait in
// net/http for as long as others run.
func (c *Conn) Watch(changed func()) {
	c.client.SetStateHook(func(*http.ClientConn) { changed() })
}

// RoundTrip runs one exchange.
func (c *Conn) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.client.RoundTrip(req)
}

// Reserve keeps room for one more exchange, the next, if there is room.
func (c *Conn) Reserve() bool { return c.client.Reserve() == nil }

// Close closes the connection; exchanges that run fail.
func (c *Conn) Close() error { return c.client.Close() }

// Scope says what an error of an exchange has ended.
type Scope int

const (
	// OfConnection: the connection is dead, or takes no more exchanges.
	OfConnection Scope = iota
	// OfStream: this exchange alone, because the server has reset its stream, or
	// has broken the protocol in it.
	OfStream
	// OfRequest: this exchange alone, by the request's own fault or its sender's
	// will.
	OfRequest
)

// ScopeOf returns what an error of RoundTrip has ended. net/http marks a
// connection closed before it fails the exchanges on it. What it returns while one
// lives is no failure of the connection, except where that is given up, and lives
// on for those that run: after a GOAWAY, and when the peer has reset a stream for
// an error in the protocol, which says that the two ends no longer understand each
// other.
func (c *Conn) ScopeOf(err error) Scope {
	var stream streamError
	switch {
	case errors.As(err, &stream):
		if stream.Code == protocolError && stream.fromPeer() {
			return OfConnection
		}
		return OfStream
	case c.client.Err() != nil || says(err, goAway, goAwayFirst, notUsable):
		return OfConnection
	}
	return OfRequest
}

// Broken reports whether an error says that what the server has sent is not
// HTTP/2.
func Broken(err error) bool { return says(err, broken) }

// Unprocessed reports whether an error says that the server has not acted on
// the request: it refused the stream (RFC 9113, 8.7), or sent a GOAWAY whose
// last stream comes before it (6.8).
func Unprocessed(err error) bool {
	var stream streamError
	if errors.As(err, &stream) {
		return stream.Code == refusedStream
	}
	return says(err, goAway, notUsable)
}

// net/http keeps these errors to itself; the tests would notice if their text
// changed.
const (
	goAway      = "http2: Transport received Server's graceful shutdown GOAWAY"
	goAwayFirst = "http2: Transport received GOAWAY from server" // with an error, to the first request
	notUsable   = "http2: client conn not usable"
	broken      = "connection error: "
	fromPeer    = "received from peer"
)

func says(err error, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(err.Error(), text) })
}

// Error codes (RFC 9113, 7).
const (
	protocolError = 0x1
	refusedStream = 0x7
)

// streamError is what net/http's own error of the same shape converts to.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }

// fromPeer reports whether the error came over the wire, and was not found here.
func (e streamError) fromPeer() bool { return e.Cause != nil && e.Cause.Error() == fromPeer }
