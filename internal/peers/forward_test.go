package peers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// forwardPeer is a forward proxy.
type forwardPeer struct {
	name     string
	password bool // it asks for one
	kind     func(idle time.Duration) realtest.Kind
}

func (p forwardPeer) String() string { return p.name }

const user, password = "koji", "secret"

var forwardPeers = []forwardPeer{
	{"Squid", false, func(idle time.Duration) realtest.Kind { return realtest.Squid{KeepAliveTimeout: idle} }},
	{"Squid with password", true, func(idle time.Duration) realtest.Kind {
		return realtest.Squid{KeepAliveTimeout: idle, User: user, Password: password}
	}},
	{"Apache httpd", false, func(idle time.Duration) realtest.Kind {
		return realtest.Apache{KeepAliveTimeout: idle, Forward: true, Processes: 1}
	}},
}

// way is a transport that goes through a forward proxy to two servers.
type way struct {
	*rig
	proxy  *url.URL
	plain  *realtest.Server
	secure *realtest.Server // it speaks HTTP/2 too
}

func newWay(t *testing.T, p forwardPeer, c contestant, idle time.Duration) *way {
	certificate, err := realtest.NewCertificate()
	require.NoError(t, err)
	b := &backend{}
	w := &way{rig: &rig{t: t, backend: b}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w.ctx = ctx
	w.plain = realtest.Start(t, realtest.Go{Handler: b})
	w.secure = realtest.Start(t, realtest.Go{Handler: b, Certificate: certificate, HTTP2: true})
	w.peer = realtest.Start(t, p.kind(idle))
	require.NotNil(t, w.peer)
	w.counts = w.plain
	w.dials = &dials{to: w.peer.Address}
	w.proxy = &url.URL{Scheme: "http", Host: w.peer.Address}
	if p.password {
		w.proxy.User = url.UserPassword(user, password)
	}
	w.transport = c.make(t, &http.Transport{
		Proxy:             func(*http.Request) (*url.URL, error) { return w.proxy, nil },
		DialContext:       w.dials.dial,
		TLSClientConfig:   certificate.ClientConfig(),
		ForceAttemptHTTP2: true,
	})
	return w
}

func (w *way) to(s *realtest.Server, method, path, id string, body io.Reader) *http.Request {
	req := w.request(method, path, id, body)
	to, err := url.Parse(s.URL())
	require.NoError(w.t, err)
	req.URL.Scheme, req.URL.Host, req.Host = to.Scheme, to.Host, ""
	return req
}

func TestRequestsThroughAForwardProxy(t *testing.T) {
	forEach(t, forwardPeers, func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, 0)
		for i := range 5 {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
				var body io.Reader
				if method[0] == 'P' {
					body = strings.NewReader("text")
				}
				id := fmt.Sprint(method, i)
				got := w.do(w.to(w.plain, method, "/", id, body))
				assert.Equal(t, http.StatusOK, got.StatusCode)
				assert.Equal(t, id, got.body)
				assert.Equal(t, 1, w.processed()[id])
			}
		}
		if c.ours { // http.Transport dials another, now and then
			assert.EqualValues(t, 1, w.dials.count.Load(), "one connection to the proxy serves them all")
		}
	})
}

func TestTunnelsThroughAForwardProxy(t *testing.T) {
	forEach(t, forwardPeers, func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, 0)
		for i := range 5 {
			got := w.do(w.to(w.secure, "POST", "/", fmt.Sprint(i), strings.NewReader("text")))
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, fmt.Sprint(i), got.body)
			assert.Equal(t, 2, got.ProtoMajor, "the tunnel is HTTP/2's like any connection")
		}
		if c.ours {
			assert.EqualValues(t, 1, w.dials.count.Load(), "one tunnel serves them all")
		}
		got := w.do(w.to(w.secure, "POST", "/digest", "up", pattern(largeBody)))
		assert.Equal(t, digest(largeBody), got.body)
		got = w.do(w.to(w.secure, "GET", "/download", "down", nil))
		assert.Equal(t, largeBody, len(got.body))
	})
}

func TestLargeBodiesThroughAForwardProxy(t *testing.T) {
	sum := sha256.New()
	_, _ = io.Copy(sum, pattern(largeBody))
	forEach(t, forwardPeers, func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, 0)
		assert.Equal(t, digest(largeBody), w.do(w.to(w.plain, "POST", "/digest", "up", pattern(largeBody))).body)
		got := w.do(w.to(w.plain, "GET", "/download", "down", nil))
		assert.Equal(t, fmt.Sprintf("%x", sum.Sum(nil)), fmt.Sprintf("%x", sha256.Sum256([]byte(got.body))))
	})
}

// TestAWrongPassword is a response of the proxy's to what it forwards, and an error where it was to make a tunnel. It
// must not ride on the connection of a user who was let in.
func TestAWrongPassword(t *testing.T) {
	forEach(t, forwardPeers[1:2], func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, 0)
		right := w.proxy
		for _, wrong := range []*url.Userinfo{nil, url.UserPassword(user, "guessed")} {
			w.proxy = right
			assert.Equal(t, http.StatusOK, w.do(w.to(w.plain, "GET", "/", "right", nil)).StatusCode)
			assert.Equal(t, http.StatusOK, w.do(w.to(w.secure, "GET", "/", "right", nil)).StatusCode)

			w.proxy = &url.URL{Scheme: "http", Host: w.peer.Address, User: wrong}
			got := w.do(w.to(w.plain, "POST", "/", "wrong", strings.NewReader("text")))
			assert.Equal(t, http.StatusProxyAuthRequired, got.StatusCode)
			assert.NotEmpty(t, got.Header.Get("Proxy-Authenticate"))
			if c.ours { // http.Transport shares an HTTP/2 connection through whatever proxy: docs/net-http.md
				_, err := w.send(w.to(w.secure, "POST", "/", "wrong", strings.NewReader("text")))
				assert.EqualError(t, err, "Proxy Authentication Required")
			}
		}
		assert.Zero(t, w.processed()["wrong"])
	})
}

// TestATunnelIsRefused is the same with nobody let in before.
func TestATunnelIsRefused(t *testing.T) {
	forEach(t, forwardPeers[1:2], func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, 0)
		w.proxy.User = url.UserPassword(user, "guessed")
		_, err := w.send(w.to(w.secure, "POST", "/", "wrong", strings.NewReader("text")))
		assert.EqualError(t, err, "Proxy Authentication Required")
	})
}

// TestIdleTimeoutsOfAForwardProxy sends requests when the proxy closes idle connections.
func TestIdleTimeoutsOfAForwardProxy(t *testing.T) {
	const timeout = 2 * time.Second // Squid knows whole seconds
	forEach(t, []forwardPeer{forwardPeers[0], forwardPeers[2]}, func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, timeout)
		const workers = 40
		l := newLoad(func(kind int, id string, worker int) error {
			got, err := w.send(w.to(w.plain, kinds[kind].method, "/slow", id, kinds[kind].body()))
			if err != nil {
				return err
			}
			return answered(got.Response, got.body, id)
		})
		// All at once, so that each has a connection.
		l.run(workers, func(n int) bool { return n < 4 }, func() time.Duration {
			return timeout - 10*time.Millisecond + rand.N(20*time.Millisecond)
		})
		l.count(w.processed())
		l.report(t, fmt.Sprintf("%d connections", w.dials.count.Load()))
		assert.Greater(t, w.dials.count.Load(), int32(workers), "the proxy has closed none")
		assert.Zero(t, l.sum(false).twice)
		if c.ours {
			assert.Zero(t, l.sum(true).failed)
		}
	})
}

// TestAForwardProxyThatRestarts makes all connections stale at once, forwarding ones and tunnels.
func TestAForwardProxyThatRestarts(t *testing.T) {
	forEach(t, forwardPeers, func(t *testing.T, p forwardPeer, c contestant) {
		w := newWay(t, p, c, 0)
		for i := range 3 {
			assert.Equal(t, http.StatusOK, w.do(w.to(w.plain, "GET", "/", "", nil)).StatusCode)
			assert.Equal(t, http.StatusOK, w.do(w.to(w.secure, "GET", "/", "", nil)).StatusCode)
			require.NoError(t, w.peer.Kill())
			_, err := w.send(w.to(w.plain, "GET", "/", "", nil))
			assert.ErrorContains(t, err, "proxyconnect tcp: dial tcp", "while it is gone")
			require.NoError(t, w.peer.Restart())
			id := fmt.Sprint(i)
			assert.Equal(t, id, w.do(w.to(w.plain, "POST", "/", id, strings.NewReader("text"))).body)
			assert.Equal(t, id, w.do(w.to(w.secure, "GET", "/", id, nil)).body)
			assert.Equal(t, 1, w.processed()[id])
		}
	})
}
