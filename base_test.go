package ttlpool_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"golang.org/x/net/http2"
)

// baseSettings has a test for each setting of an http.Transport, that it has
// its effect, or is refused.
var baseSettings = map[string]func(t *testing.T){
	"Proxy":                  honoursProxy,
	"OnProxyConnectResponse": honoursOnProxyConnectResponse,
	"DialContext":            honoursDialContext,
	"Dial":                   honoursDial,
	"DialTLSContext":         honoursDialTLSContext,
	"DialTLS":                honoursDialTLS,
	"TLSClientConfig":        honoursTLSClientConfig,
	"TLSHandshakeTimeout":    honoursTLSHandshakeTimeout,
	"DisableKeepAlives":      honoursDisableKeepAlives,
	"DisableCompression":     honoursDisableCompression,
	"MaxIdleConns":           honoursMaxIdleConns,
	"MaxIdleConnsPerHost":    honoursMaxIdleConnsPerHost,
	"MaxConnsPerHost":        honoursMaxConnsPerHost,
	"IdleConnTimeout":        honoursIdleConnTimeout,
	"ResponseHeaderTimeout":  honoursResponseHeaderTimeout,
	"ExpectContinueTimeout":  honoursExpectContinueTimeout,
	"TLSNextProto":           honoursTLSNextProto,
	"ProxyConnectHeader":     honoursProxyConnectHeader,
	"GetProxyConnectHeader":  honoursGetProxyConnectHeader,
	"MaxResponseHeaderBytes": honoursMaxResponseHeaderBytes,
	"WriteBufferSize":        honoursWriteBufferSize,
	"ReadBufferSize":         honoursReadBufferSize,
	"ForceAttemptHTTP2":      honoursForceAttemptHTTP2,
	"HTTP2":                  honoursHTTP2,
	"Protocols":              honoursProtocols,
}

// A field that a new release of Go adds fails this test until somebody has
// decided what becomes of it.
func TestP9EverySettingOfABaseHasItsEffect(t *testing.T) {
	known := make(map[string]bool)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[http.Transport]()) {
		if !field.IsExported() {
			continue
		}
		known[field.Name] = true
		test, ok := baseSettings[field.Name]
		if assert.True(t, ok, "nobody knows what becomes of %s", field.Name) {
			t.Run(field.Name, test)
		}
	}
	for name := range baseSettings {
		assert.True(t, known[name], "http.Transport has no field %s", name)
	}
}

// based returns a transport on a base.
func based(t testing.TB, base *http.Transport) *ttlpool.Transport {
	t.Helper()
	return newTransport(t, ttlpool.WithBase(base))
}

// serverOf starts one of net/http's servers, which is stopped after the
// transport.
func serverOf(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func tlsServerOf(t testing.TB, http2 bool, handler http.HandlerFunc) (*httptest.Server, *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, s.Client().Transport.(*http.Transport).TLSClientConfig
}

func sayProto(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.Proto) }

func honoursProxy(t *testing.T) {
	proxy := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.RequestURI+" "+req.Header.Get("Proxy-Authorization"))
	})
	to, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	to.User = url.UserPassword("user", "secret")
	tr := based(t, &http.Transport{Proxy: http.ProxyURL(to)})
	assert.Equal(t, "http://hub.test/path Basic dXNlcjpzZWNyZXQ=", get(t, tr, "http://hub.test/path"))

	noProxy := errors.New("no proxy today")
	tr = based(t, &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, noProxy }})
	_, err = tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
	assert.Equal(t, noProxy, err)
}

// connectProxy refuses each CONNECT and hands it to see.
func connectProxy(t *testing.T, see func(*http.Request)) func(*http.Request) (*url.URL, error) {
	s := startRaw(t, listenTCP(t), func(c *rawConn) {
		if req := c.head(); req != nil {
			see(req)
			c.say("HTTP/1.1 403 Not through me\r\n\r\n")
		}
	})
	to, err := url.Parse(s.url())
	require.NoError(t, err)
	return http.ProxyURL(to)
}

func requireRefused(t *testing.T, tr http.RoundTripper) {
	t.Helper()
	_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "https://hub.test/", nil))
	assert.EqualError(t, err, "Not through me")
}

func honoursOnProxyConnectResponse(t *testing.T) {
	status := make(chan int, 1)
	requireRefused(t, based(t, &http.Transport{
		Proxy: connectProxy(t, func(*http.Request) {}),
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			status <- resp.StatusCode
			return nil
		},
	}))
	assert.Equal(t, 403, <-status)
}

func honoursProxyConnectHeader(t *testing.T) {
	seen := make(chan string, 1)
	requireRefused(t, based(t, &http.Transport{
		Proxy:              connectProxy(t, func(req *http.Request) { seen <- req.Header.Get("X-Fixed") }),
		ProxyConnectHeader: http.Header{"X-Fixed": {"yes"}},
	}))
	assert.Equal(t, "yes", <-seen)
}

func honoursGetProxyConnectHeader(t *testing.T) {
	seen := make(chan string, 1)
	requireRefused(t, based(t, &http.Transport{
		Proxy: connectProxy(t, func(req *http.Request) { seen <- req.Header.Get("X-Made") }),
		GetProxyConnectHeader: func(_ context.Context, _ *url.URL, target string) (http.Header, error) {
			return http.Header{"X-Made": {target}}, nil
		},
	}))
	assert.Equal(t, "hub.test:443", <-seen)
}

// usedBy returns a dial function that marks its use.
func usedBy(used *atomic.Int32, address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		used.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func mustNotDial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled by the wrong function")
		return nil, io.EOF
	}
}

func withoutContext(dial func(context.Context, string, string) (net.Conn, error)) func(string, string) (net.Conn, error) {
	return func(network, address string) (net.Conn, error) { return dial(context.Background(), network, address) }
}

func honoursDialContext(t *testing.T) {
	s := serverOf(t, sayProto)
	var used atomic.Int32
	tr := based(t, &http.Transport{
		DialContext: usedBy(&used, s.Listener.Addr().String()),
		Dial:        withoutContext(mustNotDial(t)), //lint:ignore SA1019 it must be honoured
	})
	get(t, tr, "http://hub.test/")
	assert.EqualValues(t, 1, used.Load())
}

func honoursDial(t *testing.T) {
	s := serverOf(t, sayProto)
	var used atomic.Int32
	tr := based(t, &http.Transport{
		Dial: withoutContext(usedBy(&used, s.Listener.Addr().String())), //lint:ignore SA1019 it must be honoured
	})
	get(t, tr, "http://hub.test/")
	assert.EqualValues(t, 1, used.Load())
}

// A dial function for TLS may return what is no TLS at all.
func honoursDialTLSContext(t *testing.T) {
	s := serverOf(t, sayProto)
	var used atomic.Int32
	tr := based(t, &http.Transport{
		DialTLSContext: usedBy(&used, s.Listener.Addr().String()),
		DialTLS:        withoutContext(mustNotDial(t)), //lint:ignore SA1019 it must be honoured
		DialContext:    mustNotDial(t),
	})
	get(t, tr, "https://hub.test/")
	assert.EqualValues(t, 1, used.Load())
}

// Over a connection of unknown kind the whole is of unknown kind, but it is TLS.
func TestAResponseTellsOfTLSThatTheCallersDialFunctionSpeaks(t *testing.T) {
	s, config := tlsServerOf(t, false, sayProto)
	tr := based(t, &http.Transport{DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return tls.Client(struct{ net.Conn }{c}, &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"}), nil
	}})
	resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", s.URL, nil))
	require.NoError(t, err)
	readBody(t, resp)
	require.NotNil(t, resp.TLS)
	assert.Equal(t, "example.com", resp.TLS.ServerName)
}

func honoursDialTLS(t *testing.T) {
	s := serverOf(t, sayProto)
	var used atomic.Int32
	tr := based(t, &http.Transport{
		DialTLS:     withoutContext(usedBy(&used, s.Listener.Addr().String())), //lint:ignore SA1019 it must be honoured
		DialContext: mustNotDial(t),
	})
	get(t, tr, "https://hub.test/")
	assert.EqualValues(t, 1, used.Load())
}

func honoursTLSClientConfig(t *testing.T) {
	s, config := tlsServerOf(t, false, sayProto)
	_, err := based(t, &http.Transport{}).RoundTrip(newRequest(t, t.Context(), "GET", s.URL, nil))
	var unverified *tls.CertificateVerificationError
	require.ErrorAs(t, err, &unverified, "without it")

	before := config.Clone()
	tr := based(t, &http.Transport{TLSClientConfig: config})
	get(t, tr, s.URL)
	assert.Equal(t, before.NextProtos, config.NextProtos, "the caller's is not changed")
	assert.Equal(t, before.ServerName, config.ServerName)
	config.RootCAs = nil // a later change has no effect
	tr.CloseIdleConnections()
	get(t, tr, s.URL)
}

func honoursTLSHandshakeTimeout(t *testing.T) {
	s := startRaw(t, listenTCP(t), (*rawConn).awaitEnd)
	tr := based(t, &http.Transport{TLSHandshakeTimeout: 20 * time.Millisecond})
	_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "https://"+s.address, nil))
	assert.EqualError(t, err, "net/http: TLS handshake timeout")
}

func honoursDisableKeepAlives(t *testing.T) {
	s := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Header.Get("Connection"))
	})
	tr := based(t, &http.Transport{DisableKeepAlives: true})
	assert.Equal(t, "close", get(t, tr, s.URL))
	get(t, tr, s.URL)
	assert.EqualValues(t, 2, tr.Stats().Dials)

	secure, config := tlsServerOf(t, true, sayProto)
	tr = based(t, &http.Transport{DisableKeepAlives: true, TLSClientConfig: config, ForceAttemptHTTP2: true})
	assert.Equal(t, "HTTP/2.0", get(t, tr, secure.URL))
	get(t, tr, secure.URL)
	assert.EqualValues(t, 2, tr.Stats().Dials, "over HTTP/2")
}

func honoursDisableCompression(t *testing.T) {
	s := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, "accepted: "+req.Header.Get("Accept-Encoding"))
	})
	assert.Equal(t, "accepted: ", get(t, based(t, &http.Transport{DisableCompression: true}), s.URL))
	assert.Equal(t, "accepted: gzip", get(t, based(t, &http.Transport{}), s.URL))
}

func honoursMaxIdleConns(t *testing.T) {
	one, other := serverOf(t, sayProto), serverOf(t, sayProto)
	tr := based(t, &http.Transport{MaxIdleConns: 1})
	get(t, tr, one.URL)
	get(t, tr, other.URL)
	assert.Equal(t, 1, tr.Stats().Idle)
	assertClosed(t, tr, ttlpool.ClosedMaxIdle, 1)
}

func honoursMaxIdleConnsPerHost(t *testing.T) {
	for limit, idle := range map[int]int{-1: 0, 1: 1, 2: 2} {
		server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
		tr := based(t, &http.Transport{MaxIdleConnsPerHost: limit})
		open := make([]*http.Response, 3)
		for i := range open {
			var err error
			open[i], err = tr.RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
			require.NoError(t, err)
		}
		for _, resp := range open {
			readBody(t, resp)
		}
		assert.Equal(t, idle, tr.Stats().Idle, "limit %d", limit)
	}
}

func honoursMaxConnsPerHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := based(t, &http.Transport{DialContext: network.Dial, MaxConnsPerHost: 1})
		holder, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		require.NoError(t, err)
		second := make(chan string, 1)
		go func() { second <- get(t, tr, "http://hub.test/") }()
		synctest.Wait()
		assert.Equal(t, 1, tr.Stats().Waiting)
		readBody(t, holder)
		assert.Equal(t, "1.2", <-second)
	})
}

func honoursIdleConnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := based(t, &http.Transport{DialContext: network.Dial, IdleConnTimeout: time.Minute})
		get(t, tr, "http://hub.test/")
		time.Sleep(time.Minute)
		assert.Zero(t, tr.Stats().Open)
		assert.Equal(t, "2.1", get(t, tr, "http://hub.test/"))
		assertClosed(t, tr, ttlpool.ClosedTTL, 1)
	})
}

func honoursResponseHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), (*rawConn).awaitEnd)
		tr := based(t, &http.Transport{DialContext: network.Dial, ResponseHeaderTimeout: time.Minute})
		begun := time.Now()
		_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		assert.Equal(t, time.Minute, time.Since(begun))
		assert.EqualError(t, err, "net/http: timeout awaiting response headers")
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
	})
}

func honoursExpectContinueTimeout(t *testing.T) {
	for _, limit := range []time.Duration{time.Minute, 0} { // 0: the body is not held back
		synctest.Test(t, func(t *testing.T) {
			network := newMemNet()
			startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
				c.next() // says nothing before it has the body
				c.answer("")
			})
			tr := based(t, &http.Transport{DialContext: network.Dial, ExpectContinueTimeout: limit})
			req := newRequest(t, t.Context(), "POST", "http://hub.test/", stream("body"))
			req.Header.Set("Expect", "100-continue")
			begun := time.Now()
			send(t, tr, req)
			assert.Equal(t, limit, time.Since(begun))
		})
	}
}

func honoursTLSNextProto(t *testing.T) {
	s, config := tlsServerOf(t, true, sayProto)
	tr := based(t, &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	})
	assert.Equal(t, "HTTP/1.1", get(t, tr, s.URL), "an empty map turns HTTP/2 off")

	_, err := ttlpool.NewTransport(ttlpool.WithBase(&http.Transport{
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{"spdy/3": nil},
	}))
	assert.ErrorContains(t, err, "TLSNextProto")
	assert.ErrorContains(t, err, `"spdy/3"`)
}

func honoursMaxResponseHeaderBytes(t *testing.T) {
	s := serverOf(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 10_000)) })
	_, err := based(t, &http.Transport{MaxResponseHeaderBytes: 5000}).RoundTrip(newRequest(t, t.Context(), "GET", s.URL, nil))
	assert.ErrorContains(t, err, "server response headers exceeded 5000 bytes")
	get(t, based(t, &http.Transport{}), s.URL)
}

// countedWrites counts the writes of a connection.
type countedWrites struct {
	net.Conn
	n *atomic.Int32
}

func (c countedWrites) Write(p []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(p)
}

func honoursWriteBufferSize(t *testing.T) {
	server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
	writes := func(size int) int32 {
		var n atomic.Int32
		tr := based(t, &http.Transport{WriteBufferSize: size, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return countedWrites{c, &n}, err
		}})
		req := newRequest(t, t.Context(), "GET", server.url(), nil)
		for range 10 {
			req.Header.Add("X-Long", strings.Repeat("x", 1000))
		}
		send(t, tr, req)
		return n.Load()
	}
	assert.EqualValues(t, 1, writes(64<<10))
	assert.Greater(t, writes(1<<10), int32(5))
}

// With a small buffer, little more than the head is read before the body is
// asked for.
func honoursReadBufferSize(t *testing.T) {
	const small = 512
	server := startRaw(t, listenTCP(t), func(c *rawConn) {
		c.next()
		c.answer(strings.Repeat("x", 50_000))
		c.awaitEnd()
	})
	readFor := func(size int) int64 {
		read := make(chan int64, 1)
		tr := newTransport(t, ttlpool.WithBase(&http.Transport{ReadBufferSize: size}),
			ttlpool.WithTrace(&ttlpool.Trace{ConnClosed: func(info ttlpool.ConnInfo) { read <- info.Read }}))
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return <-read
	}
	assert.LessOrEqual(t, readFor(small), int64(small))
	assert.Greater(t, readFor(0), int64(small))
}

func honoursForceAttemptHTTP2(t *testing.T) {
	s, config := tlsServerOf(t, true, sayProto)
	for force, want := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		assert.Equal(t, want, get(t, based(t, &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: force}), s.URL))
	}
}

func honoursProtocols(t *testing.T) {
	s, config := tlsServerOf(t, true, sayProto)
	var one, two, clear, none http.Protocols
	one.SetHTTP1(true)
	two.SetHTTP2(true)
	clear.SetUnencryptedHTTP2(true)
	assert.Equal(t, "HTTP/1.1", get(t, based(t, &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, Protocols: &one}), s.URL))
	assert.Equal(t, "HTTP/2.0", get(t, based(t, &http.Transport{TLSClientConfig: config, Protocols: &two}), s.URL))

	plain := httptest.NewUnstartedServer(http.HandlerFunc(sayProto))
	plain.Config.Protocols = &clear
	plain.Start()
	t.Cleanup(plain.Close)
	assert.Equal(t, "HTTP/2.0", get(t, based(t, &http.Transport{Protocols: &clear}), plain.URL))

	_, err := ttlpool.NewTransport(ttlpool.WithBase(&http.Transport{Protocols: &none}))
	assert.ErrorContains(t, err, "Protocols")
}

// http2Settings has a test for the settings of HTTP/2 that need something of
// us; the others go to net/http's own client connection with the whole.
var http2Settings = map[string]func(t *testing.T){
	"MaxReadFrameSize":              honoursMaxReadFrameSize,
	"StrictMaxConcurrentRequests":   refusesStrictMaxConcurrentRequests,
	"MaxDecoderHeaderTableSize":     nil,
	"MaxEncoderHeaderTableSize":     nil,
	"MaxReceiveBufferPerConnection": nil,
	"MaxReceiveBufferPerStream":     nil,
	"SendPingTimeout":               nil,
	"PingTimeout":                   nil,
	"WriteByteTimeout":              nil,
	"PermitProhibitedCipherSuites":  nil,
	"CountError":                    nil,
	"MaxConcurrentStreams":          nil, // of servers only
}

func honoursHTTP2(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[http.HTTP2Config]()) {
		test, ok := http2Settings[field.Name]
		if assert.True(t, ok, "nobody knows what becomes of HTTP2.%s", field.Name) && test != nil {
			t.Run(field.Name, test)
		}
	}
}

func honoursMaxReadFrameSize(t *testing.T) {
	stated := make(chan uint32, 1)
	server := startRaw(t, listenTCP(t), func(c *rawConn) {
		_, _ = io.ReadFull(c.in, make([]byte, len(http2.ClientPreface)))
		frame, err := http2.NewFramer(io.Discard, c.in).ReadFrame()
		if settings, ok := frame.(*http2.SettingsFrame); ok && err == nil {
			size, _ := settings.Value(http2.SettingMaxFrameSize)
			stated <- size
		}
	})
	var clear http.Protocols
	clear.SetUnencryptedHTTP2(true)
	tr := based(t, &http.Transport{Protocols: &clear, HTTP2: &http.HTTP2Config{MaxReadFrameSize: 1 << 20}})
	_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", server.url(), nil))
	assert.Error(t, err, "the server has hung up")
	assert.EqualValues(t, 1<<20, <-stated)
}

// refusesStrictMaxConcurrentRequests: a connection's limit of streams is none
// of the address here; WithMaxConnsPerHost states that.
func refusesStrictMaxConcurrentRequests(t *testing.T) {
	_, err := ttlpool.NewTransport(ttlpool.WithBase(&http.Transport{
		HTTP2: &http.HTTP2Config{StrictMaxConcurrentRequests: true},
	}))
	assert.ErrorContains(t, err, "StrictMaxConcurrentRequests")
}

func TestWhatABaseIsTaken(t *testing.T) {
	s := serverOf(t, sayProto)
	base := &http.Transport{MaxConnsPerHost: 1, DisableKeepAlives: true}
	tr := newTransport(t, ttlpool.WithBase(base), ttlpool.WithTTL(time.Minute))
	base.DisableKeepAlives = false
	get(t, tr, s.URL)
	get(t, tr, s.URL)
	assert.EqualValues(t, 2, tr.Stats().Dials, "a later change has no effect")

	_, err := ttlpool.NewTransport(ttlpool.WithBase(nil))
	assert.Error(t, err)
}

// net/http notes its own protocols in a transport that was used, or cloned.
func TestTheDefaultTransportAsABase(t *testing.T) {
	s := serverOf(t, sayProto)
	def := http.DefaultTransport.(*http.Transport)
	defer def.CloseIdleConnections()
	get(t, def, s.URL)
	for _, base := range []*http.Transport{def, def.Clone()} {
		assert.Equal(t, "HTTP/1.1", get(t, based(t, base), s.URL))
	}
}

func TestAnExplicitOptionWinsOverTheBase(t *testing.T) {
	base := ttlpool.WithBase(&http.Transport{IdleConnTimeout: time.Hour, MaxConnsPerHost: 5})
	for _, opts := range [][]ttlpool.Option{
		{base, ttlpool.WithTTL(time.Minute)},
		{ttlpool.WithTTL(time.Minute), base},
	} {
		s := serverOf(t, sayProto)
		tr := newTransport(t, opts...)
		get(t, tr, s.URL)
		assert.Equal(t, time.Minute, tr.Stats().Hosts[s.Listener.Addr().String()].TTL)
	}
}

func TestAProtocolRegisteredWithTheBase(t *testing.T) {
	base := &http.Transport{}
	base.RegisterProtocol("own", http.NewFileTransport(http.Dir(t.TempDir())))
	tr := based(t, base)
	resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "own:///nothing", nil))
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	_, err = tr.RoundTrip(newRequest(t, t.Context(), "GET", "faux://hub.test/", nil))
	assert.EqualError(t, err, `unsupported protocol scheme "faux"`)
}
