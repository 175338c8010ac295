//go:build linux || ((darwin || freebsd) && (amd64 || arm64))

package hangup

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const patience = 10 * time.Second

func awaitTold(t *testing.T, told <-chan struct{}) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
}

// watchOne registers a connection; each call of its function is an element of
// the channel.
func watchOne(t *testing.T, w *Watch, c net.Conn) (<-chan struct{}, *Registration) {
	t.Helper()
	told := make(chan struct{}, 10)
	r := w.Register(c, func() { told <- struct{}{} })
	require.NotNil(t, r)
	t.Cleanup(r.Stop)
	return told, r
}

func TestTheWatchTellsOfEveryKindOfEnd(t *testing.T) {
	for name, end := range map[string]func(peer *net.TCPConn) error{
		"closed":      func(peer *net.TCPConn) error { return peer.Close() },
		"half-closed": func(peer *net.TCPConn) error { return peer.CloseWrite() },
		"reset": func(peer *net.TCPConn) error {
			if err := peer.SetLinger(0); err != nil {
				return err
			}
			return peer.Close()
		},
		"closed after bytes": func(peer *net.TCPConn) error {
			if _, err := peer.Write([]byte("x")); err != nil {
				return err
			}
			return peer.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var w Watch
			ours, peer := socketPair(t)
			told, _ := watchOne(t, &w, ours)
			require.NoError(t, end(peer))
			awaitTold(t, told)
			assert.Equal(t, probeOf(t, ours).State() == Pending, name == "closed after bytes")
		})
	}
}

func TestTheWatchTellsOfAnEndBeforeTheRegistration(t *testing.T) {
	var w Watch
	ours, peer := socketPair(t)
	require.NoError(t, peer.Close())
	eventually(t, probeOf(t, ours), HungUp)
	told, _ := watchOne(t, &w, ours)
	awaitTold(t, told)
}

// A later connection's end comes after all that there might have been before.
func awaitAnother(t *testing.T, w *Watch) {
	t.Helper()
	ours, peer := socketPair(t)
	told, r := watchOne(t, w, ours)
	require.NoError(t, peer.Close())
	awaitTold(t, told)
	r.Stop()
}

func TestTheWatchDoesNotTellOfTraffic(t *testing.T) {
	var w Watch
	ours, peer := socketPair(t)
	told, _ := watchOne(t, &w, ours)
	for range 100 {
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		_, err = ours.Write([]byte("y"))
		require.NoError(t, err)
	}
	awaitAnother(t, &w)
	assert.Empty(t, told)
	require.NoError(t, peer.Close())
	awaitTold(t, told)
}

func TestTheWatchDoesNotTellAfterStop(t *testing.T) {
	var w Watch
	ours, peer := socketPair(t)
	told, r := watchOne(t, &w, ours)
	r.Stop()
	r.Stop()
	require.NoError(t, peer.Close())
	awaitAnother(t, &w)
	assert.Empty(t, told)
}

func TestTheWatchDoesNotTellOfOurOwnClose(t *testing.T) {
	var w Watch
	ours, _ := socketPair(t)
	told, _ := watchOne(t, &w, ours)
	require.NoError(t, ours.Close())
	awaitAnother(t, &w)
	assert.Empty(t, told)
}

// The descriptor of a closed connection leads to the next one.
func TestTheWatchIsNotConfusedByDescriptors(t *testing.T) {
	var w Watch
	first, _ := socketPair(t)
	toldFirst, _ := watchOne(t, &w, first)
	require.NoError(t, first.Close())
	second, peer := socketPair(t)
	toldSecond, _ := watchOne(t, &w, second)
	require.NoError(t, peer.Close())
	awaitTold(t, toldSecond)
	assert.Empty(t, toldFirst)
}

func TestTheWatchNeedsOneGoroutineWhileItIsNeeded(t *testing.T) {
	const conns = 200
	goleak.VerifyNone(t) // the watch of the test before may be about to end
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var w Watch
	before := runtime.NumGoroutine()
	var ends []*net.TCPConn
	var registrations []*Registration
	told := make(chan struct{}, conns)
	for range conns {
		ours, peer := socketPair(t)
		r := w.Register(ours, func() { told <- struct{}{} })
		require.NotNil(t, r)
		ends, registrations = append(ends, peer), append(registrations, r)
	}
	assert.Equal(t, before+1, runtime.NumGoroutine())
	for _, peer := range ends {
		require.NoError(t, peer.Close())
	}
	for range conns {
		awaitTold(t, told)
	}
	for _, r := range registrations {
		r.Stop()
	}
	assert.Nil(t, w.queue, "it ends with the last one")
	awaitAnother(t, &w) // and begins again
}

// One goroutine would get as little of the processors as each of the many that
// go on with requests.
func TestWhenVeryManyHangUpAFewGoroutinesTell(t *testing.T) {
	var (
		w      Watch
		closed = make(chan struct{})    // all of them have hung up
		pair   = make(chan struct{})    // where two of those that tell meet
		met    = make(chan struct{})    // they have
		once   sync.Once                // two pairs may meet at once
		told   = make(chan bool, batch) // whether they have, for each
	)
	tell := func() {
		select {
		case pair <- struct{}{}:
			once.Do(func() { close(met) })
		case <-pair:
		case <-met:
		case <-time.After(patience):
			told <- false
			return
		}
		told <- true
	}
	first, firstPeer := socketPair(t)
	holding := make(chan struct{})
	holds := w.Register(first, func() { close(holding); <-closed })
	t.Cleanup(holds.Stop)
	var peers []net.Conn
	for range batch {
		ours, peer := socketPair(t)
		peers = append(peers, peer)
		r := w.Register(ours, tell)
		require.NotNil(t, r)
		t.Cleanup(r.Stop)
	}
	require.NoError(t, firstPeer.Close())
	<-holding
	for _, peer := range peers {
		require.NoError(t, peer.Close())
	}
	close(closed)
	for range peers {
		require.True(t, <-told, "they are told of one after the other")
	}
}

func TestAFunctionMayUseTheWatch(t *testing.T) {
	var w Watch
	ours, peer := socketPair(t)
	other, otherPeer := socketPair(t)
	told := make(chan struct{}, 1)
	registered := make(chan *Registration, 1)
	done := make(chan struct{})
	r := w.Register(ours, func() {
		(<-registered).Stop()
		next := w.Register(other, func() { told <- struct{}{} })
		t.Cleanup(next.Stop)
		close(done)
	})
	require.NotNil(t, r)
	registered <- r
	require.NoError(t, peer.Close())
	awaitTold(t, done)
	require.NoError(t, otherPeer.Close())
	awaitTold(t, told)
}

func TestWhatIsNoSocketIsNotWatched(t *testing.T) {
	var w Watch
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	r := w.Register(a, func() {})
	assert.Nil(t, r)
	r.Stop()
	closed, _ := socketPair(t)
	require.NoError(t, closed.Close())
	assert.Nil(t, w.Register(closed, func() {}))
	assert.Nil(t, w.queue)
}

func TestTheWatchIsSafeForConcurrentUse(t *testing.T) {
	var w Watch
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 30 {
				ours, peer, err := loopback()
				if !assert.NoError(t, err) {
					return
				}
				told := make(chan struct{}, 1)
				r := w.Register(ours, func() { told <- struct{}{} })
				assert.NoError(t, peer.Close())
				select {
				case <-told:
				case <-time.After(patience):
					t.Error("nobody was told")
				}
				r.Stop()
				assert.NoError(t, ours.Close())
			}
		})
	}
	all.Wait()
	assert.Nil(t, w.queue)
}

// What was seen before a registration ended may be told after that, when the
// descriptor, though not the token, leads to another connection.
func TestATokenIsNeverUsedAgain(t *testing.T) {
	var w Watch
	first, _ := socketPair(t)
	toldFirst, r := watchOne(t, &w, first)
	old := r.token
	r.Stop()
	require.NoError(t, first.Close())
	second, _ := socketPair(t)
	toldSecond, r := watchOne(t, &w, second)
	assert.NotEqual(t, old, r.token)
	w.tell(old)
	assert.Empty(t, toldFirst)
	assert.Empty(t, toldSecond)
	w.tell(r.token)
	assert.Len(t, toldSecond, 1)
}
