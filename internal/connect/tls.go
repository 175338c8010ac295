package connect

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptrace"
	"slices"
	"time"
)

// HTTP1 is the name of HTTP/1.1 in ALPN (RFC 7301, 6).
const HTTP1 = "http/1.1"

var onlyHTTP1 = []string{HTTP1}

// secure speaks TLS with the host that the address names. It closes the
// connection if that fails.
func (d *Dialer) secure(ctx context.Context, conn net.Conn, address string, protocols []string) (net.Conn, error) {
	config, err := d.configFor(address, protocols)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return handshake(ctx, tls.Client(conn, config), protocols, d.HandshakeTimeout)
}

// configFor returns the TLS configuration for one host.
func (d *Dialer) configFor(address string, protocols []string) (*tls.Config, error) {
	config := d.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	config.NextProtos = offered(config.NextProtos, protocols)
	return config, nil
}

// offered returns what is offered by ALPN: what is spoken here, and what the
// caller wants to offer besides. Where that is only HTTP/1.1, it need not be
// said.
func offered(callers, protocols []string) []string {
	foreign := slices.DeleteFunc(slices.Clone(callers), func(name string) bool {
		return name == "h2" || name == HTTP1
	})
	if slices.Equal(protocols, onlyHTTP1) && !slices.Contains(callers, HTTP1) {
		return foreign
	}
	return slices.Concat(protocols, foreign)
}

// handshake makes a TLS connection ready, or closes it.
func handshake(ctx context.Context, conn *tls.Conn, protocols []string, timeout time.Duration) (net.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := handshakeWithin(ctx, conn, timeout)
	var state tls.ConnectionState
	if err == nil {
		state = conn.ConnectionState()
		err = agreed(state.NegotiatedProtocol, protocols)
	}
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(state, err)
	}
	if err != nil {
		_ = conn.NetConn().Close() // without an alert: the peer may not read
		return nil, err
	}
	return conn, nil
}

// agreed returns an error if the server has not agreed on a protocol that is
// spoken here. One that does not know ALPN speaks HTTP/1.1.
func agreed(protocol string, protocols []string) error {
	if protocol == "" {
		protocol = HTTP1
	}
	if slices.Contains(protocols, protocol) {
		return nil
	}
	return fmt.Errorf("ttlpool: the server speaks %q, not %q", protocol, protocols)
}

func handshakeWithin(ctx context.Context, conn *tls.Conn, timeout time.Duration) error {
	if timeout <= 0 {
		return conn.HandshakeContext(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := conn.HandshakeContext(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return handshakeTimeout{}
	}
	return err
}

// handshakeTimeout is a net.Error with the text of net/http's.
type handshakeTimeout struct{}

func (handshakeTimeout) Error() string   { return "net/http: TLS handshake timeout" }
func (handshakeTimeout) Timeout() bool   { return true }
func (handshakeTimeout) Temporary() bool { return true }
