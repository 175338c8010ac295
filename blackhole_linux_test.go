package ttlpool_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/testnet"
)

// blackHoleTimeout leaves room for a few retransmissions.
const blackHoleTimeout = time.Second

// forgetfulNet is a network with a server in which connections can be
// forgotten.
type forgetfulNet struct {
	*testnet.Network
	server *httptest.Server
	served *ledger

	mu    sync.Mutex // guards ports
	ports []uint16   // of the client, in the order of dialling
}

// newForgetfulNet serves handler, whose requests are counted by their ids.
func newForgetfulNet(t *testing.T, handler http.HandlerFunc, http2 bool) *forgetfulNet {
	n := &forgetfulNet{Network: testnet.Require(t, testnet.Config{RTT: 2 * time.Millisecond}), served: newLedger()}
	l, err := n.Server().Listen("tcp", ":0")
	require.NoError(t, err)
	n.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.served.receive(r)
		handler(w, r)
	}))
	_ = n.server.Listener.Close()
	n.server.Listener = l
	n.server.EnableHTTP2 = http2
	if http2 {
		n.server.StartTLS()
	} else {
		n.server.Start()
	}
	t.Cleanup(func() {
		n.server.CloseClientConnections() // their FINs may be lost
		n.server.Close()
	})
	return n
}

func (n *forgetfulNet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.Client().DialContext(ctx, network, address)
	if err == nil {
		n.mu.Lock()
		n.ports = append(n.ports, uint16(c.LocalAddr().(*net.TCPAddr).Port))
		n.mu.Unlock()
	}
	return c, err
}

// forget drops what the connections that exist now send and get.
func (n *forgetfulNet) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	forgotten := make(map[uint16]bool)
	for _, port := range n.ports {
		forgotten[port] = true
	}
	n.Drop(func(p testnet.Packet) bool {
		s, ok := p.TCP()
		return ok && (forgotten[s.SrcPort] || forgotten[s.DstPort])
	})
}

func (n *forgetfulNet) transport(t *testing.T, opts ...ttlpool.Option) *ttlpool.Transport {
	base := &http.Transport{DialContext: n.dial, ForceAttemptHTTP2: true}
	if n.server.TLS != nil {
		base.TLSClientConfig = n.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		base.TLSClientConfig.ServerName = "example.com"
	}
	return newTransport(t, append([]ttlpool.Option{
		ttlpool.WithBase(base), ttlpool.WithBlackHoleTimeout(blackHoleTimeout), ttlpool.WithStrictTTL(0),
	}, opts...)...)
}

func okay(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func TestAForgottenConnectionIsGivenUp(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Run("GET", func(t *testing.T) {
				t.Parallel()
				n := newForgetfulNet(t, okay, http2)
				tr := n.transport(t)
				get(t, tr, n.server.URL)
				n.forget()
				begun := time.Now()
				assert.Equal(t, "ok", send(t, tr, markedGet(t, n.server.URL)), "sent again")
				assert.GreaterOrEqual(t, time.Since(begun), blackHoleTimeout)
				received, _ := n.served.counts(staleID)
				assert.Equal(t, 1, received)
				assert.EqualValues(t, 1, tr.Stats().Retries)
			})
			t.Run("POST", func(t *testing.T) {
				t.Parallel()
				n := newForgetfulNet(t, okay, http2)
				tr := n.transport(t)
				get(t, tr, n.server.URL)
				n.forget()
				_, err := tr.RoundTrip(newRequest(t, t.Context(), "POST", n.server.URL, stream("call"))) //nolint:bodyclose // there is no response
				require.ErrorIs(t, err, ttlpool.ErrBlackHole)
				var timeout net.Error
				require.ErrorAs(t, err, &timeout)
				assert.True(t, timeout.Timeout())
				assert.ErrorContains(t, err, "black hole: nothing acknowledged for 1s")
				assert.ErrorContains(t, err, "; not retried: POST is not idempotent")
				var failure *ttlpool.ExchangeError
				require.ErrorAs(t, err, &failure)
				assert.True(t, failure.Stale)
				if !http2 {
					assert.Positive(t, failure.Written)
					assert.Zero(t, failure.Acknowledged)
				}
				assert.Equal(t, "ok", get(t, tr, n.server.URL), "on another connection")
			})
		})
	}
}

// Both are alive: their kernels acknowledge, or answer the probes of a window
// that is closed.
func TestAServerThatTakesItsTimeIsNoBlackHole(t *testing.T) {
	const time3 = 3 * blackHoleTimeout
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newForgetfulNet(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "POST" {
					time.Sleep(time3) // and the request's body fills all buffers
					_, _ = io.Copy(io.Discard, r.Body)
				}
				okay(w, r)
			}, http2)
			tr := n.transport(t)
			get(t, tr, n.server.URL)
			for _, size := range []int{1, 16 << 20} {
				begun := time.Now()
				req := newRequest(t, t.Context(), "POST", n.server.URL, bytes.NewReader(make([]byte, size)))
				assert.Equal(t, "ok", send(t, tr, req), "%d bytes", size)
				assert.GreaterOrEqual(t, time.Since(begun), time3)
			}
			assert.EqualValues(t, 1, tr.Stats().Dials)
		})
	}
}

func TestABlackHoleTimeoutOfZeroIsNone(t *testing.T) {
	n := newForgetfulNet(t, okay, false)
	tr := n.transport(t, ttlpool.WithHost("10.77.0.2", ttlpool.WithBlackHoleTimeout(0)))
	get(t, tr, n.server.URL)
	n.forget()
	ctx, cancel := context.WithTimeout(t.Context(), 2*blackHoleTimeout)
	defer cancel()
	_, err := tr.RoundTrip(newRequest(t, ctx, "GET", n.server.URL, nil)) //nolint:bodyclose // there is no response
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, ttlpool.ErrBlackHole)
}

func TestAHolderIsToldThatItsConnectionIsABlackHole(t *testing.T) {
	n := newForgetfulNet(t, okay, false)
	p := newTestPool(t, n.dial, ttlpool.WithBlackHoleTimeout(blackHoleTimeout))
	c := mustGet(t, p, n.server.Listener.Addr().String())
	defer c.Close()
	n.forget()
	_, err := c.Write([]byte("hello"))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	assert.ErrorIs(t, err, ttlpool.ErrBlackHole)
	_, err = c.Write([]byte("hello"))
	assert.ErrorIs(t, err, ttlpool.ErrBlackHole)
}
