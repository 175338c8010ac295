package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

const (
	idField  = "X-Request-Id"
	patience = 30 * time.Second // of a request; the machine may be busy
)

func newTransport(t *testing.T, opts ...ttlpool.Option) *ttlpool.Transport {
	tr, err := ttlpool.NewTransport(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// call makes a request, with a body that cannot be repeated if it is a POST, and
// checks that the answer is its own.
func call(ctx context.Context, via http.RoundTripper, method, url, id string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = struct{ io.Reader }{strings.NewReader("<methodCall/>")}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	req.Header.Set(idField, id)
	resp, err := via.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if got := resp.Header.Get(idField); got != id || resp.StatusCode >= 300 {
		return wrongAnswer(fmt.Sprintf("%s got the answer of %q: %s", id, got, resp.Status))
	}
	return nil
}

// wrongAnswer is the worst that can happen.
type wrongAnswer string

func (w wrongAnswer) Error() string { return string(w) }

// requireHealthy makes one request after the other, of which none may fail.
func requireHealthy(t *testing.T, tr *ttlpool.Transport, url string) {
	t.Helper()
	for i := range 20 {
		method := []string{http.MethodGet, http.MethodPost}[i%2]
		require.NoError(t, call(t.Context(), tr, method, url, fmt.Sprintf("healthy-%d", i)))
	}
	// A dial that nobody needs any more may still be under way: its first packet
	// was dropped, and is sent again after a second.
	assert.Eventually(t, func() bool {
		stats := tr.Stats()
		return stats.Dialing == 0 && stats.InUse == 0 && stats.Waiting == 0
	}, 30*time.Second, 10*time.Millisecond)
}
