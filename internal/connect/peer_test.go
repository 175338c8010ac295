package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// listen serves each connection to the returned address in a goroutine, and
// closes it afterwards.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // no test waits longer
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// untilClosed reads a connection to its end, which it tells.
func untilClosed(c net.Conn, closed chan<- error) {
	for {
		if _, err := c.Read(make([]byte, 1024)); err != nil {
			closed <- err
			return
		}
	}
}

// identity is the certificate of a server for example.com and 127.0.0.1, and
// who trusts it.
func identity(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	trust := x509.NewCertPool()
	trust.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, trust
}

// tlsServer hands each connection to serve after its handshake.
func tlsServer(t *testing.T, config *tls.Config, serve func(*tls.Conn)) (address string) {
	return listen(t, func(c net.Conn) {
		secure := tls.Server(c, config)
		if secure.Handshake() == nil {
			serve(secure)
		}
	})
}

func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

// dialTo is a dial function that connects to one address, whatever the other.
func dialTo(address string) DialFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) { return dialTCP(ctx, network, address) }
}

// watchedConn tells when it is closed.
type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *watchedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// watched is a dial function that remembers its connections.
type watched struct {
	dial  DialFunc
	mu    sync.Mutex
	conns []*watchedConn
}

func (w *watched) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	watch := &watchedConn{Conn: c, closed: make(chan struct{})}
	w.conns = append(w.conns, watch)
	return watch, nil
}

// requireClosed requires that there have been connections, and that they are
// closed.
func (w *watched) requireClosed(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.conns)
	for _, c := range w.conns {
		select {
		case <-c.closed:
		default:
			t.Error("a connection was left open")
		}
	}
}
