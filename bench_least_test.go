package ttlpool_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// leastPool is the least that a pool with a TTL does for a checkout and a return: it
// finds the address, takes the connection used last, and reads the clock. It limits,
// counts, tells and learns nothing, has no waiters, and never looks at a connection.
type leastPool struct {
	mu        sync.RWMutex // guards addresses
	addresses map[leastKey]*leastBucket
	ttl       time.Duration
}

type leastKey struct{ network, address string }

type leastBucket struct {
	mu   sync.Mutex // guards idle
	idle []*leastConn
}

type leastConn struct {
	net.Conn
	bucket *leastBucket
	since  time.Time
}

func (p *leastPool) get(ctx context.Context, network, address string) (*leastConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := time.Now()
	p.mu.RLock()
	b := p.addresses[leastKey{network, address}]
	p.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	last := len(b.idle) - 1
	c := b.idle[last]
	if now.Sub(c.since) >= p.ttl || now.Round(0).Sub(c.since.Round(0)) >= p.ttl { // by both clocks
		return nil, context.DeadlineExceeded
	}
	b.idle = b.idle[:last]
	return c, nil
}

func (c *leastConn) release() {
	now := time.Now()
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	c.since = now
	c.bucket.idle = append(c.bucket.idle, c)
}

// What GetRelease is to be compared with.
func BenchmarkPoolLeast(b *testing.B) {
	for _, held := range []struct{ addresses, idle int }{{1, 64}, {10_000, 10_000}} {
		b.Run(fmt.Sprintf("addresses=%d/idle=%d", held.addresses, held.idle), func(b *testing.B) {
			p := &leastPool{addresses: make(map[leastKey]*leastBucket), ttl: time.Hour}
			names := make([]string, held.addresses)
			for i := range names {
				names[i] = fmt.Sprintf("host%d:80", i)
				bucket := &leastBucket{}
				p.addresses[leastKey{"tcp", names[i]}] = bucket
				for range held.idle / held.addresses {
					(&leastConn{bucket: bucket}).release()
				}
			}
			for _, goroutines := range []int{1, 4} {
				b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
					b.ReportAllocs()
					inParallel(b, goroutines, func(worker, n int) {
						for i := range n {
							c, err := p.get(context.Background(), "tcp", names[(i*goroutines+worker)%len(names)])
							if err != nil {
								b.Error(err)
								return
							}
							c.release()
						}
					})
				})
			}
			for _, bucket := range p.addresses {
				require.Len(b, bucket.idle, held.idle/held.addresses)
			}
		})
	}
}
