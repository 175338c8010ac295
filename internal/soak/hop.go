package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/ttlpool/ttlpool"
)

// A reverse proxy's answer says in this field why it has none of its backend's.
const (
	whyHeader = "X-Why"
	whyStale  = "stale"
)

// proxyError is a proxy's answer in place of its backend's.
type proxyError struct {
	status int
	why    string
}

func (p proxyError) Error() string { return fmt.Sprintf("%d, of the proxy %s", p.status, p.why) }

// startHop starts a server and a reverse proxy before it that reaches it through a
// pool of its own.
func startHop(name string, handler http.Handler) (*backend, error) {
	behind, err := startServer(name, handler, nil, nil)
	if err != nil {
		return nil, err
	}
	onward, err := ttlpool.NewTransport(ttlpool.WithServerTimeout(steadyTimeout), ttlpool.WithMargin(margin))
	if err != nil {
		behind.stop()
		return nil, err
	}
	b, err := startServer(name, reverseProxy(behind, onward), nil, nil)
	if err != nil {
		behind.stop()
		return nil, errors.Join(err, onward.Close())
	}
	b.upgrades, b.own = true, onward
	stop := b.stop
	b.stop = func() {
		stop()
		_ = onward.Close() // nobody is left to whom an error would matter
		behind.stop()
	}
	return b, nil
}

func reverseProxy(behind *backend, onward http.RoundTripper) http.Handler {
	to := &url.URL{Scheme: "http", Host: behind.address()}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: onward,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var exchange *ttlpool.ExchangeError
			w.Header().Set(whyHeader, err.Error())
			if errors.As(err, &exchange) && exchange.Stale {
				w.Header().Set(whyHeader, whyStale)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: newServer(nil).ErrorLog,
	}
}

// startH2C starts a server that speaks HTTP/2 without TLS and nothing else. The way
// to it is a transport that knows that.
func startH2C(name string, handler http.Handler) (*backend, error) {
	b, err := startServer(name, handler, nil, h2c)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	h2c(protocols)
	b.direct = true
	b.own, err = ttlpool.NewTransport(ttlpool.WithBase(&http.Transport{Protocols: protocols}),
		ttlpool.WithServerTimeout(steadyTimeout), ttlpool.WithMargin(margin))
	if err != nil {
		b.stop()
		return nil, err
	}
	stop := b.stop
	b.stop = func() {
		_ = b.own.Close() // nobody is left to whom an error would matter
		stop()
	}
	return b, nil
}
