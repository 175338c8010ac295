package ttlpool_test

import (
	"crypto/tls"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/testnet"
)

// Of TLS the end is read before the FIN has come, which is sent a little later and proves
// that the request, still on its way, was never seen.
func TestARequestThatCrossesTheEndOfTLSWaitsForTheFIN(t *testing.T) {
	const roundTrip = 100 * time.Millisecond // a process that stalls must not be too late
	n := testnet.Require(t, testnet.Config{RTT: roundTrip})
	l, err := n.Server().Listen("tcp", ":0")
	require.NoError(t, err)
	config, trust := identity(t)
	goodbye, said := make(chan struct{}), make(chan struct{})
	sayGoodbye := sync.OnceFunc(func() { close(goodbye) })
	defer sayGoodbye() // or a test that fails before would hang
	server := startRaw(t, l, func(c *rawConn) {
		c.secure(config)
		if c.index > 1 {
			c.answerAll()
			return
		}
		if c.next() == nil {
			return
		}
		c.answer("1.1")
		<-goodbye
		end := c.Conn.(*tls.Conn)
		assert.NoError(t, end.CloseWrite())
		close(said)
		time.Sleep(roundTrip / 5)
		assert.NoError(t, end.NetConn().Close())
	})
	hook := new(onCheckout)
	tr := newTransport(t, hook.trace(), ttlpool.WithBase(&http.Transport{
		DialContext:     n.Client().DialContext,
		TLSClientConfig: &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"},
	}))
	url := "https://" + server.address + "/"
	require.Equal(t, "1.1", get(t, tr, url))
	hook.set(func() {
		sayGoodbye()
		<-said
	})
	assert.Equal(t, "2.1", send(t, tr, newRequest(t, t.Context(), "POST", url, stream("body"))))
	assert.EqualValues(t, 1, tr.Stats().RetriesBy[ttlpool.RetryUnseen])
}
