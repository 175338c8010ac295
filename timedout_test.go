package ttlpool_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A server's idle timer goes off when a request has just arrived: it says 408,
// and that it closes. Of a program that says so after it has worked on the
// request, the request must not be sent again unless it may.
func TestA408OfTheIdleTimerIsNoAnswer(t *testing.T) {
	const (
		closing = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
		keeping = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
		hinted  = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + closing
		soon    = 10 * time.Millisecond
		late    = 300 * time.Millisecond
	)
	for _, row := range []struct {
		name   string
		method string
		body   int           // bytes, as a stream
		rest   time.Duration // of the connection; 0: it is fresh
		takes  time.Duration // from the request to the 408
		says   string
		again  bool
	}{
		{name: "GET, at once", method: "GET", rest: time.Second, says: closing, again: true},
		{name: "GET, late", method: "GET", rest: time.Second, takes: late, says: closing, again: true},
		{name: "POST, at once", method: "POST", body: 10, rest: time.Second, says: closing, again: true},
		{name: "POST, soon", method: "POST", body: 10, rest: time.Second, takes: soon, says: closing, again: true},
		{name: "POST, late: a program's answer", method: "POST", body: 10, rest: time.Second, takes: late, says: closing},
		{name: "POST of which too much was sent", method: "POST", body: 1 << 10, rest: time.Second, says: closing},
		{name: "GET on a fresh connection", method: "GET", says: closing},
		{name: "POST on a fresh connection", method: "POST", body: 10, says: closing},
		{name: "GET on one that was busy just now", method: "GET", rest: soon, says: closing},
		{name: "POST on one that was busy just now", method: "POST", body: 10, rest: soon, says: closing},
		{name: "GET, and the connection is kept", method: "GET", rest: time.Second, says: keeping},
		{name: "POST, and the connection is kept", method: "POST", body: 10, rest: time.Second, says: keeping},
		{name: "GET that was answered by hints before", method: "GET", rest: time.Second, says: hinted},
		{name: "POST that was answered by hints before", method: "POST", body: 10, rest: time.Second, says: hinted},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, times := newMemNet(), 0
				startRaw(t, network.Listen("hub:80"), func(c *rawConn) {
					for req := c.next(); req != nil; req = c.next() {
						if req.URL.Path != "/aimed" {
							c.answer("warm")
							continue
						}
						if times++; times > 1 {
							c.answer("answer")
							continue
						}
						time.Sleep(row.takes)
						c.say(row.says)
						if row.says != keeping {
							return
						}
					}
				})
				tr := newTransport(t, over(network), ttlpool.WithReplayLimit(100), ttlpool.WithStrictTTL(0))
				if row.rest > 0 {
					get(t, tr, "http://hub:80/")
					time.Sleep(row.rest)
				}
				req := newRequest(t, t.Context(), row.method, "http://hub:80/aimed", nil)
				if row.body > 0 {
					req = newRequest(t, t.Context(), row.method, "http://hub:80/aimed", stream(strings.Repeat("x", row.body)))
				}
				resp, err := tr.RoundTrip(req)
				require.NoError(t, err)
				body := readBody(t, resp)
				if row.again {
					assert.Equal(t, "answer", body)
					assert.Equal(t, 2, times)
					assert.EqualValues(t, 1, tr.Stats().Stale)
				} else {
					assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
					assert.Equal(t, 1, times)
					assert.Zero(t, tr.Stats().Retries)
				}
			})
		})
	}
}

// trickle is a body of so many bytes, one at a time with a pause before each.
type trickle struct {
	left  int
	pause time.Duration
}

func (b *trickle) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(b.pause)
	b.left--
	p[0] = 'x'
	return 1, nil
}

// A body may take longer than its server waits. Then the last byte was sent a
// moment ago, and yet the 408 is not that of the idle timer: the server has
// begun to act on what it had.
func TestP5_A408AfterABodyThatTrickledIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, times := newMemNet(), 0
		startRaw(t, network.Listen("hub:80"), func(c *rawConn) {
			for req := c.next(); req != nil; req = c.next() {
				if req.URL.Path != "/trickled" {
					c.answer("warm")
					continue
				}
				times++
				c.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				return
			}
		})
		tr := newTransport(t, over(network), ttlpool.WithStrictTTL(0))
		get(t, tr, "http://hub:80/")
		time.Sleep(time.Second)
		body := io.NopCloser(&trickle{left: 20, pause: 50 * time.Millisecond})
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), http.MethodPost, "http://hub:80/trickled", body))
		require.NoError(t, err)
		readBody(t, resp)
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		assert.Equal(t, 1, times)
		assert.Zero(t, tr.Stats().Retries)
	})
}
