package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool/internal/realtest"
)

// A busy machine notices a close late, but never early, and neither does a
// server close early.
func TestRealServersAreNamed(t *testing.T) {
	for _, row := range []struct {
		server realtest.Kind
		closes time.Duration // when it is idle
		states float64       // seconds
		cap    int
	}{
		{server: realtest.Apache{KeepAliveTimeout: 5 * time.Second, MaxRequests: 100}, closes: 5 * time.Second, states: 5, cap: 101}, // it counts from 0
		{server: realtest.Nginx{KeepAliveTimeout: 3 * time.Second}, closes: 3 * time.Second},
		{server: realtest.Node{}, closes: 6 * time.Second, states: 5}, // a second later than it says
		{server: realtest.HAProxy{KeepAliveTimeout: 4 * time.Second}, closes: 4 * time.Second},
		{server: realtest.Go{KeepAliveTimeout: 2 * time.Second}, closes: 2 * time.Second},
	} {
		t.Run(realtest.Name(row.server), func(t *testing.T) {
			t.Parallel()
			server := realtest.Start(t, row.server)
			status, stdout, stderr := called(t, "-json", "-max", "30s", server.URL())
			require.Equal(t, exitFine, status, stderr)
			var found []document
			require.NoError(t, json.Unmarshal([]byte(stdout), &found))
			require.Len(t, found, 1)
			t.Logf("%+v", found[0])
			assert.InDelta(t, row.closes.Seconds(), found[0].Earliest, 0.2)
			assert.InDelta(t, row.states, found[0].Stated, 0)
			assert.Equal(t, row.cap, found[0].Cap)
			assert.Positive(t, found[0].TTL)
			assert.Less(t, found[0].TTL, min(found[0].Earliest, row.closes.Seconds()))
			if row.states > 0 {
				assert.Less(t, found[0].TTL, row.states)
			}
		})
	}
}
