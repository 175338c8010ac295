package ttlpool_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/hangup"
)

// crossing is a server that answers the second request on its first connection twice:
// first with what it might have said unasked, just before it had the request, which is
// acknowledged meanwhile; then, when it is told, with the answer.
func crossing(t *testing.T, goOn <-chan struct{}) *rawServer {
	return startRaw(t, listenTCP(t), func(c *rawConn) {
		for use := 1; c.next() != nil; use++ {
			if c.index == 1 && use == 2 {
				c.say(okResponse("a foreign answer"))
				<-goOn
			}
			c.answer("mine")
		}
	})
}

// The answer and the acknowledgement may come between the reading of what was said
// unasked and the question whether the request was acknowledged.
func TestWhatWasSaidUnaskedIsNoAnswerThoughTheAnswerComesALittleLater(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			goOn := make(chan struct{})
			answer := sync.OnceFunc(func() { close(goOn) })
			defer answer() // or a test that fails before would hang
			server := crossing(t, goOn)
			var client *hangup.Probe
			tr := newTransport(t, ttlpool.WithBase(&http.Transport{
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, network, address)
					if client == nil {
						client = hangup.NewProbe(c)
					}
					return c, err
				},
			}))
			assert.Equal(t, "mine", get(t, tr, server.url()))
			time.Sleep(150 * time.Millisecond) // the connection must have rested

			firstByte := sync.OnceFunc(func() {
				answer()
				eventually(t, func() bool { return client.State() == hangup.Pending }, "the answer does not come")
			})
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotFirstResponseByte: firstByte})
			resp, err := tr.RoundTrip(newRequest(t, ctx, method, server.url(), nil))
			if method == http.MethodGet {
				require.NoError(t, err)
				assert.Equal(t, "mine", readBody(t, resp))
				assert.Equal(t, 2, server.accepted(), "sent again")
				return
			}
			var failed *ttlpool.ExchangeError
			require.ErrorAs(t, err, &failed)
			assert.False(t, failed.Retried)
			assert.ErrorContains(t, err, "the server had sent a response before it had the request")
		})
	}
}
