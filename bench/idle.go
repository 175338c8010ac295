package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/figures"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// idle is what connections cost that are not in use, in a process that does
// nothing else. Those of a raw socket, over TLS if the others are, are what the
// others have to hold in any case.
const idle = "Idle"

var idleProtocols = []struct {
	name     string
	protocol client.Protocol
}{
	{"plaintext", client.HTTP1},
	{"TLS 1.3", client.HTTPS},
	{"HTTP/2", client.HTTP2},
}

var idleCounts = []int{100, 1_000, 10_000}

func (b *bench) measureIdle() error {
	s, addresses, err := startServer()
	if err != nil {
		return err
	}
	defer s.Stop()
	for _, p := range idleProtocols {
		for _, n := range idleCounts {
			row := idleRow(p.name, n)
			if !b.rows.matches(row) {
				continue
			}
			b.progress(row)
			if err := b.measureIdleRow(row, idleArg{Protocol: p.protocol, Connections: n, Addresses: addresses}); err != nil {
				return err
			}
			b.show(row, "heap-B/conn", "stack-B/conn", "goroutines/conn")
		}
	}
	return nil
}

func idleRow(protocol string, connections int) string {
	return fmt.Sprintf("%s, %s connections", protocol, figures.Thousands(connections))
}

// measureIdleRow measures three times at most: memory hardly varies.
func (b *bench) measureIdleRow(row string, arg idleArg) error {
	rounds := min(b.rounds, 3)
	if arg.Connections >= 10_000 {
		rounds = 1
	}
	for range rounds {
		for _, c := range b.who(client.Job{}, client.Raw, client.Transport, client.TTLPool) {
			arg.Client = c.Name
			values, err := idleOf(arg)
			if err != nil {
				return err
			}
			if err := b.add(row, c.Name, arg.Connections, values...); err != nil {
				return err
			}
		}
	}
	return nil
}

func idleOf(arg idleArg) (values []results.Value, err error) {
	p, err := child.Start(idleRole, arg)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	err = p.Call("measure", &values)
	return values, err
}

// idleRole is a client that holds idle connections.
const idleRole = "idle"

type idleArg struct {
	Client      string
	Protocol    client.Protocol
	Connections int
	Addresses   server.Addresses
}

func idleChild(encoded json.RawMessage) (child.Commands, func(), error) {
	var arg idleArg
	if err := json.Unmarshal(encoded, &arg); err != nil {
		return nil, nil, err
	}
	hold, err := holder(arg)
	if err != nil {
		return nil, nil, err
	}
	return child.Commands{"measure": func() (any, error) {
		before := footprintNow()
		release, err := hold()
		if err != nil {
			return nil, err
		}
		defer release()
		after := footprintNow()
		per := func(after, before float64) float64 { return (after - before) / float64(arg.Connections) }
		return []results.Value{
			{Value: per(after.heap, before.heap), Unit: "heap-B/conn"},
			{Value: per(after.stack, before.stack), Unit: "stack-B/conn"},
			{Value: per(after.goroutines, before.goroutines), Unit: "goroutines/conn"},
		}, nil
	}}, nil, nil
}

// holder returns what makes the connections, and holds them until released.
// What a client needs once has been made before.
func holder(arg idleArg) (hold func() (release func(), err error), err error) {
	job := client.Job{Path: server.Small, Workers: arg.Connections, Hosts: 1, Protocol: arg.Protocol}
	c, err := client.Named(arg.Client)
	if err != nil {
		return nil, err
	}
	if c.RoundTripper == nil {
		if job.Protocol == client.HTTP2 {
			job.Protocol = client.HTTPS // what HTTP/2 is spoken over
		}
		return func() (func(), error) { return client.HoldRaw(job, arg.Addresses, arg.Connections) }, nil
	}
	t, stop, err := c.RoundTripper(client.Base(job.Address(arg.Addresses), 2*arg.Connections))
	if err != nil {
		return nil, err
	}
	return func() (func(), error) { return stop, fill(t, job, arg.Addresses, arg.Connections) }, fill(t, job, arg.Addresses, 1)
}

// footprint is what this process takes up.
type footprint struct{ heap, stack, goroutines float64 }

// footprintNow waits until the goroutines that are about to end have ended.
func footprintNow() footprint {
	for n := runtime.NumGoroutine() + 1; runtime.NumGoroutine() < n; {
		n = runtime.NumGoroutine()
		time.Sleep(50 * time.Millisecond)
	}
	var stats runtime.MemStats
	for range 3 { // two empty a sync.Pool, and one frees what hung on it
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return footprint{float64(stats.HeapAlloc), float64(stats.StackInuse), float64(runtime.NumGoroutine())}
}
