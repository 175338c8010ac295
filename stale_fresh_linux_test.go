package ttlpool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/testnet"
)

// hasty is a server that closes connections which it has just accepted, as a worker does that is told to stop. No
// request is sent before it has: on its way it crosses the close, or meets it.
type hasty struct {
	*rawServer
	tr      *ttlpool.Transport
	ledger  *ledger
	dialled chan struct{} // one for each dial: a close before its end might fail it
	ready   chan struct{} // one for each connection: what was to be closed is closed

	mu     sync.Mutex // guards bodies
	bodies []string   // as they came
}

// startHasty ends the connections first to last at once.
func startHasty(t *testing.T, l net.Listener, dial func(ctx context.Context, network, address string) (net.Conn, error),
	first, last int, end func(*rawConn), opts ...ttlpool.Option) *hasty {
	h := &hasty{ledger: newLedger(), dialled: make(chan struct{}, 16), ready: make(chan struct{}, 16)}
	h.rawServer = startRaw(t, l, func(c *rawConn) {
		<-h.dialled
		if first <= c.index && c.index <= last {
			end(c)
			h.ready <- struct{}{}
			return
		}
		h.ready <- struct{}{}
		for req := c.next(); req != nil; req = c.next() {
			h.ledger.receive(req)
			h.note(req)
			c.answer("hello")
		}
	})
	dialing := func(ctx context.Context, network, address string) (net.Conn, error) {
		defer func() { h.dialled <- struct{}{} }()
		return dial(ctx, network, address)
	}
	h.tr = newTransport(t, append(opts, ttlpool.WithBase(&http.Transport{DialContext: dialing}),
		ttlpool.WithTrace(&ttlpool.Trace{
			GotConn: func(ttlpool.ConnInfo) { <-h.ready },
			Stale:   func(_ context.Context, err *ttlpool.ExchangeError) { t.Errorf("stale: %v", err) },
		}))...)
	return h
}

func (h *hasty) note(req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(body))
}

func (h *hasty) received() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bodies
}

func (h *hasty) request(t *testing.T, method string, body io.Reader) *http.Request {
	req := newRequest(t, t.Context(), method, h.url(), body)
	req.Header.Set(idHeader, staleID)
	return req
}

// fails sends a request that must fail.
func (h *hasty) fails(t *testing.T, req *http.Request) *ttlpool.ExchangeError {
	t.Helper()
	_, err := h.tr.RoundTrip(req) //nolint:bodyclose // there is no response
	var failed *ttlpool.ExchangeError
	require.ErrorAs(t, err, &failed)
	assert.False(t, failed.Stale, "it had not served before")
	return failed
}

func closeAtOnce(c *rawConn) { _ = c.Close() }

// starter is startHasty on some network.
type starter func(first, last int, end func(*rawConn), opts ...ttlpool.Option) *hasty

// overNetworks runs a test with a round trip, in which the request crosses the close, and without, where it meets it.
func overNetworks(t *testing.T, test func(t *testing.T, start starter)) {
	t.Run("20 ms", func(t *testing.T) {
		n := testnet.Require(t, testnet.Config{RTT: 20 * time.Millisecond})
		test(t, func(first, last int, end func(*rawConn), opts ...ttlpool.Option) *hasty {
			l, err := n.Server().Listen("tcp", ":0")
			require.NoError(t, err)
			return startHasty(t, l, n.Client().DialContext, first, last, end, opts...)
		})
	})
	t.Run("loopback", func(t *testing.T) {
		test(t, func(first, last int, end func(*rawConn), opts ...ttlpool.Option) *hasty {
			return startHasty(t, listenTCP(t), new(net.Dialer).DialContext, first, last, end, opts...)
		})
	})
}

func TestUnseenOnAFreshConnection(t *testing.T) {
	overNetworks(t, func(t *testing.T, start starter) {
		for _, c := range []struct {
			method, body string
		}{{"GET", ""}, {"POST", ""}, {"POST", "a call"}, {"PUT", "a file"}} {
			t.Run(c.method+" "+c.body, func(t *testing.T) {
				var log bytes.Buffer
				h := start(1, 1, closeAtOnce, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				var body io.Reader
				if c.body != "" {
					body = bytes.NewReader([]byte(c.body)) // has GetBody
				}
				assert.Equal(t, "hello", send(t, h.tr, h.request(t, c.method, body)))
				assert.Equal(t, []string{c.body}, h.received())
				assert.Equal(t, 2, h.accepted())

				s := h.tr.Stats()
				assert.EqualValues(t, 2, s.Dials)
				assert.EqualValues(t, 2, s.Requests)
				assert.EqualValues(t, 1, s.Unseen)
				assert.EqualValues(t, 1, s.Retries)
				assert.EqualValues(t, 1, s.RetriesBy[ttlpool.RetryUnseen])
				assert.Zero(t, s.Stale+s.NotRetried)
				assertClosed(t, h.tr, ttlpool.ClosedFailed, 1)
				assertClosed(t, h.tr, ttlpool.ClosedStale, 0)
				assert.Zero(t, s.Hosts[h.address].Learned, "it was not idle")
				assert.NotContains(t, log.String(), "stale")
			})
		}
	})
}

// A server that closes what it has just accepted has not taken in much: so much of a stream is kept.
func TestUnseenStreamOnAFreshConnection(t *testing.T) {
	const kept = 16 << 10
	whole := strings.Repeat("a stream", kept/8)
	overNetworks(t, func(t *testing.T, start starter) {
		for _, row := range []struct {
			name   string
			body   string
			length int64 // as stated
			limit  int64
			again  bool
		}{
			{"short", "a stream", -1, 64 << 10, true},
			{"short, of known length", "a stream", 8, 64 << 10, true},
			{"all that is kept", whole, -1, 64 << 10, true},
			{"all that is kept, of known length", whole, kept, 64 << 10, true},
			{"longer", whole + "!", -1, 64 << 10, false},
			{"longer, of known length", whole + "!", kept + 1, 64 << 10, false},
			{"longer than the replay limit", "a stream", -1, 7, false},
			{"nothing may be kept", "a stream", -1, 0, false},
		} {
			t.Run(row.name, func(t *testing.T) {
				h := start(1, 1, closeAtOnce, ttlpool.WithReplayLimit(row.limit))
				req := h.request(t, "POST", stream(row.body))
				req.ContentLength = row.length
				if row.again {
					assert.Equal(t, "hello", send(t, h.tr, req))
					assert.Equal(t, []string{row.body}, h.received())
					assert.Equal(t, 2, h.accepted())
					assert.EqualValues(t, 1, h.tr.Stats().RetriesBy[ttlpool.RetryUnseen])
				} else {
					failed := h.fails(t, req)
					assert.Equal(t, "the body cannot be sent again", failed.NotRetried)
					assert.Zero(t, failed.Acknowledged)
					assert.Empty(t, h.received())
					assert.Equal(t, 1, h.accepted())
					assert.Zero(t, h.tr.Stats().Retries)
				}
				assert.EqualValues(t, 1, h.tr.Stats().Unseen, "its sender may send it again")
			})
		}
	})
}

func TestAResetProvesNothingOnAFreshConnection(t *testing.T) {
	overNetworks(t, func(t *testing.T, start starter) {
		for _, method := range []string{"GET", "POST"} {
			h := start(1, 1, (*rawConn).reset)
			failed := h.fails(t, h.request(t, method, nil))
			assert.Equal(t, "the connection was fresh", failed.NotRetried, "%v", failed)
			assert.True(t, errors.Is(failed, syscall.ECONNRESET) || errors.Is(failed, syscall.EPIPE), "%v", failed)
			assert.Equal(t, 1, h.accepted())
			assert.Zero(t, h.tr.Stats().Unseen)
			assert.Zero(t, h.tr.Stats().Retries)
		}
	})
}

// The server does not close for being told to: it has something to say to whoever comes.
func TestAServerThatSpeaksFirstIsNotAskedAgain(t *testing.T) {
	overNetworks(t, func(t *testing.T, start starter) {
		for _, method := range []string{"GET", "POST"} {
			h := start(1, 1, func(c *rawConn) {
				c.answer("go away")
				_ = c.Close()
			})
			failed := h.fails(t, h.request(t, method, nil))
			assert.Equal(t, "the connection was fresh", failed.NotRetried, "%v", failed)
			assert.Equal(t, 1, h.accepted())
			assert.Zero(t, h.tr.Stats().Unseen)
		}
	})
}

// A fresh connection that dies says nothing of those that have served.
func TestAFreshConnectionThatDiesLeavesTheOthersAlone(t *testing.T) {
	overNetworks(t, func(t *testing.T, start starter) {
		h := start(2, 2, closeAtOnce, ttlpool.WithTTL(time.Hour), ttlpool.WithStrictTTL(time.Nanosecond))
		assert.Equal(t, "hello", send(t, h.tr, h.request(t, "GET", nil)))
		assert.Equal(t, "hello", send(t, h.tr, h.request(t, "POST", nil)), "not on the idle one: it is too old for a POST")
		assert.Equal(t, 3, h.accepted())
		assert.Equal(t, 2, h.tr.Stats().Idle)
		assertClosed(t, h.tr, ttlpool.ClosedFailed, 1)
	})
}

func TestP4AServerThatClosesEveryNewConnectionGetsTwo(t *testing.T) {
	overNetworks(t, func(t *testing.T, start starter) {
		for _, method := range []string{"GET", "POST"} {
			h := start(1, 10, closeAtOnce)
			failed := h.fails(t, h.request(t, method, nil))
			assert.True(t, failed.Retried)
			assert.ErrorIs(t, failed, io.EOF)
			assert.ErrorContains(t, failed, "this was the second try")
			assert.Equal(t, 2, h.accepted())
			s := h.tr.Stats()
			assert.EqualValues(t, 2, s.Requests)
			assert.EqualValues(t, 1, s.Retries)
			assert.EqualValues(t, 2, s.Unseen)
			assertClosed(t, h.tr, ttlpool.ClosedFailed, 2)
			assert.Zero(t, s.Open)
		}
	})
}
