package ttlpool_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

func TestConnsListsWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("a:80"), (*rawConn).answerAll)
		startRaw(t, network.Listen("b:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithTTL(10*time.Second), ttlpool.WithMaxAge(time.Minute))
		get(t, tr, "http://a:80/")
		time.Sleep(2 * time.Second)
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://b:80/", nil))
		require.NoError(t, err)
		time.Sleep(3 * time.Second)

		conns := tr.Conns()
		require.Len(t, conns, 2)
		a, b := conns[0], conns[1]
		assert.Equal(t, "a:80", a.Address)
		assert.Equal(t, "HTTP/1.1", a.Protocol)
		assert.False(t, a.TLS)
		assert.Equal(t, 5*time.Second, a.Age)
		assert.Equal(t, 5*time.Second, a.Idle)
		assert.Zero(t, a.Leases)
		assert.Equal(t, 10*time.Second, a.TTL)
		assert.Equal(t, 5*time.Second, a.ClosesIn)
		assert.Equal(t, ttlpool.ClosedTTL, a.ClosesFor)
		assert.Equal(t, "a:80", a.Remote)

		assert.Equal(t, "b:80", b.Address)
		assert.Equal(t, 1, b.Leases)
		assert.Equal(t, 3*time.Second, b.Age)
		assert.Zero(t, b.ClosesIn, "one in use is left alone")
		assert.Equal(t, ttlpool.NotClosed, b.ClosesFor)

		readBody(t, resp)
		time.Sleep(time.Minute)
		assert.Empty(t, tr.Conns())
	})
}

func TestConnsTellsTheProtocol(t *testing.T) {
	s, config := tlsServerOf(t, true, sayProto)
	tr := newTransport(t, ttlpool.WithBase(&http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}))
	get(t, tr, s.URL)
	conns := tr.Conns()
	require.Len(t, conns, 1)
	assert.Equal(t, "HTTP/2.0", conns[0].Protocol)
	assert.True(t, conns[0].TLS)

	p := newTestPool(t, nil)
	l := listenTCP(t)
	defer l.Close()
	c := mustGet(t, p, l.Addr().String())
	require.Len(t, p.Conns(), 1)
	assert.Empty(t, p.Conns()[0].Protocol, "the pool does not know it")
	assert.Equal(t, c.LocalAddr().String(), p.Conns()[0].Local)
}

func TestTheBytesOfAConnectionAreCountedInEitherProtocol(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s, config := tlsServerOf(t, http2, sayProto)
		tr := newTransport(t, ttlpool.WithBase(&http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}))
		get(t, tr, s.URL)
		before := tr.Conns()[0]
		get(t, tr, s.URL)
		after := tr.Conns()[0]
		assert.Positive(t, before.Read, before.Protocol)
		assert.Positive(t, before.Written, before.Protocol)
		assert.Greater(t, after.Read, before.Read, before.Protocol)
		assert.Greater(t, after.Written, before.Written, before.Protocol)
	}
}
