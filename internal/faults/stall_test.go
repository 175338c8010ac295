package faults

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// A network stalls for a while. Requests wait, and are neither sent again nor lost;
// those whose caller has had enough end then, and all is well when it goes on.
func TestANetworkThatStalls(t *testing.T) {
	s := realtest.Start(t, realtest.Nginx{})
	require.NotNil(t, s)
	wire := newWire(t, s.Address)
	tr := newTransport(t, ttlpool.WithBase(&http.Transport{DialContext: wire.dial}))
	url := s.URL()
	requireHealthy(t, tr, url)

	wire.stall()
	var all sync.WaitGroup
	for i := range 20 {
		method := []string{http.MethodGet, http.MethodPost}[i%2]
		all.Go(func() { assert.NoError(t, call(t.Context(), tr, method, url, fmt.Sprintf("patient-%d", i))) })
	}
	for i := range 5 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			err := call(ctx, tr, http.MethodGet, url, fmt.Sprintf("impatient-%d", i))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	time.Sleep(500 * time.Millisecond) // how long it stalls
	wire.resume()
	all.Wait()
	requireHealthy(t, tr, url)
	require.NoError(t, s.Stop())
	processed, err := s.Processed()
	require.NoError(t, err)
	for i := range 20 {
		assert.Equal(t, 1, processed[fmt.Sprintf("patient-%d", i)])
	}
	assert.Zero(t, tr.Stats().Retries)
}
