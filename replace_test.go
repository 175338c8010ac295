package ttlpool

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A second try gets a connection dialled for it, though there is no place for
// one yet and a pooled one comes free first.
func TestP4_ASecondTryThatHasToWaitIsNotGivenAPooledConnection(t *testing.T) {
	p, taken := twoSessions(t, 4) // two connections, with two streams each
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

// twoSessions is a pool of two connections at most, for two streams each, of which
// so many are taken.
func twoSessions(t *testing.T, streams int) (p *Pool, taken []lease) {
	c := defaultConfig()
	c.policy.maxConns = 2
	p = newPool(c, func(context.Context, key) (link, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		return link{conn: client, session: &limited{Conn: client, room: 2}}, nil
	})
	t.Cleanup(func() { _ = p.Close() })
	for range streams {
		l, err := p.acquire(t.Context(), demand{key: key{network: "tcp", address: "hub:80"}})
		require.NoError(t, err)
		taken = append(taken, l)
	}
	return p, taken
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
	p, taken := twoSessions(t, 3) // two streams on one connection, and one on another
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

// The place of one that is closed may go to a waiter for whom another has to make
// way, which is closed too.
func TestWhatMakesWayWhileAnotherIsClosedIsClosedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := defaultConfig()
		config.policy.maxConns = 2
		opened := make(chan net.Conn, 4)
		p := newPool(config, func(context.Context, key) (link, error) {
			here, there := net.Pipe()
			opened <- there
			return link{conn: here}, nil
		})
		defer p.Close()
		d := demand{key: key{network: "tcp", address: "hub:80"}}
		var held []*Conn
		for range 2 {
			l, err := p.acquire(t.Context(), d)
			require.NoError(t, err)
			held = append(held, l.conn)
		}
		for _, c := range held {
			p.release(c, readClocks(), true)
		}
		b := held[0].bucket
		waiters := []*waiter{newWaiter(t.Context(), d), newWaiter(t.Context(), d)}
		var after aftermath // of two that come at once, for whom both are too old
		b.mu.Lock()
		for _, w := range waiters {
			b.waiters.pushBack(w)
			b.dialForWaitersLocked(&after)
		}
		b.mu.Unlock()
		require.Len(t, after.victims, 1, "one at a time")
		p.settle(&after, readClocks())
		for _, w := range waiters {
			g := <-w.ready
			require.NoError(t, g.err)
			p.release(g.lease.conn, readClocks(), true)
		}
		synctest.Wait()
		for range held {
			_, err := (<-opened).Read(make([]byte, 1))
			assert.ErrorIs(t, err, io.EOF, "an old connection is open still")
		}
		assert.Equal(t, 2, p.Stats().Open)
		assert.Zero(t, b.closing)
		require.NoError(t, p.Shutdown(t.Context()))
	})
}
