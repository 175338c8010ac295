package aim

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestActedUpon has a server read POSTs, act on them, and hang up without an
// answer. None may be sent again.
func TestActedUpon(t *testing.T) {
	endings := []struct {
		name string
		end  func(*net.TCPConn)
	}{
		{"FIN", func(c *net.TCPConn) { _ = c.Close() }},
		{"RST", func(c *net.TCPConn) {
			_ = c.SetLinger(0)
			_ = c.Close()
		}},
	}
	for _, ending := range endings {
		t.Run(ending.name, func(t *testing.T) {
			onAll(t, func(t *testing.T, p path) { actAndEnd(t, p, ending.end) })
		})
	}
}

func actAndEnd(t *testing.T, p path, end func(*net.TCPConn)) {
	srv := serve(t, p, script{abandon: end})
	us := ours(t, p, srv)
	n := requests(t)
	c := &campaign{
		server: srv, calls: n, workers: min(lanesFor(n), 50), methods: []string{http.MethodPost},
		warm: func(end time.Time) time.Time { return end },
		next: func(_ int, end time.Time) time.Time { return end.Add(rand.N(2 * time.Millisecond)) },
	}
	got := c.contest(t, us)[0][http.MethodPost]
	assert.Equal(t, got.calls, got.failed())
	assert.Equal(t, got.calls, got.once)
	assert.Zero(t, got.twice)
	assert.Zero(t, got.resent)
	assert.GreaterOrEqual(t, us.pool.Stats().Reuses, int64(got.calls), "only a reused connection tempts")

	// And with a body that could be sent again.
	const id = "replayable"
	_, _, err := us.call(t.Context(), 0, http.MethodGet, "warm")
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://0.test/", strings.NewReader(call))
	require.NoError(t, err)
	req.Header.Set(idName, id)
	_, err = us.transport.RoundTrip(req) //nolint:bodyclose // there is no response
	require.Error(t, err)
	assert.Equal(t, 1, srv.times(id))
}
