package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/bench/internal/server"
	"go.uber.org/goleak"
)

// A client of fasthttp has a goroutine that sleeps for ten seconds before it sees
// that it has nothing to do.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}

// Every client reads every answer to its end, in every way to ask for it, or
// its worker says that it does not.
func TestEveryClientDoesEveryJobItCan(t *testing.T) {
	s, err := server.Start()
	require.NoError(t, err)
	defer s.Close()
	for _, c := range All {
		done := 0
		for _, j := range jobs() {
			if !c.Can(j) {
				continue
			}
			workers, stop, err := c.Start(j, s.Addresses)
			require.NoError(t, err)
			for range 3 {
				for _, w := range workers {
					assert.NoError(t, w.Exchange(), "%s: %+v", c.Name, j)
				}
			}
			stop()
			done++
		}
		assert.Greater(t, done, 10, c.Name)
	}
}

func jobs() (all []Job) {
	for _, path := range []string{server.Small, server.KiB64, server.MiB10, server.Chunked, server.Gzip} {
		for _, protocol := range []Protocol{HTTP1, HTTPS, HTTP2} {
			all = append(all, Job{Path: path, Protocol: protocol, Workers: 2, Hosts: 1})
		}
	}
	return append(all,
		Job{Path: server.Small, Workers: 1, Hosts: 5},
		Job{Path: server.Small, Workers: 1, Hosts: 1, Body: 1 << 10},
		Job{Path: server.Small, Workers: 1, Hosts: 1, Body: 64 << 10, Streamed: true},
		Job{Path: server.Small, Workers: 1, Hosts: 1, Body: 64 << 10, Streamed: true, Unsized: true},
		Job{Path: server.Small, Workers: 1, Hosts: 1, Fresh: true},
		Job{Path: server.Small, Workers: 1, Hosts: 1, Cancellable: true, Traced: true},
	)
}
