package behaviour

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait. It is never waited out where all is well.
const patience = time.Minute

// env is what a run finds: who is examined, and in which mode.
type env struct {
	t    *testing.T
	mode mode
	contestant
	ctx context.Context // ends with the test, or when patience does
}

func newEnv(t *testing.T, m mode, c contestant) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &env{t: t, mode: m, contestant: c, ctx: ctx}
}

// server is an HTTP server that speaks one mode.
type server struct {
	*httptest.Server
	conns *connections
	addr  string // host:port
}

// serve starts a server in the mode of the run. adjust may change it before it starts.
func (e *env) serve(h http.HandlerFunc, adjust ...func(*httptest.Server)) *server {
	return e.serveIn(e.mode, h, adjust...)
}

// serveIn starts a server in a mode of its own.
func (e *env) serveIn(m mode, h http.HandlerFunc, adjust ...func(*httptest.Server)) *server {
	s := &server{Server: httptest.NewUnstartedServer(h), conns: newConnections()}
	s.Config.ConnState = s.conns.note
	s.Config.Protocols = protocolsFor(m)
	s.EnableHTTP2 = m == h2
	for _, a := range adjust {
		a(s.Server)
	}
	if m.tls() {
		s.StartTLS()
	} else {
		s.Start()
	}
	e.t.Cleanup(s.Close)
	s.addr = s.Listener.Addr().String()
	return s
}

func protocolsFor(m mode) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(!m.http2() || m == h2) // which ALPN then decides
	p.SetHTTP2(m == h2)
	p.SetUnencryptedHTTP2(m == h2c)
	return p
}

// trusted holds the certificate of every test server; it is for example.com and the loopback addresses.
var trusted = sync.OnceValue(func() *x509.CertPool {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
})

// base returns the settings of a transport that speaks the mode.
func (e *env) base(adjust ...func(*http.Transport)) *http.Transport {
	base := &http.Transport{
		Protocols:       protocolsFor(e.mode),
		TLSClientConfig: &tls.Config{RootCAs: trusted()},
	}
	for _, a := range adjust {
		a(base)
	}
	return base
}

// transport makes the transport that is examined.
func (e *env) transport(adjust ...func(*http.Transport)) http.RoundTripper {
	return e.make(e.t, e.base(adjust...))
}

// client makes a client on the transport that is examined.
func (e *env) client(adjust ...func(*http.Transport)) *http.Client {
	return &http.Client{Transport: e.transport(adjust...)}
}

// request makes a request that ends with the test.
func (e *env) request(method, url string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(e.ctx, method, url, body)
	require.NoError(e.t, err)
	return req
}

// reply is a response that has been read to its end.
type reply struct {
	*http.Response
	body string
}

// do sends a request and reads the response to its end.
func (e *env) do(c *http.Client, req *http.Request) reply {
	e.t.Helper()
	resp, err := c.Do(req)
	require.NoError(e.t, err)
	return e.readAll(resp)
}

// readAll reads a response to its end and closes it.
func (e *env) readAll(resp *http.Response) reply {
	e.t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(e.t, err)
	require.NoError(e.t, resp.Body.Close())
	return reply{resp, string(body)}
}

func (e *env) get(c *http.Client, url string) reply {
	e.t.Helper()
	return e.do(c, e.request("GET", url, nil))
}

func (e *env) post(c *http.Client, url string, body io.Reader) reply {
	e.t.Helper()
	return e.do(c, e.request("POST", url, body))
}

// open sends a request whose response the caller reads. It is closed in the end.
func (e *env) open(c *http.Client, req *http.Request) *http.Response {
	e.t.Helper()
	resp, err := c.Do(req)
	require.NoError(e.t, err)
	e.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// fail sends a request and returns the error that it must come to, without the client's wrapping.
func (e *env) fail(c *http.Client, req *http.Request) error {
	e.t.Helper()
	resp, err := c.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	require.Error(e.t, err)
	var wrapped *url.Error
	require.ErrorAs(e.t, err, &wrapped)
	return wrapped.Err
}

// dialsTo makes all connections lead to one address, and notes which were asked for. They are the kernel's sockets, as
// they would be otherwise.
func dialsTo(addr string, asked *record) func(*http.Transport) {
	return func(base *http.Transport) {
		base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if asked != nil {
				asked.add(address)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	}
}

// ok is a handler that answers with nothing.
func ok(http.ResponseWriter, *http.Request) {}

// failsToDial makes every dial fail.
func failsToDial(err error) func(*http.Transport) {
	return func(base *http.Transport) {
		base.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
}

// atOnce runs n calls at once, none of which may fail.
func (e *env) atOnce(n int, call func() error) {
	e.t.Helper()
	failed := make(chan error, n)
	var running sync.WaitGroup
	for range n {
		running.Go(func() { failed <- call() })
	}
	running.Wait()
	for range n {
		require.NoError(e.t, <-failed)
	}
}

// closeIdle closes idle connections until the server has none. With http.Transport those of HTTP/2 may become idle long
// after their last request, of which nothing tells.
func (s *server) closeIdle(t *testing.T, c *http.Client) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.CloseIdleConnections()
		return s.conns.count().open == 0
	}, patience, time.Millisecond)
}
