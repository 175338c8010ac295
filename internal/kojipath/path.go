package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// The timers are a tenth of those of the real path, whose proxies close idle
// connections after 15 s and the hub after 16; mod_proxy's ttl=10 becomes 1.
const (
	proxyTimeout = 1500 * time.Millisecond
	hubTimeout   = 1600 * time.Millisecond
	httpdTTL     = time.Second

	// delay is how long anything is under way to the inner proxy, and from there
	// to the hub, each way.
	delay = 20 * time.Millisecond
)

// variant is a way to configure the path.
type variant struct {
	name    string
	ttlpool bool          // in the Go hop, instead of http.Transport
	ttl     time.Duration // of mod_proxy; 0: not stated
}

var variants = []variant{
	{name: "as it was"},
	{name: "ttl= in mod_proxy", ttl: httpdTTL},
	{name: "ttlpool in the Go hop", ttlpool: true},
	{name: "both", ttlpool: true, ttl: httpdTTL},
}

// path is what a request goes through:
//
//	client → outer httpd → Go → (line) → inner httpd → (line) → hub
type path struct {
	outer, hop, inner, hub *realtest.Server
	toInner, toHub         *line
	closeTransport         func()

	mu     sync.Mutex // guards failed
	failed map[string]error
}

// startPath starts all of it, with a pool of connections for each lane at every
// hop that can race.
func startPath(v variant, lanes int) (p *path, err error) {
	p = &path{failed: make(map[string]error)}
	defer func() {
		if err != nil {
			_ = p.close()
		}
	}()
	if p.hub, err = realtest.Run(realtest.Apache{KeepAliveTimeout: hubTimeout, Processes: 1}); err != nil {
		return p, err
	}
	if p.toHub, err = newLine(p.hub.Address, delay); err != nil {
		return p, err
	}
	p.inner, err = realtest.Run(realtest.Apache{
		KeepAliveTimeout: proxyTimeout, Processes: 1,
		Backend: p.toHub.address(), BackendTTL: v.ttl, BackendPools: lanes,
	})
	if err != nil {
		return p, err
	}
	if p.toInner, err = newLine(p.inner.Address, delay); err != nil {
		return p, err
	}
	handler, err := p.reverseProxy(v)
	if err != nil {
		return p, err
	}
	if p.hop, err = realtest.Run(realtest.Go{Handler: handler}); err != nil { // which never closes, as Anubis
		return p, err
	}
	p.outer, err = realtest.Run(realtest.Apache{
		KeepAliveTimeout: proxyTimeout, Processes: 1, Backend: p.hop.Address, BackendTTL: v.ttl,
	})
	return p, err
}

// reverseProxy is the Go hop. For its transport each lane is a host.
func (p *path) reverseProxy(v variant) (http.Handler, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy = nil
	base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.toInner.address())
	}
	var transport http.RoundTripper = base
	p.closeTransport = base.CloseIdleConnections
	if v.ttlpool {
		pooled, err := ttlpool.NewTransport(ttlpool.WithBase(base), ttlpool.WithServerTimeout(proxyTimeout))
		if err != nil {
			return nil, err
		}
		transport, p.closeTransport = pooled, func() { _ = pooled.Close() }
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			lane, _, _ := strings.Cut(strings.TrimPrefix(r.In.URL.Path, "/"), "/")
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "lane-"+lane+".inner"
		},
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			p.mu.Lock()
			p.failed[req.Header.Get(idHeader)] = err
			p.mu.Unlock()
			w.WriteHeader(http.StatusBadGateway)
		},
	}, nil
}

// failedInHop returns the error of the Go hop's transport.
func (p *path) failedInHop(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed[id]
}

// stop ends the servers, so that their logs are complete.
func (p *path) stop() error {
	var errs []error
	for _, server := range []*realtest.Server{p.outer, p.hop, p.inner, p.hub} {
		if server != nil {
			errs = append(errs, server.Stop())
		}
	}
	if p.closeTransport != nil {
		p.closeTransport()
	}
	for _, line := range []*line{p.toInner, p.toHub} {
		if line != nil {
			errs = append(errs, line.close())
		}
	}
	p.toInner, p.toHub = nil, nil
	return errors.Join(errs...)
}

// close ends everything, and removes the servers' files.
func (p *path) close() error {
	errs := []error{p.stop()}
	for _, server := range []*realtest.Server{p.outer, p.hop, p.inner, p.hub} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
