package main

import (
	"bufio"
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
)

// behaviour is how a server treats its connections.
type behaviour struct {
	header   string        // more lines of each response
	idle     time.Duration // after which it closes
	lifetime time.Duration // after which it closes, however lately it was used
	cap      int           // requests for a connection; negative: it answers none
	end      func(*net.TCPConn)
}

// serve runs a server on a raw socket, and returns its URL.
func serve(t *testing.T, b behaviour) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.serve(c.(*net.TCPConn)) })
		}
	})
	return "http://" + l.Addr().String() + "/"
}

func (b behaviour) serve(c *net.TCPConn) {
	defer c.Close()
	dies := time.Now().Add(b.lifetime)
	in := bufio.NewReader(c)
	if b.cap < 0 { // not before it has read, or the request's bytes make a reset of it
		_, _ = http.ReadRequest(in)
		return
	}
	for n := 1; b.cap == 0 || n <= b.cap; n++ {
		var deadline time.Time
		if b.lifetime > 0 {
			deadline = dies
		} else if b.idle > 0 && n > 1 {
			deadline = time.Now().Add(b.idle)
		}
		if c.SetReadDeadline(deadline) != nil {
			return
		}
		if _, err := http.ReadRequest(in); err != nil {
			if b.end != nil {
				b.end(c)
			}
			return
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok", b.header); err != nil {
			return
		}
	}
}

// quick are flags for servers that are quick to close.
var quick = []string{"-stagger", "100ms", "-max", "30s", "-requests", "0"}

func TestServersOfManyKinds(t *testing.T) {
	for _, row := range []struct {
		name   string
		server behaviour
		flags  []string
		says   []string
	}{
		{"closes with FIN", behaviour{idle: 700 * time.Millisecond}, nil, []string{"when idle for 0.", "4 by FIN"}},
		{"resets", behaviour{idle: 700 * time.Millisecond, end: func(c *net.TCPConn) { _ = c.SetLinger(0) }}, nil,
			[]string{"when idle for 0.", "4 by RST"}},
		{"says 408 first", behaviour{idle: 700 * time.Millisecond, end: func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
		}}, nil, []string{"4 by FIN", `"HTTP/1.1 408 Request Timeout", unasked`}},
		{"states it", behaviour{idle: 700 * time.Millisecond, header: "Keep-Alive: timeout=60, max=99\r\n"}, nil,
			[]string{"Keep-Alive: timeout=60, max=99", "when idle for 0."}},
		{"says nothing and stays", behaviour{}, []string{"-max", "500ms"}, []string{"not within 0.", "look longer with -max"}},
		{"closes by age", behaviour{lifetime: 3 * time.Second}, []string{"-stagger", "700ms"},
			[]string{"at an age of 3.", "however lately it was used", "WithMaxAge(2"}},
		{"has a cap", behaviour{idle: 700 * time.Millisecond, cap: 7}, []string{"-requests", "20"},
			[]string{"after 7 requests on one connection", "WithMaxUses(7)"}},
		{"asks to close", behaviour{header: "Connection: close\r\n"}, nil, []string{"after each response (Connection: close)"}},
		{"tells who it is", behaviour{idle: 300 * time.Millisecond, header: "Server: hub\r\nVia: 1.1 proxy01\r\n"}, nil,
			[]string{"HTTP/1.1, Server: hub, Via: 1.1 proxy01"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, row.server)
			status, stdout, stderr := called(t, append(append(append([]string{}, quick...), row.flags...), url)...)
			assert.Equal(t, exitFine, status, stderr)
			for _, says := range row.says {
				assert.Contains(t, stdout, says)
			}
		})
	}
}

func TestWhatCannotBeProbedIsSaidInALine(t *testing.T) {
	refused := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return "http://" + l.Addr().String() + "/"
	}
	garbage := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		var server sync.WaitGroup
		t.Cleanup(func() { l.Close(); server.Wait() })
		server.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
				_, _ = c.Read(make([]byte, 1024))
				_ = c.Close()
			}
		})
		return "http://" + l.Addr().String() + "/"
	}
	for name, row := range map[string]struct {
		url  func(*testing.T) string
		says string
	}{
		"a port that refuses": {refused, "connection refused"},
		"no HTTP":             {garbage, "malformed HTTP"},
		"no TLS": {func(t *testing.T) string {
			return strings.Replace(serve(t, behaviour{}), "http:", "https:", 1)
		}, "TLS: "},
		"an untrusted certificate": {func(t *testing.T) string {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = nil
			server.StartTLS()
			t.Cleanup(server.Close)
			return server.URL
		}, "certificate"},
		"hangs up": {func(t *testing.T) string { return serve(t, behaviour{cap: -1}) }, "without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			url := row.url(t)
			status, stdout, stderr := called(t, append(append([]string{}, quick...), url)...)
			assert.Equal(t, exitFailed, status)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, row.says)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
}

func TestOneBadURLDoesNotHideTheOthers(t *testing.T) {
	good := serve(t, behaviour{idle: 300 * time.Millisecond})
	status, stdout, stderr := called(t, append(append([]string{}, quick...), "http://127.0.0.1:1/", good)...)
	assert.Equal(t, exitFailed, status)
	assert.Contains(t, stdout, good)
	assert.Contains(t, stderr, "127.0.0.1:1")
}

func TestTLSAndHTTP2(t *testing.T) {
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(protocol, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.Config.IdleTimeout = 700 * time.Millisecond
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			status, stdout, stderr := called(t, append(append([]string{"-insecure"}, quick...), server.URL)...)
			require.Equal(t, exitFine, status, stderr)
			assert.Contains(t, stdout, protocol+", TLS 1.3")
			assert.Contains(t, stdout, "when idle for 0.")
			if http2 {
				assert.Contains(t, stdout, "GOAWAY")
			} else {
				assert.Contains(t, stdout, "TLS close_notify")
			}
		})
	}
}

func TestHeadersAreSent(t *testing.T) {
	got := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		w.Header().Set("Connection", "close")
	}))
	defer server.Close()
	status, _, stderr := called(t, "-header", "Authorization: Bearer x", server.URL)
	require.Equal(t, exitFine, status, stderr)
	assert.Equal(t, "Bearer x", <-got)
}

func TestThroughAProxy(t *testing.T) {
	proxy, backend := serve(t, behaviour{idle: 800 * time.Millisecond}), serve(t, behaviour{idle: 300 * time.Millisecond})
	status, stdout, stderr := called(t, append(append([]string{}, quick...), "-through", proxy, backend)...)
	require.Equal(t, exitFine, status, stderr)
	assert.Contains(t, stdout, "races at the second hop")
}
