package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// proxy is measured in three processes: who asks, httputil.ReverseProxy over
// the client, and the server. CPU time and allocations are the proxy's, its
// own server and net/http's ReverseProxy included.
const proxy = "ReverseProxy"

const proxyWorkers = 16

var proxyRows = []row{
	{"GET small", client.Job{Path: server.Small, Workers: proxyWorkers, Hosts: 1}},
	{"GET 64 KiB", client.Job{Path: server.KiB64, Workers: proxyWorkers, Hosts: 1}},
	{"POST 1 KiB", client.Job{Path: server.Small, Workers: proxyWorkers, Hosts: 1, Body: 1 << 10}},
}

const proxyExchanges = 5_000

func (b *bench) measureProxy() error {
	s, addresses, err := startServer()
	if err != nil {
		return err
	}
	defer s.Stop()
	for _, r := range proxyRows {
		if !b.rows.matches(r.name) {
			continue
		}
		b.progress(r.name)
		if err := b.measureProxyRow(r, addresses); err != nil {
			return err
		}
		b.show(r.name, "cpu-ns/op", "requests/s", "allocs/op", "process-bytes")
	}
	return nil
}

// proxied is a proxy that is at work, and who asks it.
type proxied struct {
	client  *client.Client
	process *child.Process
	workers []client.Worker
}

func (b *bench) measureProxyRow(r row, addresses server.Addresses) error {
	var all []proxied
	for _, c := range b.who(r.job, client.Transport, client.TTLPool) {
		p, err := child.Start(proxyRole, proxyArg{c.Name, addresses.Plain})
		if err != nil {
			return err
		}
		defer p.Stop()
		var front server.Addresses
		if err := p.Call("address", &front.Plain); err != nil {
			return err
		}
		workers, stop, err := client.FastHTTP.Start(r.job, front)
		if err != nil {
			return err
		}
		defer stop()
		if err := share(workers, proxyExchanges/2); err != nil {
			return err
		}
		all = append(all, proxied{c, p, workers})
	}
	for round := range b.rounds {
		for i := range all {
			p := all[(round+i)%len(all)]
			values, err := p.run()
			if err != nil {
				return err
			}
			if err := b.add(r.name, p.client.Name, proxyExchanges, values...); err != nil {
				return err
			}
		}
	}
	return nil
}

// usage is what a proxy has used up so far.
type usage struct {
	CPU     time.Duration
	Mallocs uint64
	Memory  float64
}

func (p proxied) run() ([]results.Value, error) {
	var before, after usage
	if err := p.process.Call("usage", &before); err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := share(p.workers, proxyExchanges); err != nil {
		return nil, err
	}
	took := time.Since(begun)
	if err := p.process.Call("usage", &after); err != nil {
		return nil, err
	}
	return []results.Value{
		{Value: float64(after.CPU-before.CPU) / proxyExchanges, Unit: "cpu-ns/op"},
		{Value: proxyExchanges / took.Seconds(), Unit: "requests/s"},
		{Value: float64(after.Mallocs-before.Mallocs) / proxyExchanges, Unit: "allocs/op"},
		{Value: after.Memory, Unit: "process-bytes"},
	}, nil
}

// proxyRole is the reverse proxy.
const proxyRole = "proxy"

type proxyArg struct{ Client, Backend string }

func proxyChild(encoded json.RawMessage) (child.Commands, func(), error) {
	var arg proxyArg
	if err := json.Unmarshal(encoded, &arg); err != nil {
		return nil, nil, err
	}
	c, err := client.Named(arg.Client)
	if err != nil {
		return nil, nil, err
	}
	transport, stop, err := c.RoundTripper(client.Base(arg.Backend, 2*proxyWorkers))
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		stop()
		return nil, nil, err
	}
	front := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: reverseProxy(transport, arg.Backend)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = front.Serve(listener) // returns when it is closed
	}()
	return child.Commands{
		"address": func() (any, error) { return listener.Addr().String(), nil },
		"usage":   func() (any, error) { return usage{cpuTime(), mallocs(), processBytes()}, nil },
	}, func() { _ = front.Close(); <-ended; stop() }, nil
}

func reverseProxy(transport http.RoundTripper, backend string) http.Handler {
	target := &url.URL{Scheme: "http", Host: backend}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		ErrorLog:  log.New(io.Discard, "", 0), // a failure is a 502, which who asks takes for one
	}
}
