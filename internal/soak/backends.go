package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// backend is a server, and the way to it.
type backend struct {
	name   string
	url    string
	proxy  *url.URL // or nil
	steady bool     // nothing it does is a cause for a request to fail
	hasty  bool     // it speaks out of turn so soon that nobody can tell whom it has answered (docs/staleness.md)
	// upgrades is true if a connection to it can be upgraded.
	upgrades bool
	// own is a transport that only this backend has: its way to its own backend or,
	// if direct, the workers' way to it. Or nil.
	own    *ttlpool.Transport
	direct bool
	stop   func() // ends it, and waits for that
	// failure is why it could not go on until then, once it is stopped. Or nil.
	failure error
}

func (b *backend) address() string {
	_, address, _ := strings.Cut(b.url, "://")
	return address
}

// fewConnections is the name of the backend to which their number is limited.
const fewConnections = "few connections"

// steadyTimeout is that of backends whose timeout is known.
const steadyTimeout = 2 * time.Second

// margin is what is taken off it.
const margin = steadyTimeout / 4

// startBackends starts one of each kind.
func startBackends(out io.Writer, l *ledger, certificate *realtest.Certificate) ([]*backend, error) {
	makers := []func() (*backend, error){
		func() (*backend, error) { return startUpgrading("plain", l) },
		func() (*backend, error) { return startServer(fewConnections, l, nil, nil) },
		func() (*backend, error) { return startServer("TLS", l, certificate, http1) },
		func() (*backend, error) { return startServer("HTTP/2", l, certificate, http2) },
		func() (*backend, error) { return startH2C("HTTP/2, no TLS", l) },
		func() (*backend, error) { return startHop("ReverseProxy", l) },
		func() (*backend, error) { return startProxied("through a proxy", l, nil) },
		func() (*backend, error) { return startProxied("through a tunnel", l, certificate) },
		func() (*backend, error) { return startServer("closes after 5", closingAfter(5, l), nil, nil) },
		func() (*backend, error) { return startRestarting("restarts", l) },
		func() (*backend, error) { return startUnasked("speaks out of turn", l, quiet, 2*quiet) },
		func() (*backend, error) { return startUnasked("speaks soon", l, time.Millisecond, 20*time.Millisecond) },
		func() (*backend, error) { return startNginx("nginx", l) },
		func() (*backend, error) { return startHttpd("httpd, restarts", l) },
	}
	var all []*backend
	for _, make := range makers {
		b, err := make()
		if excused(out, err) {
			continue
		}
		if err != nil {
			stopAll(all)
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// excused reports whether a backend may be missing, and says so loudly: its server
// is not on this machine. Where the environment variable CI is set that is no
// excuse.
func excused(out io.Writer, err error) bool {
	if !errors.Is(err, realtest.ErrNotInstalled) || os.Getenv("CI") != "" {
		return false
	}
	fmt.Fprintf(out, "NOT TESTED: %v\n\n", err)
	return true
}

func stopAll(backends []*backend) {
	for _, b := range backends {
		b.stop()
	}
}

func http1(p *http.Protocols) { p.SetHTTP1(true) }
func http2(p *http.Protocols) { p.SetHTTP2(true) }
func h2c(p *http.Protocols)   { p.SetUnencryptedHTTP2(true) }

// newServer returns a server that is silent about its clients' faults.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, IdleTimeout: steadyTimeout, ErrorLog: log.New(io.Discard, "", 0)}
}

// startServer starts a server; without a certificate it is one without TLS.
func startServer(name string, handler http.Handler, certificate *realtest.Certificate, protocols func(*http.Protocols)) (*backend, error) {
	return start(name, newServer(handler), certificate, protocols)
}

// startUpgrading starts a plain one whose connections can be upgraded.
func startUpgrading(name string, handler http.Handler) (*backend, error) {
	b, err := startServer(name, handler, nil, nil)
	if err == nil {
		b.upgrades = true
	}
	return b, err
}

func start(name string, server *http.Server, certificate *realtest.Certificate, protocols func(*http.Protocols)) (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, closes := server.Handler.(*closer)
	b := &backend{name: name, url: "http://" + listener.Addr().String(), steady: !closes}
	if closes {
		server.ConnContext = withUses
	}
	serve := server.Serve
	if protocols != nil {
		server.Protocols = new(http.Protocols)
		protocols(server.Protocols)
	}
	if certificate != nil {
		pair, err := certificate.Pair()
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		b.url = "https://" + listener.Addr().String()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve(listener) // until it is closed
	}()
	b.stop = func() {
		_ = server.Close()
		<-ended
	}
	return b, nil
}

// closer closes a connection with its last answer, without saying so.
type closer struct {
	most   int
	ledger *ledger
}

func closingAfter(n int, l *ledger) http.Handler { return &closer{n, l} }

// uses is the key of a connection's count of requests.
type uses struct{}

func withUses(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, uses{}, new(int))
}

func (c *closer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	n := req.Context().Value(uses{}).(*int)
	if *n++; *n < c.most {
		c.ledger.ServeHTTP(w, req)
		return
	}
	got, err := readSum(req.Body)
	if err != nil {
		return
	}
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = c.ledger.answer(out.Writer, req, got) // the client sees it, too
}
