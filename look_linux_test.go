package ttlpool_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/hangup"
)

// A streamed body has a goroutine to write it, which begins a while after the connection was looked at. What comes in
// between is seen by another look, just before the first byte: nothing was sent then, and any request may go again.
func TestAStreamedRequestIsNotSentOnAConnectionThatDiedSinceTheLook(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	act, ledger := make(chan struct{}), newLedger()
	s := startRaw(t, l, func(c *rawConn) {
		for req := c.next(); req != nil; req = c.next() {
			ledger.receive(req)
			body, _ := io.ReadAll(req.Body)
			c.answer(string(body))
			if c.index == 1 {
				<-act
				return // and close
			}
		}
	})
	var dialled atomic.Pointer[net.TCPConn]
	tr := newTransport(t, ttlpool.WithBase(&http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				dialled.Store(conn.(*net.TCPConn))
			}
			return conn, err
		},
	}))
	assert.Equal(t, "one", send(t, tr, newRequest(t, t.Context(), "POST", s.url(), stream("one"))))

	var once sync.Once
	whileWriting := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaderField: func(string, []string) {
		once.Do(func() {
			close(act)
			probe := hangup.NewProbe(dialled.Load())
			for deadline := time.Now().Add(patience); probe.State() != hangup.HungUp && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		})
	}})
	req := newRequest(t, whileWriting, "POST", s.url(), stream("two"))
	req.Header.Set(idHeader, staleID)
	assert.Equal(t, "two", send(t, tr, req))
	stats := tr.Stats()
	assert.EqualValues(t, 2, stats.Dials)
	assert.EqualValues(t, 1, stats.RetriesBy[ttlpool.RetryUnsent], stats.RetriesBy)
}
