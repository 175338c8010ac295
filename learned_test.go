package ttlpool_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// closesWhenIdle serves an address, and closes what has been idle for that long. It
// takes a second to answer for /slow.
func closesWhenIdle(t *testing.T, network *memNet, address string, timeout time.Duration) {
	startRaw(t, network.Listen(address), func(c *rawConn) {
		for req := c.next(); req != nil; req = c.next() {
			if req.URL.Path == "/slow" {
				time.Sleep(time.Second)
			}
			c.answer("ok")
			idle := time.AfterFunc(timeout, func() { _ = c.Close() })
			_, _ = c.in.Peek(1)
			idle.Stop()
		}
	})
}

func TestP2_ATimeoutThatIsLearnedHoldsForWhatIsIdleAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		closesWhenIdle(t, network, "hub:80", 2*time.Second)
		tr := newTransport(t, over(network))
		for range 2 {
			get(t, tr, "http://hub/")
			time.Sleep(3 * time.Second)
		}
		go get(t, tr, "http://hub/")
		get(t, tr, "http://hub/slow") // on another connection, idle a second later
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 1500*time.Millisecond, tr.Stats().Hosts["hub:80"].TTL, "the first has been closed, and was the third")
		assert.Equal(t, 1, tr.Stats().Idle)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		assert.Zero(t, tr.Stats().Open)
		assertClosed(t, tr, ttlpool.ClosedTTL, 1)
		assertClosed(t, tr, ttlpool.ClosedHungUp, 3)
	})
}

// A server waits for the first request as long as for the end of any other's head, and
// not for its keep-alive timeout.
func TestWhatIsClosedBeforeItsFirstRequestTeachesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub:80"), func(*rawConn) { time.Sleep(2 * time.Second) })
		tr := newTransport(t, ttlpool.WithBase(&http.Transport{
			DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
				time.Sleep(time.Millisecond)
				return network.Dial(ctx, kind, address)
			},
		}))
		for range 5 { // a request that does not wait for its connection leaves one behind
			ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
			_, err := tr.RoundTrip(newRequest(t, ctx, "GET", "http://hub/", nil))
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			time.Sleep(time.Minute)
		}
		assertClosed(t, tr, ttlpool.ClosedHungUp, 5)
		assert.Zero(t, tr.Stats().Hosts["hub:80"].LearnedTimeout)
	})
}
