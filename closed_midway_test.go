package ttlpool_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// What this side has closed was not stale, whatever it looks like.
func TestARequestThatCloseInterruptsIsNotStale(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemNet()
				startRaw(t, network.Listen("hub:80"), func(c *rawConn) {
					c.next()
					c.answer("one")
					c.next()
					c.awaitEnd()
				})
				var stale atomic.Int32
				tr := newTransport(t, over(network), ttlpool.WithTrace(&ttlpool.Trace{
					Stale: func(context.Context, *ttlpool.ExchangeError) { stale.Add(1) },
				}))
				get(t, tr, "http://hub/")
				time.AfterFunc(time.Second, func() { _ = tr.Close() })
				_, err := tr.RoundTrip(newRequest(t, t.Context(), method, "http://hub/", nil))
				assert.ErrorIs(t, err, ttlpool.ErrClosed)
				assert.Zero(t, stale.Load())
				assert.Zero(t, tr.Stats().Stale)
				assert.Zero(t, tr.Stats().NotRetried)
			})
		})
	}
}

// A request that has got a connection before Shutdown is served, even if that one
// has died, and another has to be dialled.
func TestShutdownServesARequestWhoseConnectionHasDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		server := startRaw(t, network.Listen("hub:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithMaxConnsPerHost(1))
		get(t, tr, "http://hub/")
		shut := make(chan error, 1)
		died := false
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
			if died {
				return
			}
			died = true
			require.NoError(t, server.all()[0].Close())
			go func() { shut <- tr.Shutdown(t.Context()) }()
			time.Sleep(time.Second)
			synctest.Wait()
		}}
		req := newRequest(t, httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, "http://hub/", nil)
		assert.NotEmpty(t, send(t, tr, req))
		assert.NoError(t, <-shut)
		assert.Equal(t, 2, server.accepted())
	})
}
