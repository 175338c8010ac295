package contract

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A contestant makes a transport from the settings of base, with a function that ends it.
type contestant func(base *http.Transport) (http.RoundTripper, func(), error)

func reference(base *http.Transport) (http.RoundTripper, func(), error) {
	return base, base.CloseIdleConnections, nil
}

// A mode is the kind of connection that an exchange runs over.
type mode string

const (
	plain   mode = "plain TCP"
	overTLS mode = "TLS"
	opaque  mode = "a connection of unknown kind"
)

var everyMode = []mode{plain, overTLS, opaque}

// newBase has the settings for one run of x in mode m.
func (x exchange) newBase(m mode, st *stage, seen *writeLog) *http.Transport {
	base := &http.Transport{}
	switch m {
	case overTLS:
		base.TLSClientConfig = clientTLS()
	case opaque:
		base.DialContext = hiding(seen)
	}
	if x.dial != nil {
		base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return x.dial(ctx, st, func() (net.Conn, error) { return net.Dial(network, address) })
		}
	}
	if x.base != nil {
		x.base(base)
	}
	return base
}

// hidden is a connection that tells nothing of its kind: it has the methods of net.Conn and no others, and its
// deadlines have no effect, as with many that callers make themselves.
type hidden struct {
	conn net.Conn
	seen *writeLog
}

func hiding(seen *writeLog) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &hidden{c, seen}, nil
	}
}

func (h *hidden) Read(b []byte) (int, error) { return h.conn.Read(b) }

func (h *hidden) Write(b []byte) (int, error) {
	h.seen.add(string(b))
	return h.conn.Write(b)
}

func (h *hidden) Close() error                     { return h.conn.Close() }
func (h *hidden) LocalAddr() net.Addr              { return h.conn.LocalAddr() }
func (h *hidden) RemoteAddr() net.Addr             { return h.conn.RemoteAddr() }
func (h *hidden) SetDeadline(time.Time) error      { return nil }
func (h *hidden) SetReadDeadline(time.Time) error  { return nil }
func (h *hidden) SetWriteDeadline(time.Time) error { return nil }

// writeLog keeps the writes of hidden connections as they were made.
type writeLog struct {
	mu     sync.Mutex
	writes []string
}

func (l *writeLog) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, s)
}

func (l *writeLog) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.writes)
}

// certificate is made once: an authority for itself, for 127.0.0.1.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
})

func serverTLS() *tls.Config {
	own, _ := certificate()
	return &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}}
}

func clientTLS() *tls.Config {
	_, pool := certificate()
	return &tls.Config{RootCAs: pool}
}
