package ttlpool_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/hangup"
)

// strays are what servers send to idle connections.
var strays = map[string]string{
	"a second response": okResponse("a foreign answer"),
	"a 408":             "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"garbage":           "\x00\x01garbage",
	"one byte":          "H",
}

// strayServer sends something after its first answer: when it is told, or at
// once if later is nil.
func strayServer(t *testing.T, l net.Listener, config *tls.Config, body, stray string, later <-chan struct{}) *rawServer {
	return startRaw(t, l, func(c *rawConn) {
		if config != nil {
			c.secure(config)
		}
		if c.index > 1 {
			c.answerAll()
			return
		}
		if c.next() == nil {
			return
		}
		if later == nil {
			c.say(okResponse(body) + stray) // in one write, and in one record
		} else {
			c.answer(body)
			<-later
			c.say(stray)
		}
		c.answerAll()
	})
}

// strayBodies are read from the connection in different ways.
var strayBodies = map[string]string{
	"empty": "", "short": "hello", "longer than the buffer": strings.Repeat("x", 9000),
}

func TestP6BytesBehindAResponseAreNoAnswer(t *testing.T) {
	config, trust := identity(t)
	for strayName, stray := range strays {
		for bodyName, body := range strayBodies {
			for _, secure := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s behind a %s body, TLS %v", strayName, bodyName, secure), func(t *testing.T) {
					scheme, serverConfig := "http://", (*tls.Config)(nil)
					if secure {
						scheme, serverConfig = "https://", config
					}
					server := strayServer(t, listenTCP(t), serverConfig, body, stray, nil)
					tr := newTransport(t, ttlpool.WithBase(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}))
					url := scheme + server.address + "/"
					assert.Equal(t, body, get(t, tr, url))
					assert.Equal(t, "2.1", get(t, tr, url))
					assertClosed(t, tr, ttlpool.ClosedStrayBytes, 1)
				})
			}
		}
	}
}

func TestP6BytesOnAnIdleConnectionAreNoAnswer(t *testing.T) {
	config, trust := identity(t)
	for strayName, stray := range strays {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", strayName, secure), func(t *testing.T) {
				later := make(chan struct{})
				dialled := make(chan net.Conn, 2)
				scheme, serverConfig := "http://", (*tls.Config)(nil)
				if secure {
					scheme, serverConfig = "https://", config
				}
				server := strayServer(t, listenTCP(t), serverConfig, "hello", stray, later)
				tr := newTransport(t, ttlpool.WithBase(&http.Transport{
					TLSClientConfig: &tls.Config{RootCAs: trust},
					DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := new(net.Dialer).DialContext(ctx, network, address)
						dialled <- c
						return c, err
					},
				}))
				url := scheme + server.address + "/"
				assert.Equal(t, "hello", get(t, tr, url))
				probe := hangup.NewProbe(<-dialled)
				if probe == nil {
					t.Skip("this system offers no look at a socket: see the package's documentation")
				}
				close(later)
				eventually(t, func() bool { return probe.State() != hangup.Quiet }, "nothing arrives")
				assert.Equal(t, "2.1", get(t, tr, url))
				assertClosed(t, tr, ttlpool.ClosedStrayBytes, 1)
			})
		}
	}
}

// A connection without a descriptor cannot be looked at, and must be heard.
func TestP6BytesOnAnIdleConnectionOfUnknownKind(t *testing.T) {
	config, trust := identity(t)
	for strayName, stray := range strays {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", strayName, secure), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network, later := newMemNet(), make(chan struct{})
					scheme, serverConfig := "http://", (*tls.Config)(nil)
					if secure {
						scheme, serverConfig = "https://", config
					}
					strayServer(t, network.Listen("example.com:9"), serverConfig, "hello", stray, later)
					// Certificates have dates, and a bubble's clock stands long before them.
					tr := newTransport(t, ttlpool.WithBase(&http.Transport{DialContext: network.Dial, TLSClientConfig: &tls.Config{
						RootCAs: trust, InsecureSkipVerify: true,
					}}))
					url := scheme + "example.com:9/"
					assert.Equal(t, "hello", get(t, tr, url))
					close(later)
					synctest.Wait()
					assert.Equal(t, "2.1", get(t, tr, url))
					assertClosed(t, tr, ttlpool.ClosedStrayBytes, 1)
				})
			})
		}
	}
}

func TestP6AResponseLongerThanItsLength(t *testing.T) {
	for name, head := range map[string]string{
		"with a length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"without body":  "HTTP/1.1 204 No Content\r\n\r\n",
		"chunked":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := startRaw(t, listenTCP(t), func(c *rawConn) {
				if c.index == 1 && c.next() != nil {
					c.say(head + " and more than that")
				}
				c.answerAll()
			})
			tr := newTransport(t)
			assert.NotContains(t, get(t, tr, server.url()), "more")
			assert.Equal(t, "2.1", get(t, tr, server.url()))
		})
	}
}

// It comes after the connection was looked at, and before a goroutine writes the request.
func TestP6WhatComesJustBeforeTheRequestIsNoAnswer(t *testing.T) {
	for name, stray := range strays {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, hook, ledger := newMemNet(), new(onCheckout), newLedger()
				server := startRaw(t, network.Listen("hub.test:80"), counting(ledger))
				tr := newTransport(t, over(network), hook.trace())
				assert.Equal(t, "1", get(t, tr, "http://hub.test/"))
				hook.set(func() {
					server.all()[0].say(stray)
					synctest.Wait()
				})
				req := newRequest(t, t.Context(), "POST", "http://hub.test/", stream("body"))
				req.Header.Set(idHeader, staleID)
				assert.Equal(t, "2", send(t, tr, req))
				received, _ := ledger.counts(staleID)
				assert.Equal(t, 1, received)
				assert.EqualValues(t, 1, tr.Stats().RetriesBy[ttlpool.RetryUnsent])
			})
		})
	}
}
