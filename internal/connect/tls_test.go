package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var bothProtocols = []string{"h2", HTTP1}

func TestTheHostIsNamedAndVerified(t *testing.T) {
	config, trust := identity(t)
	names := make(chan string, 1)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- hello.ServerName
		return nil, nil
	}
	server := tlsServer(t, config, func(*tls.Conn) {})
	for _, row := range []struct {
		name, target, override, wantName string
		wantErr                          bool
	}{
		{name: "by the address", target: "example.com:443", wantName: "example.com"},
		{name: "by the configuration", target: "other.test:443", override: "example.com", wantName: "example.com"},
		{name: "an IP address is not sent", target: "127.0.0.1:443", wantName: ""},
		{name: "a name the certificate does not have", target: "other.test:443", wantName: "other.test", wantErr: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			own := &tls.Config{RootCAs: trust, ServerName: row.override}
			dials := &watched{dial: dialTo(server)}
			d := Dialer{Dial: dials.Dial, TLS: own, Protocols: bothProtocols}
			conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: row.target, TLS: true})
			assert.Equal(t, row.wantName, <-names)
			assert.Equal(t, row.override, own.ServerName, "the caller's configuration is not changed")
			assert.Nil(t, own.NextProtos)
			if row.wantErr {
				var unverified *tls.CertificateVerificationError
				assert.ErrorAs(t, err, &unverified)
				assert.Nil(t, conn)
				dials.requireClosed(t)
				return
			}
			require.NoError(t, err)
			assert.NoError(t, conn.Close())
		})
	}
}

func TestAProtocolIsAgreedOn(t *testing.T) {
	for _, row := range []struct {
		name    string
		server  []string
		speaks  []string
		callers []string // NextProtos of the caller's own configuration
		http1   bool     // the request needs it
		want    string
		wantErr bool
	}{
		{name: "the best of both", server: bothProtocols, speaks: bothProtocols, want: "h2"},
		{name: "HTTP/1.1", server: []string{HTTP1}, speaks: bothProtocols, want: HTTP1},
		{name: "HTTP/1.1 because the server knows no ALPN", speaks: bothProtocols},
		{name: "HTTP/1.1, which need not be said", server: bothProtocols, speaks: onlyHTTP1},
		{name: "HTTP/1.1, which the caller says", server: bothProtocols, speaks: onlyHTTP1, callers: onlyHTTP1, want: HTTP1},
		{name: "HTTP/1.1 because the request needs it", server: bothProtocols, speaks: bothProtocols, http1: true},
		{name: "what is spoken, whatever the caller says", server: bothProtocols, speaks: onlyHTTP1, callers: bothProtocols, want: HTTP1},
		{name: "none in common", server: []string{"spdy/3"}, speaks: bothProtocols, wantErr: true},
		{name: "one that only the caller speaks", server: []string{"spdy/3"}, speaks: bothProtocols, callers: []string{"spdy/3"}, wantErr: true},
		{name: "HTTP/2 or nothing, and the server knows no ALPN", speaks: []string{"h2"}, wantErr: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			config, trust := identity(t)
			config.NextProtos = row.server
			dials := &watched{dial: dialTo(tlsServer(t, config, func(*tls.Conn) {}))}
			d := Dialer{Dial: dials.Dial, TLS: &tls.Config{RootCAs: trust, NextProtos: row.callers}, Protocols: row.speaks}
			conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true, HTTP1: row.http1})
			if row.wantErr {
				assert.Error(t, err)
				dials.requireClosed(t)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, row.want, conn.(*tls.Conn).ConnectionState().NegotiatedProtocol)
			assert.NoError(t, conn.Close())
		})
	}
}

func TestAHandshakeMayTakeItsTimeout(t *testing.T) {
	closed := make(chan error, 1)
	dials := &watched{dial: dialTo(listen(t, func(c net.Conn) { untilClosed(c, closed) }))}
	d := Dialer{Dial: dials.Dial, Protocols: onlyHTTP1, HandshakeTimeout: 20 * time.Millisecond}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true})
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())
	assert.EqualError(t, err, "net/http: TLS handshake timeout")
	dials.requireClosed(t)
	assert.Equal(t, io.EOF, <-closed)
}

func TestAHandshakeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	dials := &watched{dial: dialTo(listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		cancel() // in the middle
		untilClosed(c, closed)
	}))}
	d := Dialer{Dial: dials.Dial, Protocols: onlyHTTP1, HandshakeTimeout: time.Minute}
	_, err := d.Connect(ctx, Target{Network: "tcp", Address: "example.com:443", TLS: true})
	assert.ErrorIs(t, err, context.Canceled)
	dials.requireClosed(t)
	assert.Equal(t, io.EOF, <-closed)
}

func TestAHandshakeWithWhatIsNotTLS(t *testing.T) {
	dials := &watched{dial: dialTo(listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1024))
		_, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\nnot TLS\n")
	}))}
	d := Dialer{Dial: dials.Dial, Protocols: onlyHTTP1}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true})
	var record tls.RecordHeaderError
	require.ErrorAs(t, err, &record)
	assert.Equal(t, "HTTP/", string(record.RecordHeader[:]))
	dials.requireClosed(t)
}

func TestTheHandshakeIsTraced(t *testing.T) {
	config, trust := identity(t)
	server := tlsServer(t, config, func(*tls.Conn) {})
	for _, trusted := range []bool{true, false} {
		var started int
		var state tls.ConnectionState
		done := errors.New("TLSHandshakeDone was not called")
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			TLSHandshakeStart: func() { started++ },
			TLSHandshakeDone:  func(s tls.ConnectionState, err error) { state, done = s, err },
		})
		own := &tls.Config{}
		if trusted {
			own.RootCAs = trust
		}
		d := Dialer{Dial: dialTo(server), TLS: own, Protocols: onlyHTTP1}
		conn, err := d.Connect(ctx, Target{Network: "tcp", Address: "example.com:443", TLS: true})
		assert.Equal(t, 1, started)
		assert.Equal(t, err, done)
		assert.Equal(t, trusted, err == nil)
		assert.Equal(t, trusted, state.HandshakeComplete)
		if err == nil {
			assert.NoError(t, conn.Close())
		}
	}
}

func TestTheCallersOwnTLS(t *testing.T) {
	config, trust := identity(t)
	server := tlsServer(t, config, func(*tls.Conn) {})
	secured := func(ctx context.Context, shake bool) (net.Conn, error) {
		conn, err := dialTCP(ctx, "tcp", server)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, &tls.Config{RootCAs: trust, ServerName: "example.com"})
		if shake {
			err = secure.HandshakeContext(ctx)
		}
		return secure, err
	}
	for _, row := range []struct {
		name string
		dial DialFunc
		tls  bool
	}{
		{"with its handshake done", func(ctx context.Context, _, _ string) (net.Conn, error) { return secured(ctx, true) }, true},
		{"with its handshake left to us", func(ctx context.Context, _, _ string) (net.Conn, error) { return secured(ctx, false) }, true},
		{"of a kind of its own", func(ctx context.Context, _, _ string) (net.Conn, error) { return dialTCP(ctx, "tcp", server) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := Dialer{
				Dial: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("must not be used")
				},
				DialTLS: row.dial, Protocols: bothProtocols,
			}
			conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true})
			require.NoError(t, err)
			defer conn.Close()
			secure, ok := conn.(*tls.Conn)
			assert.Equal(t, row.tls, ok)
			if ok {
				assert.True(t, secure.ConnectionState().HandshakeComplete)
			}
		})
	}
}

func TestTheCallersOwnTLSMustAgreeOnWhatIsSpoken(t *testing.T) {
	config, trust := identity(t)
	config.NextProtos = []string{"spdy/3"}
	closed := make(chan error, 1)
	server := tlsServer(t, config, func(c *tls.Conn) { untilClosed(c, closed) })
	d := Dialer{Protocols: bothProtocols, DialTLS: func(context.Context, string, string) (net.Conn, error) {
		return tls.Dial("tcp", server, &tls.Config{RootCAs: trust, ServerName: "example.com", NextProtos: []string{"spdy/3"}})
	}}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true})
	assert.ErrorContains(t, err, `"spdy/3"`)
	assert.Error(t, <-closed)
}

func TestAnAddressWithoutPort(t *testing.T) {
	server := listen(t, func(net.Conn) {})
	dials := &watched{dial: dialTo(server)}
	d := Dialer{Dial: dials.Dial, Protocols: onlyHTTP1}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com", TLS: true})
	var wrong *net.AddrError
	assert.ErrorAs(t, err, &wrong)
	dials.requireClosed(t)
}

func TestADialsErrorComesBackAsItIs(t *testing.T) {
	broken := errors.New("broken")
	fails := func(context.Context, string, string) (net.Conn, error) { return nil, broken }
	for _, secure := range []bool{false, true} {
		d := Dialer{Dial: fails, Protocols: onlyHTTP1}
		_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:1", TLS: secure})
		assert.Equal(t, broken, err)
	}
	d := Dialer{DialTLS: fails, Protocols: onlyHTTP1}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:1", TLS: true})
	assert.Equal(t, broken, err)
}
