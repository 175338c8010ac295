package ttlpool_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
	"golang.org/x/sys/unix"
)

// Over HTTP/2 a server that hangs up need not say GOAWAY. The kernel proves as it does over HTTP/1.1 that it has not
// seen a request: here it hangs up while the request's head is being put together.
func TestUnseenOverHTTP2(t *testing.T) {
	for _, secure := range []bool{true, false} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(fmt.Sprintf("TLS %v, %s", secure, method), func(t *testing.T) {
				h := startHangUp(t, secure)
				tr := newTransport(t, ttlpool.WithBase(h.base()))
				assert.Equal(t, "", send(t, tr, newRequest(t, t.Context(), "POST", h.URL, nil)))
				assert.Equal(t, "a stream", send(t, tr, newRequest(t, h.whileWriting(t), method, h.URL, stream("a stream"))))
				assert.Equal(t, []string{"", "a stream"}, h.bodies())
				assert.EqualValues(t, 2, tr.Stats().Dials)
				assert.EqualValues(t, 1, tr.Stats().Retries)

				theirs := h.base()
				defer theirs.CloseIdleConnections()
				send(t, theirs, newRequest(t, t.Context(), "POST", h.URL, nil))
				_, err := theirs.RoundTrip(newRequest(t, h.whileWriting(t), method, h.URL, stream("a stream")))
				assert.Error(t, err, "or it shows nothing")
			})
		}
	}
}

// Of a GOAWAY on an idle connection nobody is told, but of the close that follows.
func TestAnIdleConnectionGoesWithItsServersGOAWAY(t *testing.T) {
	for _, secure := range []bool{true, false} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			t.Parallel()
			h := startHangUp(t, secure)
			tr := newTransport(t, ttlpool.WithBase(h.base()))
			send(t, tr, newRequest(t, t.Context(), "GET", h.URL, nil))
			assert.Equal(t, 1, tr.Stats().Idle)
			down := make(chan error, 1)
			go func() { down <- h.Config.Shutdown(t.Context()) }()
			eventually(t, func() bool { return tr.Stats().Open == 0 }, "it is kept")
			assertClosed(t, tr, ttlpool.ClosedHungUp, 1)
			assert.NoError(t, <-down)
		})
	}
}

// hangUp is a server that speaks HTTP/2 and can hang up.
type hangUp struct {
	*httptest.Server
	mu      sync.Mutex
	conns   map[net.Conn]bool
	dialled *net.TCPConn // the last
	got     []string
}

func startHangUp(t *testing.T, secure bool) *hangUp {
	h := &hangUp{conns: make(map[net.Conn]bool)}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.got = append(h.got, string(body))
		h.mu.Unlock()
		_, _ = w.Write(body)
	}))
	h.Config.ConnState = func(c net.Conn, state http.ConnState) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.conns[c] = state != http.StateClosed
	}
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetHTTP2(secure)
	h.Config.Protocols.SetUnencryptedHTTP2(!secure)
	h.EnableHTTP2 = secure
	if secure {
		h.StartTLS()
	} else {
		h.Start()
	}
	t.Cleanup(h.Close)
	return h
}

func (h *hangUp) bodies() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.got
}

func (h *hangUp) base() *http.Transport {
	base := &http.Transport{Protocols: h.Config.Protocols}
	if h.TLS != nil {
		base.TLSClientConfig = h.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			h.mu.Lock()
			h.dialled = c.(*net.TCPConn)
			h.mu.Unlock()
		}
		return c, err
	}
	return base
}

// whileWriting makes the server hang up once, while a request's head is written, and waits for its FIN.
func (h *hangUp) whileWriting(t *testing.T) context.Context {
	var once sync.Once
	return httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteHeaderField: func(string, []string) {
		once.Do(func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			for c, open := range h.conns {
				if open {
					hangUpOn(t, c)
				}
			}
			awaitFIN(t, h.dialled)
		})
	}})
}

// hangUpOn closes a connection once the server has read all there is, or its kernel would reset it. It does so below
// TLS: told in words that the server closes, HTTP/2 closes at once, and then it is chance whether the FIN was there.
func hangUpOn(t *testing.T, c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for unread := 1; unread > 0; {
		if err := raw.Control(func(fd uintptr) { unread, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) }); err != nil {
			return
		}
	}
	_ = c.Close()
}

// awaitFIN waits until the peer's close has come, or we have closed ourselves.
func awaitFIN(t *testing.T, conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	const closeWait = 8 // TCP_CLOSE_WAIT of Linux's tcp_states.h
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		var info *unix.TCPInfo
		var infoErr error
		err := raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if err != nil || infoErr != nil || info.State == closeWait {
			return
		}
	}
	t.Error("no FIN came")
}
