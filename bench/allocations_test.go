package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// allocations is how many objects ttlpool allocates for each request, exactly.
// The server allocates none. Whoever saves one lowers the figure; whoever needs
// one more has to say what for.
var allocations = []struct {
	row         string
	allocations int
}{
	{"GET small", 11},
	{"GET small, new request each time", 15},
	{"GET small, cancellable context", 14},
	{"GET small, with httptrace", 16},
	{"GET 64 KiB", 11},
	{"GET chunked", 13},
	{"POST 1 KiB, GetBody", 11},
	{"TLS 1.3 GET small", 14},
}

func TestARequestAllocatesAsMuchAsItIsKnownTo(t *testing.T) {
	for _, known := range allocations {
		t.Run(known.row, func(t *testing.T) {
			assert.EqualValues(t, known.allocations, allocationsPer(t, rowNamed(t, known.row).job))
		})
	}
}

func rowNamed(t *testing.T, name string) row {
	t.Helper()
	for _, r := range rows {
		if r.name == name {
			return r
		}
	}
	require.Failf(t, "there is no such row", "%q", name)
	return row{}
}

func allocationsPer(t *testing.T, j client.Job) float64 {
	t.Helper()
	s, err := server.Start()
	require.NoError(t, err)
	defer s.Close()
	workers, stop, err := client.TTLPool.Start(j, s.Addresses)
	require.NoError(t, err)
	defer stop()
	require.NoError(t, share(workers, 100)) // buffers have grown
	// A collection empties every sync.Pool, and what was there is made anew.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	return testing.AllocsPerRun(300, func() { require.NoError(t, workers[0].Exchange()) })
}
