package peers

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A contestant makes the transport that a run is about.
type contestant struct {
	name string
	ours bool
	make func(*testing.T, *http.Transport) http.RoundTripper
}

var contestants = []contestant{
	{"net-http", false, func(t *testing.T, base *http.Transport) http.RoundTripper {
		t.Cleanup(base.CloseIdleConnections)
		return base
	}},
	{"ttlpool", true, func(t *testing.T, base *http.Transport) http.RoundTripper {
		tr, err := ttlpool.NewTransport(ttlpool.WithBase(base), ttlpool.WithMaxIdle(0))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, tr.Close()) })
		return tr
	}},
}

// dials makes all connections lead to one address, whatever host a request names, and counts them.
type dials struct {
	to    string
	count atomic.Int32
}

func (d *dials) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	d.count.Add(1)
	return new(net.Dialer).DialContext(ctx, network, d.to)
}

// forEach runs a test for each peer and transport, side by side.
func forEach[P interface{ String() string }](t *testing.T, peers []P, run func(*testing.T, P, contestant)) {
	for _, p := range peers {
		for _, c := range contestants {
			t.Run(p.String()+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				run(t, p, c)
			})
		}
	}
}
