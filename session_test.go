package ttlpool

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeSession says what a test wants.
type fakeSession struct {
	net.Conn
	capacity atomic.Int32
	reads    atomic.Int32
	between  atomic.Pointer[func()] // called once, when the capacity has been read and before it is returned
	changed  func()
}

func (s *fakeSession) Watch(changed func()) { s.changed = changed }

func (s *fakeSession) Capacity() int {
	n := s.capacity.Load()
	s.reads.Add(1)
	if f := s.between.Swap(nil); f != nil {
		(*f)()
	}
	return int(n)
}

// sessionPool makes connections with a session of a capacity.
func sessionPool(t *testing.T, capacity int, opts ...PoolOption) (*Pool, *[]*fakeSession) {
	sessions := new([]*fakeSession) // by one dial after the other
	config := defaultConfig()
	for _, opt := range opts {
		require.NoError(t, opt.applyPool(config))
	}
	p := newPool(config, func(context.Context, key) (link, error) {
		here, there := net.Pipe()
		t.Cleanup(func() { _ = there.Close() })
		s := &fakeSession{Conn: here}
		s.capacity.Store(int32(capacity))
		*sessions = append(*sessions, s)
		return link{conn: here, session: s}, nil
	})
	t.Cleanup(func() { _ = p.Close() })
	return p, sessions
}

func leaseFrom(t *testing.T, p *Pool) *Conn { return acquireFrom(t, p).conn }

func acquireFrom(t *testing.T, p *Pool) lease {
	l, err := p.acquire(t.Context(), demand{key: key{network: "tcp", address: "hub:443"}})
	require.NoError(t, err)
	return l
}

// wantFrom waits for a lease, which may not come.
func wantFrom(ctx context.Context, p *Pool) <-chan grant {
	got := make(chan grant, 1)
	go func() {
		l, err := p.acquire(ctx, demand{key: key{network: "tcp", address: "hub:443"}})
		got <- grant{lease: l, err: err}
	}()
	return got
}

// The capacity is read without a lock: what was read before the server's GOAWAY may be taken in after it.
func TestAnOldCapacityDoesNotReviveARetiredConnection(t *testing.T) {
	tests := []struct {
		name   string
		retire func(t *testing.T, p *Pool, s *fakeSession, c *Conn)
		why    CloseReason
	}{
		{"by a change", func(_ *testing.T, p *Pool, s *fakeSession, c *Conn) {
			s.changed()
			p.release(c, readClocks(), true)
		}, ClosedHungUp},
		{"at checkout", func(t *testing.T, p *Pool, _ *fakeSession, c *Conn) {
			d := demand{key: key{network: "tcp", address: "hub:443"}}
			l, err := p.acquireInstead(t.Context(), d, readClocks(), c, ClosedTTL)
			require.NoError(t, err)
			p.discard(l.conn, ClosedFailed, readClocks())
		}, ClosedTTL},
		{"by a request that found it stale", func(t *testing.T, p *Pool, _ *fakeSession, c *Conn) {
			l, err := p.replace(t.Context(), c, ClosedStale, readClocks())
			require.NoError(t, err)
			p.discard(l.conn, ClosedFailed, readClocks())
		}, ClosedStale},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, sessions := sessionPool(t, 100)
			c := leaseFrom(t, p)
			require.Same(t, c, leaseFrom(t, p))
			s := (*sessions)[0]
			require.Eventually(t, func() bool { return s.reads.Load() == 3 }, 10*time.Second, time.Millisecond, "at birth, when it is watched, when it is shared")

			read, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
			wait := func() {
				close(read)
				<-proceed
			}
			s.between.Store(&wait)
			go func() {
				defer close(done)
				s.changed() // reads 100
			}()
			<-read
			s.capacity.Store(0)
			test.retire(t, p, s, c)
			close(proceed)
			<-done

			p.release(c, readClocks(), true)
			assert.Equal(t, test.why, c.Info().Closed, "when its last exchange had ended")
			assert.NotSame(t, c, leaseFrom(t, p))
		})
	}
}

// roomy is a session that always has room, and says so when it is told to.
type roomy struct {
	net.Conn
	changed chan func() // what it is to call then; of capacity 1
}

func (*roomy) Capacity() int          { return 10 }
func (s *roomy) Watch(changed func()) { s.changed <- changed }

// A stream that failed has retired its connection: the session, which calls
// whenever a stream has ended, does not bring it back.
func TestARetiredSessionStaysRetired(t *testing.T) {
	var made []*roomy
	p := newPool(defaultConfig(), func(context.Context, key) (link, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		s := &roomy{Conn: client, changed: make(chan func(), 1)}
		made = append(made, s)
		return link{conn: client, session: s}, nil
	})
	defer p.Close()
	d := demand{key: key{network: "tcp", address: "hub:80"}}
	first, err := p.acquire(t.Context(), d)
	require.NoError(t, err)
	failed, err := p.acquire(t.Context(), d)
	require.NoError(t, err)
	require.Same(t, first.conn, failed.conn)

	again, err := p.replace(t.Context(), failed.conn, ClosedFailed, readClocks())
	require.NoError(t, err)
	require.NotSame(t, first.conn, again.conn)
	(<-made[0].changed)() // the connection is leased before it is watched
	p.release(again.conn, readClocks(), true)
	p.release(first.conn, readClocks(), true)
	assert.NotEqual(t, NotClosed, first.conn.Info().Closed)
	assert.Equal(t, 1, p.Stats().Open)
}

// gatedSessions is a pool of sessions for one exchange each. What comes of a dial
// is sent to its channel.
type gatedSessions struct {
	*Pool
	plain  bool       // what is dialled has no session
	mu     sync.Mutex // guards appending to dials
	dials  []chan error
	leases chan *Conn
}

func newGatedSessions(t *testing.T, obeys bool) *gatedSessions {
	g := &gatedSessions{leases: make(chan *Conn, 10)}
	g.Pool = newPool(defaultConfig(), func(ctx context.Context, _ key) (link, error) {
		outcome := make(chan error, 1)
		g.mu.Lock()
		g.dials = append(g.dials, outcome)
		g.mu.Unlock()
		var stopped <-chan struct{}
		if obeys {
			stopped = ctx.Done()
		}
		select {
		case err := <-outcome:
			if err != nil {
				return link{}, err
			}
		case <-stopped:
			return link{}, ctx.Err()
		}
		here, there := net.Pipe()
		t.Cleanup(func() { _ = there.Close() })
		if g.plain {
			return link{conn: here}, nil
		}
		s := &fakeSession{Conn: here}
		s.capacity.Store(1)
		return link{conn: here, session: s}, nil
	})
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// begin has a request wait for a connection.
func (g *gatedSessions) begin(t *testing.T) {
	go func() { g.leases <- leaseFrom(t, g.Pool) }()
	synctest.Wait()
}

// orphan leaves the dial with index 1 in progress for nobody, because the request
// for which it was begun was served by another connection. Another request waits
// that has relied on it.
func (g *gatedSessions) orphan(t *testing.T) {
	g.begin(t)
	g.dials[0] <- nil
	first := <-g.leases
	g.begin(t)
	g.begin(t)
	require.Len(t, g.dials, 2, "one is for all, because there are sessions")
	g.release(first, readClocks(), true)
	require.Same(t, first, <-g.leases)
}

// It is stopped when another connection has come, which may not be enough for all.
func TestTheEndOfASpareDialFailsNobody(t *testing.T) {
	for name, obeys := range map[string]bool{"stopped": true, "hanging": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGatedSessions(t, obeys)
				g.orphan(t)
				g.begin(t)
				require.Len(t, g.dials, 3, "one for those who wait")
				g.dials[2] <- nil
				<-g.leases
				synctest.Wait()
				require.Len(t, g.dials, 4, "one for who waits still")
				g.dials[3] <- nil
				<-g.leases
				g.dials[1] <- nil // if it hangs, it ends here
			})
		})
	}
}

func TestADialThatFailsNobodyIsFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGatedSessions(t, true)
		g.orphan(t)
		g.dials[1] <- errors.New("refused")
		synctest.Wait()
		require.Len(t, g.dials, 3)
		g.dials[2] <- nil
		<-g.leases
	})
}

// Another server behind the same address may speak another protocol.
func TestADialThatWasForAllMayServeOnlyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGatedSessions(t, true)
		g.begin(t)
		g.dials[0] <- nil
		first := <-g.leases
		for range 3 {
			g.begin(t)
		}
		require.Len(t, g.dials, 2, "one is for all, because there are sessions")
		g.plain = true
		g.discard(first, ClosedFailed, readClocks())
		g.dials[1] <- nil
		<-g.leases
		synctest.Wait()
		require.Len(t, g.dials, 4, "there are none now, and each has its own")
		for _, d := range g.dials[2:] {
			d <- nil
			<-g.leases
		}
	})
}

func TestShutdownDoesNotWaitForADialThatAWaiterLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGatedSessions(t, true)
		g.plain = true
		g.begin(t)
		g.dials[0] <- nil
		first := <-g.leases
		g.begin(t) // its dial hangs
		ended := make(chan error, 1)
		go func() { ended <- g.Shutdown(t.Context()) }()
		synctest.Wait()
		g.release(first, readClocks(), true)
		require.Same(t, first, <-g.leases)
		g.release(first, readClocks(), true)
		synctest.Wait()
		require.Len(t, ended, 1)
		assert.NoError(t, <-ended)
	})
}

// Between two steps of giving a connection back, for which the pool has no room,
// another request may come to share it.
func TestAConnectionThatIsSharedIsNotDismissed(t *testing.T) {
	for _, shared := range []bool{true, false} {
		p, _ := sessionPool(t, 100)
		c := leaseFrom(t, p)
		if shared {
			require.Same(t, c, leaseFrom(t, p))
		}
		var after aftermath
		c.bucket.dismiss(c, readClocks(), &after)
		p.settle(&after, readClocks())
		assert.Equal(t, shared, c.Info().Closed == NotClosed)
		if shared {
			assert.Equal(t, 1, c.Info().Leases)
		}
	}
}

// assertGone wants a lease to be of no use at now, for a reason; NotClosed: to be of use.
func assertGone(t *testing.T, want CloseReason, l lease, now instant) {
	t.Helper()
	why, gone := l.gone(now)
	assert.Equal(t, want, why)
	assert.Equal(t, want != NotClosed, gone)
}

// What the idle time of a connection counts from stays where it was while an exchange is run.
func TestASessionThatIsBusyForLongerThanItsTTLIsNotIdle(t *testing.T) {
	const ttl = 30 * time.Second
	t.Run("for a request that shares it, and begins a moment later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _ := sessionPool(t, 2, WithTTL(ttl))
			long := leaseFrom(t, p)
			time.Sleep(2 * ttl)
			other := acquireFrom(t, p)
			require.Same(t, long, other.conn)
			time.Sleep(2 * secondLook)
			assertGone(t, NotClosed, other, readClocks())
		})
	})
	t.Run("for a request that has waited for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, sessions := sessionPool(t, 1, WithTTL(ttl), WithMaxConnsPerHost(1))
			long := leaseFrom(t, p)
			waiting := wantFrom(t.Context(), p)
			synctest.Wait()
			time.Sleep(2 * ttl)
			(*sessions)[0].capacity.Store(2)
			(*sessions)[0].changed()
			synctest.Wait()
			require.Len(t, waiting, 1)
			assert.Same(t, long, (<-waiting).lease.conn)
			assert.Equal(t, 2, long.Info().Leases)
		})
	})
	t.Run("but may be too old", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, _ := sessionPool(t, 2, WithTTL(ttl), WithMaxAge(3*ttl))
			leaseFrom(t, p)
			time.Sleep(2 * ttl)
			other := acquireFrom(t, p)
			time.Sleep(ttl - 1)
			assertGone(t, NotClosed, other, readClocks().before(time.Nanosecond))
			time.Sleep(time.Nanosecond)
			assertGone(t, ClosedMaxAge, other, readClocks())
		})
	})
}

// Those who used it may be gone since: a machine that was suspended has forgotten it all.
func TestP1_ASharedSessionIsIdleFromItsLeaseAtMost(t *testing.T) {
	const ttl = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		p, _ := sessionPool(t, 2, WithTTL(ttl))
		long := leaseFrom(t, p)
		time.Sleep(2 * ttl)
		other := acquireFrom(t, p)
		p.release(long, readClocks(), false)
		time.Sleep(ttl - 1)
		assertGone(t, NotClosed, other, readClocks())
		time.Sleep(time.Nanosecond)
		assertGone(t, ClosedTTL, other, readClocks())
	})
}
