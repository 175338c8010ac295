package ttlpool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// stressTime is how long the stress test runs: TTLPOOL_STRESS, a duration, or a
// second.
func stressTime(t *testing.T) time.Duration {
	text := os.Getenv("TTLPOOL_STRESS")
	if text == "" {
		return time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, "TTLPOOL_STRESS")
	return d
}

// Workers do at random what callers may do, over real sockets, with peers that
// hang up and a dial function that misbehaves; an independent record of what
// was dialled and who holds what watches them.
func TestStress(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for end := time.Now().Add(stressTime(t)); time.Now().Before(end) && !t.Failed(); {
		s := newStress(t, rng)
		s.run(min(200*time.Millisecond, time.Until(end)))
	}
}

// stress is one round.
type stress struct {
	t     *testing.T
	seed  uint64
	pool  *ttlpool.Pool
	addrs []string
	peers []net.Listener

	maxConns, maxIdle, maxIdlePerHost, maxUses int
	ttl, maxAge                                time.Duration // 0: none

	gets atomic.Int64

	mu      sync.Mutex // guards the rest
	conns   map[net.Conn]*record
	dialing map[string]int
}

// record is what the test knows of a connection.
type record struct {
	address string
	held    atomic.Bool
}

var errUnlucky = errors.New("unlucky")

func newStress(t *testing.T, rng *rand.Rand) *stress {
	pick := func(n ...int) int { return n[rng.IntN(len(n))] }
	s := &stress{
		t: t, seed: rng.Uint64(),
		maxConns: pick(0, 1, 2, 5), maxIdle: pick(0, 1, 4), maxIdlePerHost: pick(0, 1, 3), maxUses: pick(0, 1, 10),
		ttl:     time.Duration(pick(0, 1, 5, 1000)) * time.Millisecond,
		maxAge:  time.Duration(pick(0, 2, 20)) * time.Millisecond,
		conns:   make(map[net.Conn]*record),
		dialing: make(map[string]int),
	}
	opts := []ttlpool.PoolOption{
		ttlpool.WithMaxConnsPerHost(s.maxConns), ttlpool.WithMaxIdle(s.maxIdle), ttlpool.WithMaxIdlePerHost(s.maxIdlePerHost),
		ttlpool.WithMaxUses(s.maxUses), ttlpool.WithTTL(s.ttl), ttlpool.WithMaxAge(s.maxAge), ttlpool.WithMaxAgeJitter(s.maxAge / 2),
		ttlpool.WithAcquireTimeout(time.Duration(pick(0, 1, 50)) * time.Millisecond),
		ttlpool.WithTrace(&ttlpool.Trace{GotConn: s.gotConn}),
	}
	var err error
	s.pool, err = ttlpool.NewPool(s.dial, opts...)
	require.NoError(t, err)
	dir := t.TempDir()
	for i := range 3 {
		ln, err := net.Listen("unix", filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(t, err)
		s.addrs, s.peers = append(s.addrs, ln.Addr().String()), append(s.peers, ln)
	}
	return s
}

func (s *stress) run(length time.Duration) {
	var servers, workers sync.WaitGroup
	for _, ln := range s.peers {
		servers.Go(func() { s.serve(ln, &servers) })
	}
	over := make(chan struct{})
	for i := range uint64(8) {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(s.seed, i))
			for {
				select {
				case <-over:
					return
				default:
					s.act(rng)
				}
			}
		})
	}
	time.AfterFunc(length, func() { close(over) })
	await(s.t, waited(&workers))
	s.settled()
	s.end()
	for _, ln := range s.peers {
		_ = ln.Close()
	}
	await(s.t, waited(&servers))
	assert.Positive(s.t, s.gets.Load())
}

// waited returns a channel that is closed when everybody is done.
func waited(group *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	return done
}

// serve answers each byte with itself. Now and then it hangs up, or sends
// something unasked.
func (s *stress) serve(ln net.Listener, servers *sync.WaitGroup) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		servers.Go(func() {
			defer c.Close()
			var b [1]byte
			for {
				if _, err := c.Read(b[:]); err != nil {
					return
				}
				answer := b[:]
				if b[0] == 1 {
					answer = []byte{1, 2} // one byte too many
				}
				if _, err := c.Write(answer); err != nil || b[0] == 0 {
					return
				}
			}
		})
	}
}

// dial is the pool's dial function. It must never be called when there are as
// many connections, open or being dialled, as there may be.
func (s *stress) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	s.mu.Lock()
	open := s.dialing[address]
	s.dialing[address]++
	for c, r := range s.conns {
		if r.address == address && !socketClosed(c) {
			open++
		}
	}
	s.mu.Unlock()
	if s.maxConns > 0 {
		assert.Less(s.t, open, s.maxConns, "a dial began although there were as many connections as there may be")
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dialing[address]--
		if c != nil {
			s.conns[c] = &record{address: address}
		}
	}()
	return s.dialBadly(ctx, network, address)
}

// dialBadly misbehaves in one case of eight.
func (s *stress) dialBadly(ctx context.Context, network, address string) (net.Conn, error) {
	switch rand.IntN(48) {
	case 0:
		return nil, errUnlucky
	case 1:
		panic(errUnlucky)
	case 2:
		return nil, nil
	case 3:
		runtime.Goexit()
	case 4, 5:
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// socketClosed reports whether Close has been called.
func socketClosed(c net.Conn) bool {
	socket, err := c.(*net.UnixConn).SyscallConn()
	return err != nil || socket.Control(func(uintptr) {}) != nil
}

// gotConn checks what is handed out, as it is at that instant.
func (s *stress) gotConn(info ttlpool.ConnInfo) {
	s.gets.Add(1)
	if s.ttl > 0 {
		assert.Less(s.t, info.Idle, s.ttl)
	}
	if s.maxAge > 0 && info.Uses > 0 { // a new one is as old as it takes to wake up
		assert.Less(s.t, info.Age, s.maxAge)
	}
	if s.maxUses > 0 {
		assert.Less(s.t, info.Uses, s.maxUses)
	}
	assert.Equal(s.t, 1, info.Leases)
}

// act does one thing that a caller may do.
func (s *stress) act(rng *rand.Rand) {
	switch rng.IntN(60) {
	case 0:
		s.pool.CloseIdle()
	case 1, 2, 3:
		s.checkStats()
	default:
		s.useOne(rng)
	}
}

func (s *stress) checkStats() {
	stats := s.pool.Stats()
	for address, h := range stats.Hosts {
		assert.Equal(s.t, h.Open, h.Idle+h.InUse)
		if s.maxConns > 0 {
			assert.LessOrEqual(s.t, h.Open+h.Dialing, s.maxConns, address)
		}
		if s.maxIdlePerHost > 0 {
			assert.LessOrEqual(s.t, h.Idle, s.maxIdlePerHost, address)
		}
		if s.maxIdle > 0 {
			assert.LessOrEqual(s.t, h.Idle, s.maxIdle, address)
		}
	}
}

// useOne takes a connection, perhaps impatiently, and does something with it.
func (s *stress) useOne(rng *rand.Rand) {
	ctx := context.Background()
	if rng.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		defer cancel()
	}
	c := s.get(ctx, s.addrs[rng.IntN(len(s.addrs))])
	if c == nil {
		return
	}
	s.mu.Lock()
	r := s.conns[c.NetConn()]
	s.mu.Unlock()
	if !assert.NotNil(s.t, r, "it was never dialled") {
		return
	}
	assert.True(s.t, r.held.CompareAndSwap(false, true), "somebody else holds it")
	assert.False(s.t, socketClosed(c.NetConn()), "it is closed")
	var err error
	if rng.IntN(2) == 0 {
		said := byte(rng.IntN(40)) // 0: the peer hangs up; 1: it says too much
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err = c.Write([]byte{said}); err == nil {
			var heard [1]byte
			_, err = io.ReadFull(c, heard[:])
			if err == nil {
				assert.Equal(s.t, said, heard[0], "somebody else's answer")
			}
		}
	}
	if rng.IntN(10) == 0 {
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond)
	}
	r.held.Store(false)
	if err != nil || rng.IntN(20) == 0 {
		_ = c.Close()
	}
	if err == nil {
		c.Release() // after Close, too
	}
}

// get is Get with the dial function's misdeeds taken for granted.
func (s *stress) get(ctx context.Context, address string) *ttlpool.Conn {
	defer func() {
		if v := recover(); v != nil {
			assert.Equal(s.t, errUnlucky, v)
		}
	}()
	c, err := s.pool.Get(ctx, "unix", address)
	if err != nil {
		expected := errors.Is(err, errUnlucky) || errors.Is(err, ttlpool.ErrAcquireTimeout) ||
			err == ctx.Err() || errors.Is(err, os.ErrDeadlineExceeded)
		if !expected {
			assert.ErrorContains(s.t, err, "dial function")
		}
	}
	return c
}

// settled checks what must be true when nobody does anything any more.
func (s *stress) settled() {
	var stats ttlpool.Stats
	assert.Eventually(s.t, func() bool { // dials of those who gave up may still go on
		stats = s.pool.Stats()
		return stats.Dialing == 0 && stats.InUse == 0
	}, patience, time.Millisecond)
	assert.Zero(s.t, stats.Waiting)
	if s.maxIdle > 0 {
		assert.LessOrEqual(s.t, stats.Idle, s.maxIdle)
	}
}

// end closes the pool one way or another, after which everything must be
// closed and the accounts add up.
func (s *stress) end() {
	switch rand.IntN(3) {
	case 0:
		s.pool.CloseIdle()
	case 1:
		assert.NoError(s.t, s.pool.Shutdown(s.t.Context()))
	}
	assert.NoError(s.t, s.pool.Close())
	assert.Zero(s.t, s.pool.Stats().Open)
	assert.Eventually(s.t, s.allClosed, patience, time.Millisecond, "a connection was left open, or not counted")
}

// allClosed reports whether everything that was dialled is closed, and the
// accounts say so. What a peer's hang-up has evicted just before is being
// closed by somebody else.
func (s *stress) allClosed() bool {
	stats := s.pool.Stats()
	var closed int64
	for _, n := range stats.Closed {
		closed += n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if !socketClosed(c) {
			return false
		}
	}
	return closed == int64(len(s.conns)) && closed == stats.Dials-stats.DialErrors
}
