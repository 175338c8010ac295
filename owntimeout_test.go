package ttlpool_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// readLimited is a connection as Caddy's read_timeout makes it: each Read has a
// deadline.
type readLimited struct{ net.Conn }

const readLimit = 10 * time.Second

func (c readLimited) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(readLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// overLimited is over, with such connections.
func overLimited(network *memNet) ttlpool.Option {
	return ttlpool.WithBase(&http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // certificates have dates, and a bubble's clock stands long before them
		DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
			c, err := network.Dial(ctx, kind, address)
			return readLimited{c}, err
		},
	})
}

// The Read in progress was begun when the connection became idle; its deadline
// passes while the answer is awaited.
func TestAConnectionsOwnTimeoutIsThatOfTheReadAndNotOfTheIdleTime(t *testing.T) {
	config, _ := identity(t)
	for scheme, secure := range map[string]bool{"http": false, "https": true} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemNet()
				l := net.Listener(network.Listen("hub:80"))
				if secure {
					l = tls.NewListener(l, config)
				}
				startRaw(t, l, func(c *rawConn) {
					for n := 1; c.next() != nil; n++ {
						time.Sleep(readLimit - time.Second)
						c.answer(fmt.Sprintf("%d.%d", c.index, n))
					}
				})
				tr := newTransport(t, overLimited(network))
				for n := range 3 {
					req := newRequest(t, t.Context(), "POST", scheme+"://hub:80/", stream("x"))
					assert.Equal(t, fmt.Sprintf("1.%d", n+1), send(t, tr, req))
					time.Sleep(readLimit - time.Second)
				}
			})
		})
	}
}

func TestNothingIsLearnedFromAConnectionsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub:80"), (*rawConn).answerAll)
		tr := newTransport(t, overLimited(network), ttlpool.WithTTL(time.Minute), ttlpool.WithTrace(&ttlpool.Trace{
			TTLTooLong: func(_ string, _ time.Duration, e ttlpool.Evidence) { t.Errorf("taken for the server's: %+v", e) },
		}))
		const rounds = 4
		for n := range rounds {
			assert.Equal(t, fmt.Sprintf("%d.1", n+1), get(t, tr, "http://hub:80/"))
			time.Sleep(2 * readLimit)
			assertClosed(t, tr, ttlpool.ClosedOwnTimeout, n+1)
			assert.Zero(t, tr.Stats().Open, "it is closed at once")
		}
		hub := tr.Stats().Hosts["hub:80"]
		assert.Zero(t, hub.LearnedTimeout)
		assert.Equal(t, time.Minute, hub.TTL)
	})
}
