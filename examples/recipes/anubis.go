package recipes

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/ttlpool/ttlpool"
)

// Filter is a program before one target, which is a URL or a unix socket.
type Filter struct {
	Target        *url.URL      // http://host, https://host, or unix:///path
	ServerName    string        // for TLS, if it is not the target's host
	ServerTimeout time.Duration // the target's keep-alive timeout; 0: not known
}

// Proxy returns what serves the target, and its transport, to be closed.
func (f Filter) Proxy() (*httputil.ReverseProxy, *ttlpool.Transport, error) {
	base := http.DefaultTransport.(*http.Transport).Clone() // as before
	target := *f.Target
	if target.Scheme == "unix" {
		path := target.Path
		base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		target = url.URL{Scheme: "http", Host: "target"} // what errors and Stats call it
	}
	if f.ServerName != "" {
		base.TLSClientConfig = &tls.Config{ServerName: f.ServerName}
	}
	transport, err := ttlpool.NewTransport(ttlpool.WithBase(base), ttlpool.WithServerTimeout(f.ServerTimeout))
	if err != nil {
		return nil, nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: transport,
	}
	return proxy, transport, nil
}
