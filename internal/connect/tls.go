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

// http11 is the protocol's name in ALPN (RFC 7301, 6).
const http11 = "http/1.1"

// secure speaks TLS with the host that the address names. It closes the
// connection if that fails.
func (d *Dialer) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config, err := d.configFor(address)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return handshake(ctx, tls.Client(conn, config), d.HandshakeTimeout)
}

// configFor returns the TLS configuration for one host. HTTP/1.1 is what we
// offer: a server that chose anything else would not be understood.
func (d *Dialer) configFor(address string) (*tls.Config, error) {
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
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(proto string) bool { return proto == "h2" })
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{http11}
	}
	return config, nil
}

// handshake makes a TLS connection ready, or closes it.
func handshake(ctx context.Context, conn *tls.Conn, timeout time.Duration) (net.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := handshakeWithin(ctx, conn, timeout)
	var state tls.ConnectionState
	if err == nil {
		state = conn.ConnectionState()
		err = spoken(state.NegotiatedProtocol)
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

// spoken returns an error for a protocol that the server should not have
// chosen.
func spoken(proto string) error {
	if proto == "" || proto == http11 {
		return nil
	}
	return fmt.Errorf("ttlpool: the server chose protocol %q, which is not spoken here", proto)
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
