package behaviour

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// listen starts a server that runs a script on each connection and then closes it. It returns its address.
func listen(t *testing.T, script func(net.Conn)) string {
	t.Helper()
	return serveOn(t, nil, script)
}

// listenTLS is listen in the mode of the run: with TLS where that has it.
func (e *env) listenTLS(script func(net.Conn)) string {
	e.t.Helper()
	if !e.mode.tls() {
		return serveOn(e.t, nil, script)
	}
	config := serverTLS().Clone()
	if e.mode == h2 {
		config.NextProtos = []string{"h2"}
	}
	return serveOn(e.t, config, script)
}

// serverTLS is the configuration of every test server.
var serverTLS = sync.OnceValue(func() *tls.Config {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
})

func serveOn(t *testing.T, config *tls.Config, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var (
		serving sync.WaitGroup
		mu      sync.Mutex
		open    []net.Conn
		closed  bool
	)
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			if closed {
				_ = c.Close()
			}
			mu.Unlock()
			serving.Go(func() {
				defer c.Close()
				if config == nil {
					script(c)
				} else if s := tls.Server(c, config); s.Handshake() == nil {
					script(s)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		closed = true
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return l.Addr().String()
}

func bufioReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }
