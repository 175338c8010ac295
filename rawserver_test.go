package ttlpool_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// rawServer is a server of which the test decides every byte, and when a
// connection ends. It works on any listener, those in memory included.
type rawServer struct {
	address string
	serving sync.WaitGroup

	mu    sync.Mutex
	conns []*rawConn // in the order of their arrival
}

// rawConn is a connection of a rawServer.
type rawConn struct {
	net.Conn
	in    *bufio.Reader
	index int // the first one is 1
}

// startRaw serves each connection by serve, which runs in a goroutine, and
// closes it afterwards.
func startRaw(t testing.TB, l net.Listener, serve func(c *rawConn)) *rawServer {
	s := &rawServer{address: l.Addr().String()}
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conn := s.add(c)
			s.serving.Go(func() {
				defer c.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		for _, c := range s.all() {
			_ = c.Close()
		}
		s.serving.Wait()
	})
	return s
}

func (s *rawServer) add(c net.Conn) *rawConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := &rawConn{Conn: c, in: bufio.NewReader(c), index: len(s.conns) + 1}
	s.conns = append(s.conns, conn)
	return conn
}

func (s *rawServer) all() []*rawConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*rawConn(nil), s.conns...)
}

// accepted is how many connections there have been.
func (s *rawServer) accepted() int { return len(s.all()) }

func (s *rawServer) url() string { return "http://" + s.address + "/" }

// head reads the head of a request; nil is the end of the connection.
func (c *rawConn) head() *http.Request {
	req, err := http.ReadRequest(c.in)
	if err != nil {
		return nil
	}
	return req
}

// next reads a request with its body, which can be read from memory then.
func (c *rawConn) next() *http.Request {
	req := c.head()
	if req == nil {
		return nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return req
}

// say writes; that the client may be gone is the test's intention.
func (c *rawConn) say(text string) { _, _ = io.WriteString(c, text) }

// answer is a complete response.
func (c *rawConn) answer(body string) { c.say(okResponse(body)) }

func okResponse(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// answerAll answers each request with the numbers of connection and request.
func (c *rawConn) answerAll() {
	for n := 1; c.next() != nil; n++ {
		c.answer(fmt.Sprintf("%d.%d", c.index, n))
	}
}

// awaitEnd reads until the client has closed.
func (c *rawConn) awaitEnd() { _, _ = io.Copy(io.Discard, c.in) }

// halfClose sends a FIN; the connection can still be read.
func (c *rawConn) halfClose() {
	_ = bareConn(c.Conn).(interface{ CloseWrite() error }).CloseWrite()
}

// reset sends a RST.
func (c *rawConn) reset() {
	switch conn := bareConn(c.Conn).(type) {
	case *net.TCPConn:
		_ = conn.SetLinger(0)
		_ = conn.Close()
	case *memConn:
		conn.Reset()
	}
}

// secure makes the connection speak TLS, over what it spoke before.
func (c *rawConn) secure(config *tls.Config) {
	c.Conn = tls.Server(c.Conn, config)
	c.in.Reset(c.Conn)
}

// bareConn returns what is below TLS.
func bareConn(c net.Conn) net.Conn {
	for {
		secure, ok := c.(*tls.Conn)
		if !ok {
			return c
		}
		c = secure.NetConn()
	}
}

func listenTCP(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// identity is a certificate for example.com and 127.0.0.1, and who trusts it.
func identity(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	trust := x509.NewCertPool()
	trust.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, trust
}

// newTransport returns a transport that is closed at the end of the test.
func newTransport(t testing.TB, opts ...ttlpool.Option) *ttlpool.Transport {
	t.Helper()
	tr, err := ttlpool.NewTransport(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// over is the option for a network in memory.
func over(network *memNet) ttlpool.Option {
	return ttlpool.WithBase(&http.Transport{DialContext: network.Dial, ExpectContinueTimeout: time.Second})
}

func newRequest(t testing.TB, ctx context.Context, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	require.NoError(t, err)
	return req
}

// send sends a request and returns the body of the response, read to its end.
func send(t testing.TB, tr http.RoundTripper, req *http.Request) string {
	t.Helper()
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	return readBody(t, resp)
}

func readBody(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(body)
}

func get(t testing.TB, tr http.RoundTripper, url string) string {
	t.Helper()
	return send(t, tr, newRequest(t, t.Context(), "GET", url, nil))
}

// eventually waits for what another goroutine, or the kernel, does in its time.
func eventually(t testing.TB, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, time.Millisecond, what)
}

// requireNothingLeft closes what is idle, and requires that this is all.
func requireNothingLeft(t testing.TB, tr *ttlpool.Transport) {
	t.Helper()
	tr.CloseIdleConnections()
	eventually(t, func() bool {
		s := tr.Stats()
		return s.Open == 0 && s.Dialing == 0 && s.Waiting == 0
	}, "connections are left")
}

// stream is a request body of which nothing is known, not even its length.
func stream(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} }

func assertClosed(t testing.TB, tr *ttlpool.Transport, reason ttlpool.CloseReason, want int) {
	t.Helper()
	assert.EqualValues(t, want, tr.Stats().Closed[reason], "closed for the reason %v; all: %v", reason, tr.Stats().Closed)
}
