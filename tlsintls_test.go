package ttlpool_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// A server with TLS whose proxy is spoken to by TLS, too: one layer within the
// other.

// startTunnelled plays both, the proxy and the server to which it leads.
func startTunnelled(t *testing.T, l net.Listener, serve func(c *rawConn, below *tunnelEnd)) *rawServer {
	config, _ := identity(t)
	return startRaw(t, l, func(c *rawConn) {
		below := &tunnelEnd{wire: &corked{Conn: c.Conn}}
		c.Conn = below.wire
		c.secure(config)
		if c.next() == nil {
			return
		}
		c.say("HTTP/1.1 200 OK\r\n\r\n")
		below.tunnel = &corked{Conn: c.Conn}
		c.Conn = below.tunnel
		c.secure(config)
		serve(c, below)
	})
}

// tunnelEnd is what a tunnelled server speaks over.
type tunnelEnd struct{ wire, tunnel *corked }

// corked is a connection that can keep what is written, to send it in one piece.
type corked struct {
	net.Conn
	kept *bytes.Buffer // or nil
}

func (c *corked) Write(p []byte) (int, error) {
	if c.kept != nil {
		return c.kept.Write(p)
	}
	return c.Conn.Write(p)
}

// inOnePiece sends all that f writes in one piece.
func (c *corked) inOnePiece(f func()) {
	c.kept = new(bytes.Buffer)
	f()
	all := c.kept.Bytes()
	c.kept = nil
	_ = c.Conn.SetWriteDeadline(time.Time{}) // TLS lets nothing follow its goodbye
	_, _ = c.Conn.Write(all)
}

// throughTunnel is a base that goes through a proxy with TLS. A bubble's clock
// stands long before the dates of certificates.
func throughTunnel(proxy string) *http.Transport {
	return &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "https", Host: proxy}),
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
}

// onSocketAndInMemory runs a test over TCP, and over connections of unknown kind
// in a bubble.
func onSocketAndInMemory(t *testing.T, test func(t *testing.T, l net.Listener, base *http.Transport)) {
	t.Run("on a socket", func(t *testing.T) {
		l := listenTCP(t)
		test(t, l, throughTunnel(l.Addr().String()))
	})
	t.Run("in memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			network := newMemNet()
			base := throughTunnel("proxy.test:9")
			base.DialContext = network.Dial
			test(t, network.Listen("proxy.test:9"), base)
		})
	})
}

// The socket shows nothing of what either layer has taken in.
func TestP6BytesBehindAResponseAreNoAnswerThroughTwoLayersOfTLS(t *testing.T) {
	both := func(c *rawConn) {
		c.answer("mine")
		c.answer("a foreign answer")
	}
	for name, answer := range map[string]func(c *rawConn, below *tunnelEnd){
		"in one record": func(c *rawConn, _ *tunnelEnd) { c.say(okResponse("mine") + okResponse("a foreign answer")) },
		"in one record of the lower layer": func(c *rawConn, below *tunnelEnd) {
			below.tunnel.inOnePiece(func() { both(c) })
		},
		"in one segment": func(c *rawConn, below *tunnelEnd) {
			below.wire.inOnePiece(func() { both(c) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			onSocketAndInMemory(t, func(t *testing.T, l net.Listener, base *http.Transport) {
				startTunnelled(t, l, func(c *rawConn, below *tunnelEnd) {
					if c.index == 1 && c.next() != nil {
						answer(c, below)
					}
					c.answerAll()
				})
				tr := newTransport(t, ttlpool.WithBase(base))
				assert.Equal(t, "mine", get(t, tr, "https://server.test/"))
				assert.Equal(t, "2.1", get(t, tr, "https://server.test/"))
				assertClosed(t, tr, ttlpool.ClosedStrayBytes, 1)
			})
		})
	}
}

func TestAConnectionThroughTwoLayersOfTLSIsUsedAgain(t *testing.T) {
	onSocketAndInMemory(t, func(t *testing.T, l net.Listener, base *http.Transport) {
		startTunnelled(t, l, func(c *rawConn, _ *tunnelEnd) { c.answerAll() })
		tr := newTransport(t, ttlpool.WithBase(base))
		for n := range 3 {
			assert.Equal(t, fmt.Sprintf("1.%d", n+1), get(t, tr, "https://server.test/"))
		}
	})
}

// What cannot be sent again must not meet a connection that was closed while it
// was idle.
func TestACloseThroughTwoLayersOfTLSIsHeardWithoutASocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startTunnelled(t, network.Listen("proxy.test:9"), func(c *rawConn, _ *tunnelEnd) {
			if c.next() != nil {
				c.answer(fmt.Sprint(c.index))
			}
		})
		base := throughTunnel("proxy.test:9")
		base.DialContext = network.Dial
		tr := newTransport(t, ttlpool.WithBase(base))
		for n := range 3 {
			req := newRequest(t, t.Context(), "POST", "https://server.test/", strings.NewReader("body"))
			req.GetBody = nil
			assert.Equal(t, fmt.Sprint(n+1), send(t, tr, req))
			synctest.Wait()
			assert.Zero(t, tr.Stats().Idle)
		}
		assertClosed(t, tr, ttlpool.ClosedHungUp, 3)
	})
}
