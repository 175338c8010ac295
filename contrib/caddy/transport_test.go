package caddy

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tell answers with what the backend sees of a request.
func tell(w http.ResponseWriter, req *http.Request) {
	name := ""
	if req.TLS != nil {
		name = req.TLS.ServerName
	}
	fmt.Fprintf(w, "%s host=%s sni=%s uri=%s", req.Proto, req.Host, name, req.RequestURI)
}

// TestCaddysOwnSettingsStillApply goes through those that decide what a
// connection is.
func TestCaddysOwnSettingsStillApply(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(tell))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(tell))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	authority := filepath.Join(t.TempDir(), "authority.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600))
	clear := httptest.NewUnstartedServer(http.HandlerFunc(tell))
	clear.Config.Protocols = new(http.Protocols)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Start()
	defer clear.Close()
	socket := startOn(t, listenUnix(t), tell)
	behind := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host, _, _ := net.SplitHostPort(req.RemoteAddr)
		fmt.Fprintf(w, "from %s", host)
	}))
	behind.Listener = &proxyproto.Listener{Listener: behind.Listener, ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.REQUIRE, nil }}
	behind.Start()
	defer behind.Close()

	trust := "tls_trust_pool file " + authority
	for _, row := range []struct{ name, upstream, options, body string }{
		{"plain", plain.URL, "", "HTTP/1.1 host=SITE sni= uri=/path?q"},
		{"a unix socket", "unix/" + socket, "", "HTTP/1.1 host=SITE sni= uri=/path?q"},
		{"HTTP/2 over TLS", secure.URL, trust + "\ntls_server_name example.com", "HTTP/2.0 host=SECURE sni=example.com uri=/path?q"},
		{"HTTP/1.1 over TLS", secure.URL, trust + "\nversions 1.1", "HTTP/1.1 host=SECURE sni= uri=/path?q"},
		{"a server name of the request's", secure.URL, trust + "\ntls_server_name {header.X-Name}", "HTTP/2.0 host=SECURE sni=example.com uri=/path?q"},
		{"h2c", strings.Replace(clear.URL, "http", "h2c", 1), "", "HTTP/2.0 host=SITE sni= uri=/path?q"},
		{"the PROXY protocol", behind.URL, "proxy_protocol v2", "from 127.0.0.1"},
		{"another proxy", "http://hub.test", "network_proxy url " + plain.URL, "HTTP/1.1 host=SITE sni= uri=http://SITE/path?q"},
		{"no keep-alive", plain.URL, "keepalive off", "HTTP/1.1 host=SITE sni= uri=/path?q"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			run(t, adapt(t, s.block("reverse_proxy "+row.upstream+" {\ntransport ttlpool {\n"+row.options+"\n}\n}")))
			want := strings.NewReplacer("SITE", s.address, "SECURE", secure.Listener.Addr().String()).Replace(row.body)
			for range 2 {
				req := s.request(t, http.MethodGet, "/path?q")
				req.Header.Set("X-Name", "example.com")
				_, body := s.do(t, req)
				assert.Equal(t, want, body)
			}
		})
	}
}

func listenUnix(t *testing.T) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // t's own would be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	return l
}

func startOn(t *testing.T, l net.Listener, handler http.HandlerFunc) (address string) {
	t.Helper()
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return l.Addr().String()
}

func TestAConnectionIsReusedAndKeepaliveOffIsObeyed(t *testing.T) {
	b := startBackend(t, 1, 0, echo)
	for options, reused := range map[string]bool{
		"":                 true,
		"keepalive 1m":     true,
		"read_timeout 10s": true, // Caddy wraps the socket then
		"keepalive off":    false,
		"max_uses 1":       false,
	} {
		s := newSite(t)
		run(t, adapt(t, s.block("reverse_proxy 127.0.0.1:"+b.ports[0]+" {\ntransport ttlpool {\n"+options+"\n}\n}")))
		for _, id := range []string{"first:" + options, "second:" + options} {
			req := s.request(t, http.MethodGet, "/")
			req.Header.Set(idHeader, id)
			s.do(t, req)
		}
		first, second := b.fate("first:"+options), b.fate("second:"+options)
		assert.Equal(t, 1, first.times, options)
		assert.Equal(t, 1, second.times, options)
		assert.False(t, first.reused, options)
		assert.Equal(t, reused, second.reused, options)
	}
}

func TestAnUpgradedConnectionIsPassedOn(t *testing.T) {
	b := startBackend(t, 1, 0, func(w http.ResponseWriter, req *http.Request) {
		conn, in, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, in)
	})
	s := newSite(t)
	run(t, adapt(t, s.block("reverse_proxy 127.0.0.1:"+b.ports[0]+" {\ntransport ttlpool {\nttl 50ms\n}\n}")))
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", s.address)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	for _, word := range []string{"one\n", "two\n"} {
		time.Sleep(60 * time.Millisecond) // past the TTL, which is none of its business
		_, err = io.WriteString(conn, word)
		require.NoError(t, err)
		heard, err := in.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, word, heard)
	}
}

// A POST that meets a stale connection is a 502 that says so; where it is
// declared idempotent it is sent again.
func TestWhatIsDeclaredIdempotentIsSentAgain(t *testing.T) {
	address := startDying(t)
	for _, row := range []struct {
		options string
		status  int
		body    string
	}{
		{"", http.StatusBadGateway, address + ": stale connection: EOF after"},
		{"idempotent {\nmethod POST\npath /hub\n}", http.StatusOK, "POST"},
		{"idempotent {\nmethod POST\npath /other\n}", http.StatusBadGateway, "not retried: POST is not idempotent"},
		{"replay_limit 4\nidempotent {\npath /hub\n}", http.StatusBadGateway, "not retried: the body cannot be sent again"},
	} {
		s := newSite(t)
		run(t, adapt(t, s.block("reverse_proxy "+address+" {\ntransport ttlpool {\nstrict_ttl 0\n"+row.options+"\n}\n}")))
		status, _ := s.get(t, "/")
		require.Equal(t, http.StatusOK, status)
		req := s.request(t, http.MethodPost, "/hub")
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader("<methodCall/>")), -1
		status, body := s.do(t, req)
		assert.Equal(t, row.status, status, row.options)
		assert.Contains(t, body, row.body, row.options)
	}
}

// startDying starts a backend that closes with the second request of a
// connection, once it has read it.
func startDying(t *testing.T) (address string) {
	t.Helper()
	type count struct{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		n := req.Context().Value(count{}).(*int)
		if *n++; *n > 1 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				_ = conn.Close()
			}
			return
		}
		_, _ = io.WriteString(w, req.Method)
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, count{}, new(int))
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Where all connections of an upstream stay in use, nothing was sent, and Caddy
// may go on to the next upstream whatever the method.
func TestABusyUpstreamMakesCaddyTryTheNext(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	busy := startBackend(t, 1, 0, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = io.WriteString(w, "the busy one")
	})
	idle := startBackend(t, 1, 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the idle one") })
	s := newSite(t)
	run(t, adapt(t, s.block("reverse_proxy 127.0.0.1:"+busy.ports[0]+" 127.0.0.1:"+idle.ports[0]+` {
		lb_policy first
		lb_retries 1
		fail_duration 1m
		transport ttlpool {
			max_conns_per_host 1
			acquire_timeout 50ms
		}
	}`)))
	var first sync.WaitGroup
	first.Go(func() {
		status, body := s.get(t, "/")
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "the busy one", body)
	})
	defer first.Wait()
	defer close(release)
	<-begun
	_, body := s.do(t, s.request(t, http.MethodPost, "/"))
	assert.Equal(t, "the idle one", body)
}

func TestAConfigurationThatCannotBeIsRefused(t *testing.T) {
	s := newSite(t)
	for settings, message := range map[string]string{
		`"versions": ["3"]`:                     "loading transport: ",
		`"ttl": "10s", "server_timeout": "10s"`: "TTL 10s is longer than the server timeout 10s less the margin 1s",
		`"ttl": "-1s"`:                          "TTL is negative: -1s",
		`"idempotent": [{"nonsense": {}}]`:      "loading matchers of idempotent requests",
		`"nonsense": 1`:                         "unknown field",
	} {
		config := strings.Replace(string(adapt(t, s.block("reverse_proxy 127.0.0.1:1 {\ntransport ttlpool\n}"))),
			`"protocol":"ttlpool"`, `"protocol":"ttlpool",`+settings, 1)
		require.Contains(t, config, settings)
		err := caddy.Load([]byte(config), true)
		assert.ErrorContains(t, err, message, settings)
	}
}
