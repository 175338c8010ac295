package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

// httpProxy answers CONNECT with a response, tells of the request, and becomes
// a tunnel to a server if there is one.
func httpProxy(t *testing.T, response, server string) (address string, requests <-chan *http.Request) {
	seen := make(chan *http.Request, 10)
	return listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		seen <- req
		if _, err := io.WriteString(c, response); err != nil || server == "" {
			return
		}
		onward, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer onward.Close()
		go func() {
			_, _ = io.Copy(onward, in)
			_ = onward.Close()
		}()
		_, _ = io.Copy(c, onward)
	}), seen
}

const established = "HTTP/1.1 200 Connection established\r\n\r\n"

func TestATunnel(t *testing.T) {
	config, trust := identity(t)
	server := tlsServer(t, config, func(c *tls.Conn) { _, _ = io.WriteString(c, "hello") })
	proxy, requests := httpProxy(t, established, server)
	header := http.Header{"X-For-Proxy": {"yes"}}
	d := Dialer{Dial: dialTCP, TLS: &tls.Config{RootCAs: trust}, Protocols: onlyHTTP1, ProxyConnectHeader: header, MaxHeaderBytes: 1 << 20}
	conn, err := d.Connect(t.Context(), Target{
		Network: "tcp", Address: "example.com:443", TLS: true, Proxy: mustURL(t, "http://user:secret@"+proxy),
	})
	require.NoError(t, err)
	defer conn.Close()
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))

	req := <-requests
	assert.Equal(t, "CONNECT", req.Method)
	assert.Equal(t, "example.com:443", req.RequestURI)
	assert.Equal(t, "example.com:443", req.Host)
	assert.Equal(t, "yes", req.Header.Get("X-For-Proxy"))
	user, password, ok := parseBasic(req.Header.Get("Proxy-Authorization"))
	assert.True(t, ok)
	assert.Equal(t, "user:secret", user+":"+password)
	assert.Equal(t, http.Header{"X-For-Proxy": {"yes"}}, header, "the caller's header is not changed")
}

func parseBasic(auth string) (user, password string, ok bool) {
	req := http.Request{Header: http.Header{"Authorization": {auth}}}
	return req.BasicAuth()
}

func TestATunnelOverTLS(t *testing.T) {
	config, trust := identity(t)
	server := tlsServer(t, config, func(c *tls.Conn) { _, _ = io.WriteString(c, "hello") })
	inner, _ := httpProxy(t, established, server)
	proxy := tlsServer(t, config, func(c *tls.Conn) {
		onward, err := net.Dial("tcp", inner)
		if err != nil {
			return
		}
		defer onward.Close()
		go func() {
			_, _ = io.Copy(onward, c)
			_ = onward.Close()
		}()
		_, _ = io.Copy(c, onward)
	})
	d := Dialer{Dial: dialTCP, TLS: &tls.Config{RootCAs: trust}, Protocols: onlyHTTP1, MaxHeaderBytes: 1 << 20}
	conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true, Proxy: mustURL(t, "https://"+proxy)})
	require.NoError(t, err)
	defer conn.Close()
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
}

func TestARefusedTunnel(t *testing.T) {
	for _, row := range []struct{ name, response, want string }{
		{"with a reason", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "Proxy Authentication Required"},
		{"without", "HTTP/1.1 502\r\n\r\n", "unknown status code"},
		{"in garbage", "garbage\r\n\r\n", `malformed HTTP response "garbage"`},
		{"by hanging up", "", "EOF"},
		{"in endless headers", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 5000), "EOF"},
	} {
		t.Run(row.name, func(t *testing.T) {
			proxy, _ := httpProxy(t, row.response, "")
			dials := &watched{dial: dialTCP}
			d := Dialer{Dial: dials.Dial, Protocols: onlyHTTP1, MaxHeaderBytes: 4096}
			conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true, Proxy: mustURL(t, "http://"+proxy)})
			assert.Nil(t, conn)
			assert.ErrorContains(t, err, row.want)
			dials.requireClosed(t)
		})
	}
}

func TestATunnelEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the user has left")
	closed := make(chan error, 1)
	proxy := listen(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		cancel(cause)
		untilClosed(c, closed)
	})
	dials := &watched{dial: dialTCP}
	d := Dialer{Dial: dials.Dial, Protocols: onlyHTTP1, MaxHeaderBytes: 1 << 20}
	_, err := d.Connect(ctx, Target{Network: "tcp", Address: "example.com:443", TLS: true, Proxy: mustURL(t, "http://"+proxy)})
	assert.Equal(t, cause, err)
	dials.requireClosed(t)
	assert.Error(t, <-closed)
}

func TestTheCallerMayRefuseTheProxysAnswer(t *testing.T) {
	proxy, _ := httpProxy(t, established, "")
	refused := errors.New("refused")
	dials := &watched{dial: dialTCP}
	u := mustURL(t, "http://"+proxy)
	d := Dialer{
		Dial: dials.Dial, Protocols: onlyHTTP1, MaxHeaderBytes: 1 << 20,
		OnProxyConnectResponse: func(ctx context.Context, p *url.URL, req *http.Request, resp *http.Response) error {
			_, limited := ctx.Deadline()
			assert.False(t, limited, "the proxy has a minute; the caller's hook has what the dial has")
			assert.Same(t, u, p)
			assert.Equal(t, "example.com:443", req.Host)
			assert.Equal(t, 200, resp.StatusCode)
			return refused
		},
	}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true, Proxy: u})
	assert.Equal(t, refused, err)
	dials.requireClosed(t)
}

func TestTheCallerMayMakeTheHeader(t *testing.T) {
	proxy, requests := httpProxy(t, "HTTP/1.1 403 No\r\n\r\n", "")
	u := mustURL(t, "http://"+proxy)
	failure := errors.New("no header")
	for _, row := range []struct {
		header http.Header
		err    error
	}{{http.Header{"X-Made": {"yes"}}, nil}, {nil, nil}, {nil, failure}} {
		dials := &watched{dial: dialTCP}
		d := Dialer{
			Dial: dials.Dial, Protocols: onlyHTTP1, MaxHeaderBytes: 1 << 20,
			ProxyConnectHeader: http.Header{"X-Fixed": {"yes"}},
			GetProxyConnectHeader: func(_ context.Context, p *url.URL, target string) (http.Header, error) {
				assert.Same(t, u, p)
				assert.Equal(t, "example.com:443", target)
				return row.header, row.err
			},
		}
		_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true, Proxy: u})
		dials.requireClosed(t)
		if row.err != nil {
			assert.Equal(t, failure, err)
			continue
		}
		assert.EqualError(t, err, "No")
		req := <-requests
		assert.Equal(t, row.header.Get("X-Made"), req.Header.Get("X-Made"))
		assert.Empty(t, req.Header.Get("X-Fixed"), "the function goes before the fixed header")
	}
}

func TestAProxyThatForwards(t *testing.T) {
	server := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "hello") })
	d := Dialer{Dial: dialTCP, Protocols: onlyHTTP1}
	conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: server, Proxy: mustURL(t, "http://"+server), Forwards: true})
	require.NoError(t, err)
	defer conn.Close()
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
}

func TestAnUnreachableProxyIsNamed(t *testing.T) {
	broken := errors.New("broken")
	for _, target := range []Target{
		{Proxy: mustURL(t, "http://proxy.test"), Forwards: true},
		{Proxy: mustURL(t, "http://proxy.test"), TLS: true},
		{Proxy: mustURL(t, "https://proxy.test"), TLS: true},
	} {
		t.Run(fmt.Sprint(target.Proxy, target.Forwards), func(t *testing.T) {
			target.Network, target.Address = "tcp", "example.com:443"
			d := Dialer{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, broken }, Protocols: onlyHTTP1}
			_, err := d.Connect(t.Context(), target)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			assert.Equal(t, "proxyconnect", op.Op)
			assert.ErrorIs(t, err, broken)
		})
	}
}

func TestAnUnknownKindOfProxy(t *testing.T) {
	d := Dialer{Dial: dialTCP, Protocols: onlyHTTP1}
	_, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:443", TLS: true, Proxy: mustURL(t, "gopher://proxy.test")})
	assert.ErrorContains(t, err, `unknown proxy scheme "gopher"`)
}

func TestASOCKSProxy(t *testing.T) {
	type asked struct{ user, target string }
	saw := make(chan asked, 1)
	proxy := listen(t, func(c net.Conn) {
		user, target, err := acceptSOCKS(c)
		if err != nil {
			t.Errorf("SOCKS: %v", err)
			return
		}
		saw <- asked{user, target}
		_, _ = io.WriteString(c, "hello")
	})
	d := Dialer{Dial: dialTCP, Protocols: onlyHTTP1}
	conn, err := d.Connect(t.Context(), Target{Network: "tcp", Address: "example.com:80", Proxy: mustURL(t, "socks5://user:secret@"+proxy)})
	require.NoError(t, err)
	defer conn.Close()
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
	assert.Equal(t, asked{"user:secret", "example.com:80"}, <-saw, "the proxy resolves the name")
}

// acceptSOCKS is the server's half of RFC 1928 and 1929, with a password and a
// domain name.
func acceptSOCKS(c net.Conn) (user, target string, err error) {
	read := func(n int) []byte {
		p := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(c, p)
		}
		return p
	}
	write := func(p ...byte) {
		if err == nil {
			_, err = c.Write(p)
		}
	}
	text := func() string { return string(read(int(read(1)[0]))) }
	_ = read(int(read(2)[1]))
	write(5, 2) // a password, please
	_ = read(1)
	user = text() + ":" + text()
	write(1, 0) // is right
	_ = read(4)
	name, port := text(), read(2)
	target = fmt.Sprintf("%s:%d", name, int(port[0])<<8|int(port[1]))
	write(5, 0, 0, 1, 127, 0, 0, 1, 0, 0)
	return user, target, err
}

// A dial function that returns nothing must not make us panic.
func TestADialThatReturnsNothing(t *testing.T) {
	nothing := func(context.Context, string, string) (net.Conn, error) { return nil, nil }
	for _, target := range []Target{
		{},
		{TLS: true},
		{Proxy: mustURL(t, "http://proxy.test"), Forwards: true},
		{Proxy: mustURL(t, "https://proxy.test"), Forwards: true},
		{Proxy: mustURL(t, "http://proxy.test"), TLS: true},
		{Proxy: mustURL(t, "https://proxy.test"), TLS: true},
		{Proxy: mustURL(t, "socks5://proxy.test")},
	} {
		t.Run(fmt.Sprint(target.Proxy, target.TLS, target.Forwards), func(t *testing.T) {
			target.Network, target.Address = "tcp", "example.com:443"
			d := Dialer{Dial: nothing, Protocols: onlyHTTP1}
			assert.NotPanics(t, func() {
				conn, _ := d.Connect(t.Context(), target)
				assert.Nil(t, conn)
			})
		})
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://h.test":         "h.test:80",
		"https://h.test":        "h.test:443",
		"socks5://h.test":       "h.test:1080",
		"socks5h://h.test":      "h.test:1080",
		"http://h.test:8080":    "h.test:8080",
		"https://[2001:db8::1]": "[2001:db8::1]:443",
	} {
		assert.Equal(t, want, Address(mustURL(t, text)), text)
	}
}
