package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// legSpec is one contestant: the transport that its proxy uses.
type legSpec struct {
	name  string // of one word, for ids and JSON
	title [2]string
	build func(base *http.Transport, ttl time.Duration) (upstream, error)
}

// upstream is a transport that can be disposed of.
type upstream interface {
	http.RoundTripper
	Close() error
}

func legSpecs(ttl time.Duration) []legSpec {
	return []legSpec{
		{"plain", [2]string{"http.Transport", "as is"}, newPlain},
		{"idle", [2]string{"http.Transport", "idle " + ttl.String()}, newIdle},
		{"ttlpool", [2]string{"ttlpool", "TTL " + ttl.String()}, newTTLPool},
	}
}

type stdTransport struct{ *http.Transport }

func (t stdTransport) Close() error {
	t.CloseIdleConnections()
	return nil
}

func newPlain(base *http.Transport, _ time.Duration) (upstream, error) {
	return stdTransport{base}, nil
}

func newIdle(base *http.Transport, ttl time.Duration) (upstream, error) {
	base.IdleConnTimeout = ttl
	return stdTransport{base}, nil
}

// target is the server behind the proxies.
type target struct {
	url               *url.URL
	addrs             []string // lane n is served by address n modulo their number
	getPath, postPath string
	isOurHub          bool // so that we know what it should answer
}

// leg is a reverse proxy with one transport. Its address serves all of its lanes: a lane is an upstream host of its
// own to the transport, so that its connection is used by one worker only, which thus knows how long it has been idle.
type leg struct {
	spec      legSpec
	base      string // URL of the proxy
	client    *http.Client
	dials     atomic.Int64
	requests  atomic.Int64
	failures  atomic.Int64
	transport upstream
	server    *http.Server
	served    chan struct{}
}

func startLeg(spec legSpec, to target, ttl time.Duration) (*leg, error) {
	l := &leg{spec: spec, served: make(chan struct{})}
	transport, err := spec.build(l.baseTransport(to), ttl)
	if err != nil {
		return nil, fmt.Errorf("transport %s: %w", spec.name, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		_ = transport.Close()
		return nil, fmt.Errorf("proxy: %w", err)
	}
	l.transport = transport
	l.base = "http://" + listener.Addr().String()
	// Nothing times out between the workers and the proxy: the hop under test is the one behind it.
	l.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1 << 20}}
	l.server = &http.Server{Handler: l.proxy(to), ErrorLog: silent()}
	go func() {
		defer close(l.served)
		_ = l.server.Serve(listener)
	}()
	return l, nil
}

func (l *leg) close() {
	l.client.CloseIdleConnections()
	_ = l.server.Close()
	<-l.served
	_ = l.transport.Close()
}

// baseTransport is net/http's default, made fit for a proxy: as many idle connections as there is use for.
func (l *leg) baseTransport(to target) *http.Transport {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy = nil
	base.MaxIdleConns = 0
	base.MaxIdleConnsPerHost = 8
	base.ForceAttemptHTTP2 = false // the race is one of HTTP/1.1
	base.TLSClientConfig = &tls.Config{ServerName: to.url.Hostname()}
	var dialer net.Dialer
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		lane, err := laneOf(addr)
		if err != nil {
			return nil, err
		}
		l.dials.Add(1)
		return dialer.DialContext(ctx, network, to.addrs[lane%len(to.addrs)])
	}
	return base
}

func (l *leg) proxy(to target) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:     l.transport,
		FlushInterval: -1,
		ErrorLog:      silent(),
		ErrorHandler:  answerFailure,
		Rewrite: func(r *httputil.ProxyRequest) {
			_, lane, _ := strings.Cut(r.In.Header.Get(callHeader), ".")
			lane, _, _ = strings.Cut(lane, ".")
			r.Out.URL.Scheme = to.url.Scheme
			r.Out.URL.Host = "lane-" + lane
			r.Out.Host = to.url.Host
		},
	}
}

// laneOf takes the lane from the address that the transport wants to dial, "lane-7:80".
func laneOf(addr string) (int, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	lane, err := strconv.Atoi(strings.TrimPrefix(host, "lane-"))
	if err != nil {
		return 0, fmt.Errorf("address of no lane: %w", err)
	}
	return lane, nil
}

// failureHeader marks the proxy's own 502 and names the kind of failure; the body is the error's text.
const failureHeader = "Race-Failure"

func answerFailure(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set(failureHeader, string(classify(err)))
	w.WriteHeader(http.StatusBadGateway)
	_, _ = io.WriteString(w, err.Error())
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }
