package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/internal/realtest"
)

// startProxied starts a server and a proxy before it, which forwards requests, or
// with a certificate tunnels connections.
func startProxied(name string, handler http.Handler, certificate *realtest.Certificate) (*backend, error) {
	behind := newServer(handler)
	if certificate == nil {
		behind.IdleTimeout = 0 // it is not the way from the proxy to it that is looked at
	}
	b, err := start(name, behind, certificate, http1)
	if err != nil {
		return nil, err
	}
	onward := &http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: 100 * time.Millisecond}
	p := &proxy{forward: &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: onward, ErrorLog: newServer(nil).ErrorLog}}
	before, err := startServer(name, p, nil, nil)
	if err != nil {
		b.stop()
		return nil, err
	}
	stop := b.stop
	b.stop = func() {
		before.stop()
		stop()
		p.tunnels.Wait()
		onward.CloseIdleConnections()
	}
	b.proxy, err = url.Parse(before.url)
	return b, err
}

type proxy struct {
	forward *httputil.ReverseProxy
	tunnels sync.WaitGroup
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		p.forward.ServeHTTP(w, req)
		return
	}
	far, err := net.DialTimeout("tcp", req.Host, 10*time.Second)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	p.tunnels.Go(func() { tunnel(near.(*net.TCPConn), far.(*net.TCPConn)) })
}

// tunnel carries both directions to their ends.
func tunnel(near, far *net.TCPConn) {
	defer near.Close()
	defer far.Close()
	var both sync.WaitGroup
	carry := func(to, from *net.TCPConn) {
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
	}
	both.Go(func() { carry(near, far) })
	both.Go(func() { carry(far, near) })
	both.Wait()
}
