package ttlpool_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// What a checkout and a return cost, by how many do it at once, over how many
// addresses, with how many idle connections.
func BenchmarkPoolGetRelease(b *testing.B) {
	for _, held := range []struct{ addresses, idle int }{
		{1, 64},
		{1, 1_000},
		{1, 100_000},
		{10_000, 10_000},
		{10_000, 100_000},
	} {
		b.Run(fmt.Sprintf("addresses=%d/idle=%d", held.addresses, held.idle), func(b *testing.B) {
			p, addresses := idlePool(b, held.addresses, held.idle)
			for _, goroutines := range []int{1, 4, 16, 64} {
				b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
					b.ReportAllocs()
					inParallel(b, goroutines, func(worker, n int) {
						for i := range n {
							c, err := p.Get(context.Background(), "tcp", addresses[(i*goroutines+worker)%len(addresses)])
							if err != nil {
								b.Error(err)
								return
							}
							c.Release()
						}
					})
				})
			}
		})
	}
}

// What it costs when there are fewer connections than goroutines, and so
// almost everybody waits.
func BenchmarkPoolHandOver(b *testing.B) {
	for _, goroutines := range []int{2, 8, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			p := newTestPool(b, dialInert, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithTTL(time.Hour))
			b.ReportAllocs()
			b.ResetTimer()
			inParallel(b, goroutines, func(_, n int) {
				for range n {
					c, err := p.Get(context.Background(), "tcp", "hub:80")
					if err != nil {
						b.Error(err)
						return
					}
					runtime.Gosched() // so that somebody comes and waits
					c.Release()
				}
			})
		})
	}
}

// What it costs to come, wait and give up.
func BenchmarkPoolCancelledWaiter(b *testing.B) {
	p := newTestPool(b, dialInert, ttlpool.WithMaxConnsPerHost(1))
	defer mustGet(b, p, "hub:80").Release()
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if _, err := p.Get(ctx, "tcp", "hub:80"); err == nil {
			b.Fatal("there was no connection to get")
		}
	}
}

// What a sweep costs that finds nothing to do.
func BenchmarkPoolSweep(b *testing.B) {
	for _, idle := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) {
			p, _ := idlePool(b, 1, idle)
			b.ReportAllocs()
			for b.Loop() {
				if victims, _ := p.SweepAt(0); len(victims) > 0 {
					b.Fatal("nothing was due")
				}
			}
		})
	}
}

// How long a sweep takes that finds everything due, on connections whose closing
// costs nothing; two thirds of it are rests.
func BenchmarkPoolSweepAll(b *testing.B) {
	const idle = 100_000
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		p, _ := idlePool(b, 1, idle)
		b.StartTimer()
		victims, _ := p.SweepAt(2 * time.Hour)
		b.StopTimer()
		require.Len(b, victims, idle)
		require.NoError(b, p.Close())
		b.StartTimer()
	}
}

// idlePool returns a pool with idle connections, spread over addresses.
func idlePool(b *testing.B, addresses, idle int) (*ttlpool.Pool, []string) {
	b.Helper()
	p := newTestPool(b, dialInert, ttlpool.WithTTL(time.Hour), ttlpool.WithMaxIdle(0), ttlpool.WithMaxIdlePerHost(0))
	all := make([]string, addresses)
	for i := range all {
		all[i] = fmt.Sprintf("host%d:80", i)
	}
	conns := make([]*ttlpool.Conn, idle)
	for i := range conns {
		conns[i] = mustGet(b, p, all[i%addresses])
	}
	for _, c := range conns {
		c.Release()
	}
	require.Equal(b, idle, p.Stats().Idle)
	return p, all
}

// inParallel shares b.N among goroutines.
func inParallel(b *testing.B, goroutines int, work func(worker, n int)) {
	var workers sync.WaitGroup
	for worker := range goroutines {
		n := b.N / goroutines
		if worker < b.N%goroutines {
			n++
		}
		workers.Go(func() { work(worker, n) })
	}
	workers.Wait()
}

// inert is a connection on which nothing happens.
type inert struct{ net.Conn }

func (inert) Close() error { return nil }

func dialInert(context.Context, string, string) (net.Conn, error) { return inert{}, nil }
