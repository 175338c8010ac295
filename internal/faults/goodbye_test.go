package faults

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// A TLS server ends an idle connection in each of the ways in which they do. No
// request may notice, whatever its method.
func TestATLSServerSaysGoodbye(t *testing.T) {
	for name, goodbye := range map[string]func(*tls.Conn){
		"close_notify and FIN": func(c *tls.Conn) { _ = c.Close() },
		"close_notify alone":   func(c *tls.Conn) { _ = c.CloseWrite() },
		"FIN alone":            func(c *tls.Conn) { _ = c.NetConn().(*net.TCPConn).CloseWrite() },
		"RST":                  reset,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+", "+method, func(t *testing.T) { sayGoodbye(t, goodbye, method) })
		}
	}
}

func reset(c *tls.Conn) {
	tcp := c.NetConn().(*net.TCPConn)
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}

func sayGoodbye(t *testing.T, goodbye func(*tls.Conn), method string) {
	certificate, err := realtest.NewCertificate()
	require.NoError(t, err)
	l, said, served := serveOnce(t, certificate, goodbye)
	tr := newTransport(t, ttlpool.WithBase(&http.Transport{TLSClientConfig: certificate.ClientConfig()}))
	url := "https://" + l.Addr().String()
	require.NoError(t, call(t.Context(), tr, method, url, "first"))
	close(said)
	<-served
	// What was said has to arrive: the connection is seen to be dead, or its socket
	// to hold something.
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, call(t.Context(), tr, method, url, "second"))
	stats := tr.Stats()
	assert.EqualValues(t, 2, stats.Dials)
	assert.Zero(t, stats.Stale, "it was not even tried")
}

// serveOnce answers one request on each connection, and says goodbye on the first
// when said is closed; then it closes served.
func serveOnce(t *testing.T, certificate *realtest.Certificate, goodbye func(*tls.Conn)) (
	l net.Listener, said, served chan struct{}) {
	pair, err := certificate.Pair()
	require.NoError(t, err)
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	said, served = make(chan struct{}), make(chan struct{})
	end := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for first := true; ; first = false {
			tcp, err := l.Accept()
			if err != nil {
				return
			}
			c := tls.Server(tcp, &tls.Config{Certificates: []tls.Certificate{pair}})
			all.Go(func() {
				defer tcp.Close() // at the end, and without a word
				answerOne(c)
				if first {
					<-said
					goodbye(c)
					close(served)
				}
				<-end
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(end)
		all.Wait()
	})
	return l, said, served
}

func answerOne(c *tls.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	_, _ = fmt.Fprintf(c, "HTTP/1.1 204 No Content\r\n%s: %s\r\n\r\n", idField, req.Header.Get(idField))
}
