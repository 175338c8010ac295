package main

import (
	"encoding/json"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// cpu is measured with the server in another process, and with each client in a
// new one, so that its CPU time and memory are its own.
const cpu = "CPU"

var cpuRows = []row{
	{"GET small, sequential", client.Job{Path: server.Small, Workers: 1, Hosts: 1}},
	{"GET small, 16 workers", client.Job{Path: server.Small, Workers: 16, Hosts: 1}},
	{"GET small, 256 workers", client.Job{Path: server.Small, Workers: 256, Hosts: 1}},
	{"TLS 1.3 GET small, 16 workers", client.Job{Path: server.Small, Workers: 16, Hosts: 1, Protocol: client.HTTPS}},
	{"POST 1 KiB, 16 workers", client.Job{Path: server.Small, Workers: 16, Hosts: 1, Body: 1 << 10}},
}

// cpuExchanges are as many as take a few tenths of a second.
const cpuExchanges = 15_000

func (b *bench) measureCPU() error {
	s, addresses, err := startServer()
	if err != nil {
		return err
	}
	defer s.Stop()
	for _, r := range cpuRows {
		if !b.rows.matches(r.name) {
			continue
		}
		b.progress(r.name)
		who := b.who(r.job, client.All...)
		for round := range b.rounds {
			for i := range who {
				c := who[(round+i)%len(who)]
				values, err := runClient(clientArg{c.Name, r.job, addresses})
				if err != nil {
					return err
				}
				if err := b.add(r.name, c.Name, cpuExchanges, values...); err != nil {
					return err
				}
			}
		}
		b.show(r.name, "cpu-ns/op", "ns/op", "B/op", "process-bytes")
	}
	return nil
}

// clientRole is a client in a process of its own.
const clientRole = "client"

type clientArg struct {
	Client    string
	Job       client.Job
	Addresses server.Addresses
}

func runClient(arg clientArg) (values []results.Value, err error) {
	p, err := child.Start(clientRole, arg)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	err = p.Call("run", &values)
	return values, err
}

func clientChild(encoded json.RawMessage) (child.Commands, func(), error) {
	var arg clientArg
	if err := json.Unmarshal(encoded, &arg); err != nil {
		return nil, nil, err
	}
	c, err := client.Named(arg.Client)
	if err != nil {
		return nil, nil, err
	}
	workers, stop, err := c.Start(arg.Job, arg.Addresses)
	if err != nil {
		return nil, nil, err
	}
	return child.Commands{"run": func() (any, error) {
		s := &subject{client: c, workers: workers}
		if err := share(workers, cpuExchanges/10); err != nil { // connections are made, buffers have grown
			return nil, err
		}
		values, err := s.run(cpuExchanges)
		return append(values, results.Value{Value: processBytes(), Unit: "process-bytes"}), err
	}}, stop, nil
}

// processBytes is the memory that the Go runtime has taken from the system and
// not given back.
func processBytes() float64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}

// serverRole is the server in a process of its own.
const serverRole = "server"

func serverChild(json.RawMessage) (child.Commands, func(), error) {
	s, err := server.Start()
	if err != nil {
		return nil, nil, err
	}
	return child.Commands{
		"addresses":   func() (any, error) { return s.Addresses, nil },
		"connections": func() (any, error) { return s.Connections(), nil },
		"disconnect":  func() (any, error) { s.Disconnect(); return time.Now(), nil },
	}, func() { _ = s.Close() }, nil
}

func startServer() (p *child.Process, addresses server.Addresses, err error) {
	if p, err = child.Start(serverRole, nil); err != nil {
		return nil, addresses, err
	}
	return p, addresses, p.Call("addresses", &addresses)
}

// mallocs is how many objects this process has allocated.
func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}
