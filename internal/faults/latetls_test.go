package faults

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/hangup"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// The orders of s_server for a KeyUpdate.
const (
	updateMine = "k" // of its own keys
	updateBoth = "K" // it asks for one in return
)

// OpenSSL says something about TLS, and nothing about HTTP, while a connection is
// idle. It is not known what the bytes are, so that the connection is replaced; the
// caller sees nothing of it, whatever the method. http.Transport, which reads all
// the time, uses it again.
func TestATLSMessageOnAnIdleConnectionReplacesIt(t *testing.T) {
	for _, order := range []string{updateMine, updateBoth} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(order+", "+method, func(t *testing.T) {
				certificate, err := realtest.NewCertificate()
				require.NoError(t, err)
				d := new(dialled)
				tr := newTransport(t, ttlpool.WithBase(&http.Transport{TLSClientConfig: certificate.ClientConfig(), DialContext: d.dial}))
				o := startOpenSSL(t, certificate)
				exchangeWith(t, o, tr, method, "first")
				o.order(t, order)
				d.awaitBytes(t)
				exchangeWith(t, o, tr, method, "second")
				exchangeWith(t, o, tr, method, "third")
				stats := tr.Stats()
				assert.EqualValues(t, 2, stats.Dials)
				assert.EqualValues(t, 1, stats.Closed[ttlpool.ClosedStrayBytes])
				assert.Zero(t, stats.Stale, "it was not even tried")
			})
		}
	}
}

// The control: what was said is harmless.
func TestATLSMessageOnAnIdleConnectionOfHTTPTransport(t *testing.T) {
	certificate, err := realtest.NewCertificate()
	require.NoError(t, err)
	d := new(dialled)
	tr := &http.Transport{TLSClientConfig: certificate.ClientConfig(), DialContext: d.dial}
	defer tr.CloseIdleConnections()
	o := startOpenSSL(t, certificate)
	exchangeWith(t, o, tr, http.MethodGet, "first")
	o.order(t, updateBoth)
	exchangeWith(t, o, tr, http.MethodGet, "second")
	assert.EqualValues(t, 1, d.times.Load())
}

// OpenSSL sends session tickets after the handshake. What comes along with an answer
// costs no connection.
func TestTicketsBeforeAnAnswerAreReadWithIt(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			certificate, err := realtest.NewCertificate()
			require.NoError(t, err)
			tr := newTransport(t, ttlpool.WithBase(&http.Transport{TLSClientConfig: certificate.ClientConfig()}))
			o := startOpenSSL(t, certificate)
			for _, id := range []string{"first", "second", "third"} {
				exchangeWith(t, o, tr, method, id)
			}
			stats := tr.Stats()
			assert.EqualValues(t, 1, stats.Dials)
			assert.EqualValues(t, 2, stats.Reuses)
		})
	}
}

// dialled counts dials, and keeps the last connection.
type dialled struct {
	times atomic.Int64
	last  atomic.Pointer[net.TCPConn]
}

func (d *dialled) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.times.Add(1)
	d.last.Store(conn.(*net.TCPConn))
	return conn, nil
}

// awaitBytes waits until there is something to read.
func (d *dialled) awaitBytes(t *testing.T) {
	t.Helper()
	probe := hangup.NewProbe(d.last.Load())
	if probe == nil {
		t.Skip("this system offers no look at a socket: see the package's documentation")
	}
	require.Eventually(t, func() bool { return probe.State() == hangup.Pending }, patience, time.Millisecond)
}

// On a connection that is dialled, and not needed any more when it is there, the
// tickets of Apache httpd wait. Like everything that cannot be told apart from a stray
// answer, they cost the connection, and no request.
func TestTicketsOnAConnectionThatWasNeverUsed(t *testing.T) {
	certificate, err := realtest.NewCertificate()
	require.NoError(t, err)
	s := realtest.Start(t, realtest.Apache{Certificate: certificate})
	require.NotNil(t, s)
	config := certificate.ClientConfig()
	config.MinVersion = tls.VersionTLS13 // before, tickets are part of the handshake
	ctx, cancel := context.WithCancel(t.Context())
	d, givenUp := new(dialled), make(chan struct{})
	tr := newTransport(t, ttlpool.WithBase(&http.Transport{
		TLSClientConfig: config,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			cancel()
			<-givenUp
			return d.dial(ctx, network, address)
		},
	}))
	require.ErrorIs(t, call(ctx, tr, http.MethodPost, s.URL(), "given up"), context.Canceled)
	close(givenUp)
	require.Eventually(t, func() bool { return tr.Stats().Idle == 1 }, patience, time.Millisecond)
	d.awaitBytes(t)
	requireHealthy(t, tr, s.URL())
	stats := tr.Stats()
	assert.Zero(t, stats.Stale)
	assert.EqualValues(t, 2, stats.Dials)
	assert.EqualValues(t, 1, stats.Closed[ttlpool.ClosedStrayBytes])
}

// exchangeWith makes a request that is answered.
func exchangeWith(t *testing.T, o *openssl, via http.RoundTripper, method, id string) {
	t.Helper()
	done := begin(t, o, via, method, id)
	o.await(t, lastLine(method))
	o.say(t, id)
	require.NoError(t, <-done)
}

func begin(t *testing.T, o *openssl, via http.RoundTripper, method, id string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call(t.Context(), via, method, "https://"+o.address, id) }()
	return done
}

// lastLine is how the last line of a request begins: its last field, or the chunk that
// ends its body.
func lastLine(method string) string {
	if method == http.MethodPost {
		return "0"
	}
	return "Accept-Encoding"
}
