package recipes

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a handler until the end of the test.
func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// post posts, and returns what comes of it.
func post(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(url, "text/xml", io.NopCloser(strings.NewReader("<methodCall/>")))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func tell(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	_, _ = io.WriteString(w, req.Method+" "+req.Host+" "+req.URL.Path+" "+string(body))
}

// restartable is a backend on a unix socket.
func restartable(t *testing.T, path string, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	server.Start()
	return server
}

func TestAFilterBeforeAUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // the test's own would be too long for a socket
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "hub")
	backend := restartable(t, path, tell)
	proxy, transport, err := Filter{Target: parsed(t, "unix://"+path), ServerTimeout: 16 * time.Second}.Proxy()
	require.NoError(t, err)
	defer transport.Close()
	front := serve(t, proxy)
	host := front.Listener.Addr().String()

	status, body := post(t, front.URL+"/kojihub")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "POST "+host+" /kojihub <methodCall/>", body)
	assert.Equal(t, 15*time.Second, transport.Stats().Hosts["target:80"].TTL)

	backend.Close() // a restart closes what is idle
	backend = restartable(t, path, tell)
	defer backend.Close()
	status, _ = post(t, front.URL+"/kojihub")
	assert.Equal(t, http.StatusOK, status)
	assert.Zero(t, transport.Stats().NotRetried)
}

func TestAFilterNamesTheServerOfItsTarget(t *testing.T) {
	named := make(chan string, 1)
	backend := httptest.NewUnstartedServer(http.HandlerFunc(tell))
	backend.Config.ErrorLog = log.New(io.Discard, "", 0)
	backend.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		named <- hello.ServerName
		return nil, nil
	}}
	backend.StartTLS()
	defer backend.Close()
	proxy, transport, err := Filter{Target: parsed(t, backend.URL), ServerName: "example.com"}.Proxy()
	require.NoError(t, err)
	defer transport.Close()
	failed := make(chan error, 1)
	proxy.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) { failed <- err }
	post(t, serve(t, proxy).URL)
	assert.Equal(t, "example.com", <-named)
	assert.ErrorContains(t, <-failed, "certificate", "nobody vouches for it here")

	proxy, transport, err = Filter{Target: parsed(t, backend.URL), ServerTimeout: -1}.Proxy()
	assert.ErrorContains(t, err, "server timeout is negative")
	assert.Nil(t, proxy)
	assert.Nil(t, transport)
}

func TestEachUpstreamHasItsOwnTransport(t *testing.T) {
	plain := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, "plain "+req.Header.Get("X-Signed"))
	}))
	secure := httptest.NewTLSServer(http.HandlerFunc(tell))
	defer secure.Close()
	released := make(chan struct{})
	stream := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-released
	}))
	upstreams, err := NewUpstreams([]Upstream{
		{Path: "/", URL: parsed(t, plain.URL), ServerTimeout: 5 * time.Second},
		{Path: "/secure/", URL: parsed(t, secure.URL), InsecureSkipVerify: true},
		{Path: "/stream", URL: parsed(t, stream.URL), FlushInterval: -1},
	}, func(req *http.Request) { req.Header.Set("X-Signed", "yes") })
	require.NoError(t, err)
	defer func() { assert.NoError(t, upstreams.Close()) }()
	front := serve(t, upstreams)

	_, body := post(t, front.URL+"/any")
	assert.Equal(t, "plain yes", body)
	_, body = post(t, front.URL+"/secure/x")
	assert.Contains(t, body, "/secure/x <methodCall/>")
	assert.Equal(t, 4*time.Second, upstreams.transports[0].Stats().Hosts[plain.Listener.Addr().String()].TTL)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(front.URL + "/stream")
	require.NoError(t, err)
	defer resp.Body.Close()
	first := make([]byte, len("first"))
	_, err = io.ReadFull(resp.Body, first)
	require.NoError(t, err, "it is passed on at once")
	close(released)

	_, err = NewUpstreams([]Upstream{{Path: "/", URL: parsed(t, plain.URL)}, {Path: "/bad", ServerTimeout: -1}}, nil)
	assert.ErrorContains(t, err, "upstream /bad: ttlpool: server timeout is negative")
}

// get makes a request as a handler of some configuration does.
func get(t *testing.T, transport http.RoundTripper, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	return resp
}

func discard(t *testing.T, resp *http.Response) {
	t.Helper()
	_, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

func TestAManagerReplacesWhatHasChanged(t *testing.T) {
	backend := serve(t, http.HandlerFunc(tell))
	var m Manager
	configuration := map[string]ServersTransport{
		"kept":    {ServerTimeout: 16 * time.Second},
		"changed": {IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 7, DisableHTTP2: true},
		"gone":    {},
	}
	require.NoError(t, m.Update(configuration))
	before := make(map[string]*managed)
	for name := range configuration {
		transport, err := m.Get(name)
		require.NoError(t, err)
		before[name] = transport.(*managed)
		discard(t, get(t, transport, backend.URL))
		require.Equal(t, 1, before[name].Stats().Idle)
	}
	inFlight := get(t, before["changed"], backend.URL)

	require.NoError(t, m.Update(map[string]ServersTransport{
		"kept": {ServerTimeout: 16 * time.Second}, "changed": {IdleConnTimeout: 10 * time.Second},
	}))
	kept, err := m.Get("kept")
	require.NoError(t, err)
	assert.Same(t, before["kept"], kept)
	assert.Equal(t, 1, before["kept"].Stats().Idle)
	_, err = m.Get("gone")
	assert.EqualError(t, err, "no servers transport gone")
	assert.Zero(t, before["gone"].Stats().Open)

	discard(t, get(t, before["changed"], backend.URL)) // of a handler that has it still
	discard(t, inFlight)
	requireNoneOpen(t, before["changed"].Transport)
	changed, err := m.Get("changed")
	require.NoError(t, err)
	assert.NotSame(t, before["changed"], changed)

	err = m.Update(map[string]ServersTransport{"kept": {ServerTimeout: -1}})
	assert.ErrorContains(t, err, "servers transport kept: ttlpool: server timeout is negative")
	still, err := m.Get("kept")
	require.NoError(t, err)
	assert.Same(t, kept, still)
	require.NoError(t, m.Update(nil))
	requireNoneOpen(t, before["kept"].Transport)
}

func TestUpdatesThatComeAtOnceLeaveNoTransportBehind(t *testing.T) {
	var (
		m    Manager
		all  sync.WaitGroup
		seen = make(chan *managed, 1000)
	)
	for worker := range 4 {
		all.Go(func() {
			for i := range 100 {
				wanted := ServersTransport{MaxIdleConnsPerHost: 1000*worker + i + 1}
				assert.NoError(t, m.Update(map[string]ServersTransport{"hub": wanted}))
				transport, err := m.Get("hub")
				assert.NoError(t, err)
				seen <- transport.(*managed)
			}
		})
	}
	all.Wait()
	close(seen)
	current, err := m.Get("hub")
	require.NoError(t, err)
	for transport := range seen {
		require.Equal(t, transport != current, transport.retired.Load())
	}
}

// requireNoneOpen waits for what ends when a response has.
func requireNoneOpen(t *testing.T, transport *ttlpool.Transport) {
	t.Helper()
	require.Eventually(t, func() bool { return transport.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
}

// What a wrapper does to a request must not take away its second try.
func TestASignedRequestIsSentAgain(t *testing.T) {
	seen := make(chan string, 3)
	var count atomic.Int32
	backend := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		seen <- string(body)
		if count.Add(1) == 2 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				_ = conn.Close()
			}
		}
	}))
	upstreams, err := NewUpstreams([]Upstream{{Path: "/", URL: parsed(t, backend.URL)}},
		func(req *http.Request) { req.Header.Set("Idempotency-Key", "signed") })
	require.NoError(t, err)
	defer func() { assert.NoError(t, upstreams.Close()) }()
	front := serve(t, upstreams)
	for range 2 {
		status, _ := post(t, front.URL)
		assert.Equal(t, http.StatusOK, status)
	}
	require.Len(t, seen, 3)
	for range 3 {
		assert.Equal(t, "<methodCall/>", <-seen)
	}
}
