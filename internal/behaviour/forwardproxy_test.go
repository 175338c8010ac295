package behaviour

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// forwardProxy is an HTTP proxy: it forwards requests in absolute form, and makes tunnels by CONNECT.
type forwardProxy struct {
	*server
	asked   record           // method, target and credentials of each request
	headers chan http.Header // of the CONNECTs
	answer  http.HandlerFunc // instead of a tunnel; or nil
	to      string           // where it leads, whatever was asked for; or where it was asked to

	tunnels sync.WaitGroup
}

// serveProxy starts a proxy that is spoken to in HTTP/1.1, with TLS or without.
func (e *env) serveProxy(m mode, to string) *forwardProxy {
	p := &forwardProxy{headers: make(chan http.Header, 16), to: to}
	e.t.Cleanup(p.tunnels.Wait) // after the server has been closed
	p.server = e.serveIn(m, p.serve, func(s *httptest.Server) { s.TLS = serverTLS().Clone() })
	return p
}

// url is the proxy's, with a user where there is one.
func (p *forwardProxy) url(user ...string) *url.URL {
	u, _ := url.Parse(p.URL)
	switch len(user) {
	case 1:
		u.User = url.User(user[0])
	case 2:
		u.User = url.UserPassword(user[0], user[1])
	}
	return u
}

// through makes all requests go through the proxy.
func (p *forwardProxy) through(user ...string) func(*http.Transport) {
	return func(base *http.Transport) { base.Proxy = http.ProxyURL(p.url(user...)) }
}

func (p *forwardProxy) serve(w http.ResponseWriter, r *http.Request) {
	p.asked.add(strings.TrimSpace(r.Method + " " + r.RequestURI + " " + credentials(r)))
	switch {
	case r.Method != http.MethodConnect && p.answer != nil:
		p.answer(w, r)
	case r.Method != http.MethodConnect:
		p.forward(w, r)
	default:
		p.headers <- r.Header
		if p.answer != nil {
			p.answer(w, r)
			return
		}
		p.connect(w, r)
	}
}

// credentials returns what the client says of itself to the proxy.
func credentials(r *http.Request) string {
	_, encoded, ok := strings.Cut(r.Header.Get("Proxy-Authorization"), "Basic ")
	if !ok {
		return ""
	}
	text, _ := base64.StdEncoding.DecodeString(encoded)
	return string(text)
}

// target is the address behind the proxy.
func (p *forwardProxy) target(asked string) string {
	if p.to != "" {
		return p.to
	}
	return asked
}

func (p *forwardProxy) forward(w http.ResponseWriter, r *http.Request) {
	tr := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	dialsTo(p.target(r.URL.Host), nil)(tr)
	r.Header.Del("Proxy-Authorization")
	resp, err := tr.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (p *forwardProxy) connect(w http.ResponseWriter, r *http.Request) {
	p.tunnels.Add(1) // before the server forgets this connection
	defer p.tunnels.Done()
	behind, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target(r.Host))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = behind.Close()
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	join(conn, behind)
}

// join carries bytes both ways until either side ends.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}

// proxyURL parses an address that is known to be one.
func proxyURL(t *testing.T, text string) *url.URL {
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}
