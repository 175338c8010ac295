package clients

import (
	"context"
	"net"
	"net/http"
	"path"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A contestant makes the transport that a run is about.
type contestant struct {
	name string
	ours bool
	deaf bool // to the expectation of 100 in this user's requests
	make func(*testing.T, *http.Transport) http.RoundTripper
}

var (
	reference = contestant{name: "net-http", make: func(t *testing.T, base *http.Transport) http.RoundTripper {
		t.Cleanup(base.CloseIdleConnections)
		return base
	}}
	candidate = contestant{name: "ttlpool", ours: true, make: func(t *testing.T, base *http.Transport) http.RoundTripper {
		tr, err := ttlpool.NewTransport(ttlpool.WithBase(base))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, tr.Close()) })
		return tr
	}}
	both = []contestant{reference, candidate}
)

// meter is what the users get: the transport, with a look at what passes.
type meter struct {
	http.RoundTripper
	adjust func(*http.Request) *http.Request // or nil

	mu      sync.Mutex
	calls   map[string]int // by request id
	dialled []*net.TCPConn
	closed  int // calls of CloseIdleConnections
}

func newMeter(t *testing.T, c contestant) *meter {
	m := &meter{calls: make(map[string]int)}
	m.RoundTripper = c.make(t, &http.Transport{DialContext: m.dial})
	return m
}

func (m *meter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		m.mu.Lock()
		m.dialled = append(m.dialled, c.(*net.TCPConn))
		m.mu.Unlock()
	}
	return c, err
}

func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.calls[path.Base(req.URL.Path)]++
	adjust := m.adjust
	m.mu.Unlock()
	if adjust != nil {
		req = adjust(req)
	}
	return m.RoundTripper.RoundTrip(req)
}

func (m *meter) CloseIdleConnections() {
	m.mu.Lock()
	m.closed++
	m.mu.Unlock()
	m.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// asked is how often a request came to the transport.
func (m *meter) asked(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[id]
}

// dials returns the connections that were dialled.
func (m *meter) dials() []*net.TCPConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dialled
}

// forEach runs a test for each user and transport.
func forEach(t *testing.T, run func(t *testing.T, u user, c contestant)) {
	for _, u := range users {
		for _, c := range both {
			t.Run(u.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				run(t, u, c)
			})
		}
	}
}
