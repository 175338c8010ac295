package ttlpool

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A second try gets a connection dialled for it, though there is no place for
// one yet and a pooled one comes free first.
func TestP4_ASecondTryThatHasToWaitIsNotGivenAPooledConnection(t *testing.T) {
	c := defaultConfig()
	c.policy.maxConns = 2
	p := newPool(c, func(context.Context, key) (link, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		return link{conn: client, session: &limited{Conn: client, room: 2}}, nil
	})
	defer p.Close()
	d := demand{key: key{network: "tcp", address: "hub:80"}}
	var taken []lease
	for range 4 { // two connections, with two streams each
		l, err := p.acquire(t.Context(), d)
		require.NoError(t, err)
		taken = append(taken, l)
	}
	failed := taken[0]
	type result struct {
		l   lease
		err error
	}
	done := make(chan result, 1)
	go func() {
		l, err := p.replace(t.Context(), failed.conn, ClosedFailed, readClocks())
		done <- result{l, err}
	}()
	require.Eventually(t, func() bool { return p.Stats().Waiting == 1 }, 10*time.Second, time.Millisecond)
	for _, l := range taken[1:] {
		if l.conn != failed.conn {
			p.release(l.conn, readClocks(), true)
			break
		}
	}
	for _, l := range taken[1:] {
		if l.conn == failed.conn {
			p.release(l.conn, readClocks(), true)
			break
		}
	}
	got := <-done
	require.NoError(t, got.err)
	assert.False(t, got.l.reused, "the second try got a pooled connection")
}

// limited is a session with room for so many.
type limited struct {
	net.Conn
	room int
}

func (s *limited) Capacity() int { return s.room }
func (*limited) Watch(func())    {}

// If the place can come from a pooled connection only, that one makes way when it is given back.
func TestP4_APooledConnectionMakesWayForASecondTry(t *testing.T) {
	c := defaultConfig()
	c.policy.maxConns = 2
	p := newPool(c, func(context.Context, key) (link, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		return link{conn: client, session: &limited{Conn: client, room: 2}}, nil
	})
	defer p.Close()
	d := demand{key: key{network: "tcp", address: "hub:80"}}
	var taken []lease
	for range 3 { // two streams on one connection, and one on another
		l, err := p.acquire(t.Context(), d)
		require.NoError(t, err)
		taken = append(taken, l)
	}
	shared, other := taken[0].conn, taken[2].conn
	require.Same(t, shared, taken[1].conn)
	require.NotSame(t, shared, other)
	done := make(chan lease, 1)
	go func() {
		l, err := p.replace(t.Context(), shared, ClosedFailed, readClocks())
		assert.NoError(t, err)
		done <- l
	}()
	require.Eventually(t, func() bool { return p.Stats().Waiting == 1 }, 10*time.Second, time.Millisecond)
	p.release(other, readClocks(), true)
	select {
	case got := <-done:
		assert.False(t, got.reused)
		assert.Equal(t, ClosedMadeWay, other.Info().Closed)
	case <-time.After(10 * time.Second):
		t.Fatal("the second try waits for a connection that is idle")
	}
}
