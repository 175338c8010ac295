package ttlpool_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestConnectionsAreReusedWithinTheirTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		server := startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithTTL(10*time.Second))
		const url = "http://hub.test/"
		assert.Equal(t, "1.1", get(t, tr, url))
		time.Sleep(9 * time.Second)
		assert.Equal(t, "1.2", get(t, tr, url), "within the TTL")
		time.Sleep(9 * time.Second)
		assert.Equal(t, "1.3", get(t, tr, url), "each use begins the idle time anew")
		time.Sleep(10 * time.Second)
		assert.Equal(t, "2.1", get(t, tr, url), "at the TTL")
		assert.Equal(t, 2, server.accepted())
		assertClosed(t, tr, ttlpool.ClosedTTL, 1)
	})
}

func TestP2IdleConnectionsAreClosedBeforeTheirTTL(t *testing.T) {
	for _, row := range []struct {
		name   string
		opt    ttlpool.Option
		limit  time.Duration
		reason ttlpool.CloseReason
	}{
		{"TTL", ttlpool.WithTTL(10 * time.Second), 10 * time.Second, ttlpool.ClosedTTL},
		{"server's timeout", ttlpool.WithServerTimeout(16 * time.Second), 15 * time.Second, ttlpool.ClosedTTL},
		{"maximum age", ttlpool.WithMaxAge(10 * time.Second), 10 * time.Second, ttlpool.ClosedMaxAge},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemNet()
				closedAfter := make(chan time.Duration, 1)
				startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
					c.next()
					c.answer("hello")
					begun := time.Now()
					c.awaitEnd()
					closedAfter <- time.Since(begun)
				})
				tr := newTransport(t, over(network), row.opt)
				get(t, tr, "http://hub.test/")
				idle := <-closedAfter
				synctest.Wait()
				assert.Less(t, idle, row.limit)
				assert.Greater(t, idle, row.limit*9/10, "but not much")
				assertClosed(t, tr, row.reason, 1)
				assert.Zero(t, tr.Stats().Open)
			})
		})
	}
}

func TestTheMaximumAgeEndsABusyConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		server := startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithMaxAge(time.Minute))
		for range 61 {
			get(t, tr, "http://hub.test/")
			time.Sleep(time.Second)
		}
		assert.Equal(t, 2, server.accepted())
		assertClosed(t, tr, ttlpool.ClosedMaxAge, 1)
	})
}

// The server's clock starts when it has sent its response, not when a slow
// reader has come to its end.
func TestIdleTimeCountsFromTheArrivalOfTheLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		server := startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithTTL(10*time.Second))
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		require.NoError(t, err)
		time.Sleep(11 * time.Second)
		assert.Equal(t, "1.1", readBody(t, resp))
		assert.Equal(t, "2.1", get(t, tr, "http://hub.test/"))
		assert.Equal(t, 2, server.accepted())
		assertClosed(t, tr, ttlpool.ClosedTTL, 1)
	})
}

func TestEachHostHasItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		for _, host := range []string{"quick.test:80", "slow.test:80"} {
			startRaw(t, network.Listen(host), (*rawConn).answerAll)
		}
		tr := newTransport(t, over(network), ttlpool.WithTTL(time.Minute),
			ttlpool.WithHost("quick.test", ttlpool.WithTTL(2*time.Second)))
		get(t, tr, "http://quick.test/")
		get(t, tr, "http://slow.test/")
		time.Sleep(3 * time.Second)
		assert.Equal(t, "2.1", get(t, tr, "http://quick.test/"))
		assert.Equal(t, "1.2", get(t, tr, "http://slow.test/"))
	})
}

const (
	p3TTL    = time.Minute
	p3MaxAge = 10 * time.Minute
	p3Length = time.Hour
)

func newP3Transport(t *testing.T, network *memNet) *ttlpool.Transport {
	return newTransport(t, over(network), ttlpool.WithTTL(p3TTL), ttlpool.WithMaxAge(p3MaxAge), ttlpool.WithMaxUses(1))
}

// requireEnded requires that the connection was closed with the exchange, once
// its time had run out.
func requireEnded(t *testing.T, tr *ttlpool.Transport, began time.Time, reason ttlpool.CloseReason) {
	t.Helper()
	assert.GreaterOrEqual(t, time.Since(began), p3Length)
	assert.Zero(t, tr.Stats().Open)
	assertClosed(t, tr, reason, 1)
}

func TestP3ALongResponseLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			c.next()
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
			for range 60 {
				time.Sleep(time.Minute)
				c.say(".")
			}
			c.awaitEnd()
		})
		tr, began := newP3Transport(t, network), time.Now()
		assert.Equal(t, strings.Repeat(".", 60), get(t, tr, "http://hub.test/"))
		requireEnded(t, tr, began, ttlpool.ClosedMaxUses)
	})
}

func TestP3ALongWaitForTheResponseLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			c.next()
			time.Sleep(p3Length)
			c.answer("at last")
			c.awaitEnd()
		})
		tr, began := newP3Transport(t, network), time.Now()
		assert.Equal(t, "at last", get(t, tr, "http://hub.test/"))
		requireEnded(t, tr, began, ttlpool.ClosedMaxUses)
	})
}

func TestP3ALongUploadLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			if req := c.next(); req != nil {
				body, _ := io.ReadAll(req.Body)
				c.answer(string(body))
			}
			c.awaitEnd()
		})
		tr, began := newP3Transport(t, network), time.Now()
		r, w := io.Pipe()
		go func() {
			for range 60 {
				time.Sleep(time.Minute)
				_, _ = io.WriteString(w, ".")
			}
			_ = w.Close()
		}()
		assert.Equal(t, strings.Repeat(".", 60), send(t, tr, newRequest(t, t.Context(), "POST", "http://hub.test/", r)))
		requireEnded(t, tr, began, ttlpool.ClosedMaxUses)
	})
}

func TestP3AnUpgradedConnectionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			c.next()
			c.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			for {
				line, err := c.in.ReadString('\n')
				if err != nil {
					return
				}
				c.say("echo " + line)
			}
		})
		tr, began := newP3Transport(t, network), time.Now()
		req := newRequest(t, t.Context(), "GET", "http://hub.test/", nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		both := resp.Body.(io.ReadWriteCloser)
		in := bufio.NewReader(both)
		for i := range 6 {
			time.Sleep(p3Length / 6)
			_, err := fmt.Fprintf(both, "%d\n", i)
			require.NoError(t, err)
			line, err := in.ReadString('\n')
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("echo %d\n", i), line)
		}
		tr.CloseIdleConnections() // it is not idle
		assert.Equal(t, 1, tr.Stats().InUse)
		require.NoError(t, both.Close())
		requireEnded(t, tr, began, ttlpool.ClosedNotKept)
	})
}

// The neighbours of a long response do go in their time.
func TestP3OnlyTheRequestInFlightIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			if c.next().URL.Path == "/long" {
				time.Sleep(p3Length)
			}
			c.answer("done")
			c.awaitEnd()
		})
		tr := newTransport(t, over(network), ttlpool.WithTTL(p3TTL))
		long := make(chan string)
		go func() { long <- get(t, tr, "http://hub.test/long") }()
		synctest.Wait()
		get(t, tr, "http://hub.test/short")
		time.Sleep(p3TTL)
		assert.Equal(t, 1, tr.Stats().Open)
		assertClosed(t, tr, ttlpool.ClosedTTL, 1)
		assert.Equal(t, "done", <-long)
	})
}

func TestTheTransportIsSafeForConcurrentUse(t *testing.T) {
	server := startRaw(t, listenTCP(t), func(c *rawConn) {
		for req := c.next(); req != nil; req = c.next() {
			body, _ := io.ReadAll(req.Body)
			c.answer(req.URL.Path + string(body))
		}
	})
	tr := newTransport(t, ttlpool.WithMaxConnsPerHost(8))
	const workers, each = 32, 30
	errs := make(chan error, workers)
	for w := range workers {
		go func() {
			for i := range each {
				path := fmt.Sprintf("%d-%d", w, i)
				if err := echo(tr, server.url()+path, "/"+path); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range workers {
		assert.NoError(t, <-errs)
	}
	stats := tr.Stats()
	// On a busy machine a writer may come to its end too late for its connection
	// to be kept; then another takes its place.
	assert.LessOrEqual(t, server.accepted()-int(stats.Closed[ttlpool.ClosedNotKept]), 8, "%+v", stats)
	assert.EqualValues(t, workers*each, stats.Requests)
	assert.Zero(t, stats.Stale)
	requireNothingLeft(t, tr)
}

// echo posts a text and requires it back, behind the path.
func echo(tr http.RoundTripper, url, path string) error {
	req, err := http.NewRequest("POST", url, stream("some text"))
	if err != nil {
		return err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && string(body) != path+"some text" {
		err = errors.New("a foreign answer: " + string(body))
	}
	return err
}

func TestTheStatsOfATransport(t *testing.T) {
	server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
	tr := newTransport(t, ttlpool.WithTTL(time.Minute))
	for range 3 {
		get(t, tr, server.url())
	}
	stats := tr.Stats()
	assert.EqualValues(t, 3, stats.Requests)
	assert.EqualValues(t, 2, stats.Reuses)
	assert.EqualValues(t, 1, stats.Dials)
	assert.Equal(t, 1, stats.Idle)
	assert.Equal(t, time.Minute, stats.Hosts[server.address].TTL)
	tr.CloseIdleConnections()
	assertClosed(t, tr, ttlpool.ClosedCloseIdle, 1)
	assert.Zero(t, tr.Addresses())
}

func TestAResponseLeadsBackToItsRequest(t *testing.T) {
	server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
	tr := newTransport(t)
	for _, cancel := range []chan struct{}{nil, make(chan struct{})} {
		req := newRequest(t, t.Context(), "GET", server.url(), nil)
		req.Cancel = cancel //lint:ignore SA1019 it must be honoured
		resp, err := tr.RoundTrip(req)
		require.NoError(t, err)
		assert.Same(t, req, resp.Request)
		readBody(t, resp)
	}
}

// An address that is not there any more must cost nothing.
func TestAFailedDialIsTheCallersError(t *testing.T) {
	l := listenTCP(t)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	tr := newTransport(t)
	_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://"+address, nil))
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	assert.Equal(t, "dial", op.Op)
	var exchange *ttlpool.ExchangeError
	assert.False(t, errors.As(err, &exchange))
	eventually(t, func() bool { return tr.Addresses() == 0 }, "the address is still known")
}
