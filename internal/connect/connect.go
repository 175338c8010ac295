// Package connect makes connections that are ready for HTTP: TCP, or TLS over
// it, straight or through a proxy, with the caller's own dial functions where
// there are some. The protocols of proxies are spoken by the standard library
// and golang.org/x/net.
package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"time"
)

// DialFunc connects to an address.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer makes connections. It is safe for concurrent use; its fields are not
// changed after the first connection.
type Dialer struct {
	Dial DialFunc
	// Prepare, if not nil, is given each connection that Dial or DialTLS
	// returns, before anything else uses it, and returns what is used instead.
	Prepare          func(net.Conn) net.Conn
	DialTLS          DialFunc    // instead of Dial and a handshake; or nil
	TLS              *tls.Config // not changed; nil: the defaults
	Protocols        []string    // what may be agreed on by ALPN, best first
	HandshakeTimeout time.Duration

	// For CONNECT; see the fields of these names in http.Transport.
	ProxyConnectHeader     http.Header
	GetProxyConnectHeader  func(ctx context.Context, proxy *url.URL, target string) (http.Header, error)
	OnProxyConnectResponse func(ctx context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error
	MaxHeaderBytes         int64
}

// Target says where a connection shall lead.
type Target struct {
	Network, Address string   // of the server, or of the proxy if it forwards
	TLS              bool     // speak TLS with the server
	Proxy            *url.URL // or nil
	Forwards         bool     // the proxy is spoken to instead of the server
	HTTP1            bool     // agree on nothing but HTTP/1.1
}

// Connect makes a connection.
func (d *Dialer) Connect(ctx context.Context, t Target) (net.Conn, error) {
	switch {
	case t.Proxy == nil:
		return d.direct(ctx, t.Network, t.Address, t.TLS, t.protocols(d))
	case t.Forwards:
		conn, err := d.direct(ctx, t.Network, t.Address, t.Proxy.Scheme == "https", onlyHTTP1)
		return conn, proxyError(err)
	}
	conn, err := d.tunnel(ctx, t)
	if err != nil || !t.TLS {
		return conn, err
	}
	return d.secure(ctx, conn, t.Address, t.protocols(d))
}

// protocols returns what may be agreed on with the server.
func (t Target) protocols(d *Dialer) []string {
	if t.HTTP1 {
		return onlyHTTP1
	}
	return d.Protocols
}

// direct connects to an address, with TLS or without.
func (d *Dialer) direct(ctx context.Context, network, address string, secure bool, protocols []string) (net.Conn, error) {
	if secure && d.DialTLS != nil {
		return d.customTLS(ctx, network, address, protocols)
	}
	conn, err := d.dial(ctx, network, address)
	if err != nil || !secure {
		return conn, err
	}
	return d.secure(ctx, conn, address, protocols)
}

// dial connects to an address.
func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := something(d.Dial(ctx, network, address))
	if err != nil {
		return nil, err
	}
	return d.prepared(conn), nil
}

// customTLS connects with the caller's own dial function. A *tls.Conn may have
// left the handshake to us.
func (d *Dialer) customTLS(ctx context.Context, network, address string, protocols []string) (net.Conn, error) {
	conn, err := something(d.DialTLS(ctx, network, address))
	if err != nil {
		return nil, err
	}
	if own, ok := conn.(*tls.Conn); ok {
		return handshake(ctx, own, protocols, d.HandshakeTimeout)
	}
	return d.prepared(conn), nil
}

// errNothing is the error of a dial function that returns neither.
var errNothing = errors.New("ttlpool: the dial function returned neither a connection nor an error")

// IsNil reports whether a dial function has returned nothing, or a nil pointer.
func IsNil(conn net.Conn) bool {
	v := reflect.ValueOf(conn)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// something makes sure that a dial function has returned something.
func something(conn net.Conn, err error) (net.Conn, error) {
	if err == nil && IsNil(conn) {
		return nil, errNothing
	}
	return conn, err
}

func (d *Dialer) prepared(conn net.Conn) net.Conn {
	if d.Prepare == nil {
		return conn
	}
	return d.Prepare(conn)
}

// Address returns the host and port of a URL, with the scheme's default port
// if there is none.
func Address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

var defaultPorts = map[string]string{
	"http":    "80",
	"https":   "443",
	"socks5":  "1080",
	"socks5h": "1080",
}
