package ttlpool_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// A server with TLS may say along with its answer that no other will follow. It
// closes nothing yet, so that the socket shows nothing: the next POST would be
// lost.
func TestAConnectionIsNotKeptAfterACloseNotifyThatCameWithTheAnswer(t *testing.T) {
	goodbye := func(c *rawConn) {
		c.answer(fmt.Sprint(c.index))
		_ = c.Conn.(*tls.Conn).CloseWrite()
	}
	for name, start := range map[string]func(t *testing.T, l net.Listener, base *http.Transport){
		"straight": func(t *testing.T, l net.Listener, base *http.Transport) {
			base.Proxy = nil
			config, _ := identity(t)
			startRaw(t, l, func(c *rawConn) {
				wire := &corked{Conn: c.Conn}
				c.Conn = wire
				c.secure(config)
				if c.next() != nil {
					wire.inOnePiece(func() { goodbye(c) })
				}
				c.awaitEnd()
			})
		},
		"by the server behind a proxy": func(t *testing.T, l net.Listener, _ *http.Transport) {
			startTunnelled(t, l, func(c *rawConn, below *tunnelEnd) {
				if c.next() != nil {
					below.wire.inOnePiece(func() { goodbye(c) })
				}
				c.awaitEnd()
			})
		},
		"by the proxy": func(t *testing.T, l net.Listener, _ *http.Transport) {
			startTunnelled(t, l, func(c *rawConn, below *tunnelEnd) {
				if c.next() != nil {
					below.wire.inOnePiece(func() {
						c.answer(fmt.Sprint(c.index))
						_ = below.tunnel.Conn.(*tls.Conn).CloseWrite()
					})
				}
				c.awaitEnd()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			onSocketAndInMemory(t, func(t *testing.T, l net.Listener, base *http.Transport) {
				start(t, l, base)
				tr := newTransport(t, ttlpool.WithBase(base))
				for n := range 3 {
					req := newRequest(t, t.Context(), "POST", "https://"+l.Addr().String()+"/", strings.NewReader("body"))
					req.GetBody = nil
					assert.Equal(t, fmt.Sprint(n+1), send(t, tr, req))
					assert.Zero(t, tr.Stats().Idle)
				}
				assertClosed(t, tr, ttlpool.ClosedHungUp, 3)
			})
		})
	}
}
