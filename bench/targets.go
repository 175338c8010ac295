package main

import (
	"math"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/figures"
	"github.com/ttlpool/ttlpool/bench/internal/results"
)

// target is what was set out to be reached.
type target struct {
	what  string
	limit float64
	write func(float64) string
	value func(*results.Set) (float64, bool)
}

var targets = []target{
	{"GET small, time to that of http.Transport", 0.50, figures.Factor, timeTo("GET small", client.Transport)},
	{"the same, allocations", 10, figures.Whole, allocationsOf("GET small")},
	{"the same, time to that of the raw socket", 1.35, figures.Factor, timeTo("GET small", client.Raw)},
	{"the same, 16 workers, to http.Transport", 0.60, figures.Factor, timeTo("GET small, 16 workers", client.Transport)},
	{"the same, 256 workers, to http.Transport", 0.60, figures.Factor, timeTo("GET small, 256 workers", client.Transport)},
	{"POST 1 KiB, time to that of http.Transport", 0.65, figures.Factor, timeTo("POST 1 KiB, GetBody", client.Transport)},
	{"chunked answer, time to that of http.Transport", 0.65, figures.Factor, timeTo("GET chunked", client.Transport)},
	{"TLS 1.3, time to that of http.Transport", 0.65, figures.Factor, timeTo("TLS 1.3 GET small", client.Transport)},
	{"streaming POST 64 KiB, time to that of http.Transport", 1, figures.Factor, timeTo("POST streaming 64 KiB", client.Transport)},
	{"GET 10 MiB, time to that of http.Transport", 1, figures.Factor, timeTo("GET 10 MiB", client.Transport)},
	{"HTTP/2, time to that of http.Transport", 1, figures.Factor, timeTo("HTTP/2 GET small", client.Transport)},
	{"client CPU per GET, 16 workers, to that of http.Transport", 0.60, figures.Factor, cpuTo(cpu, "GET small, 16 workers")},
	{"CPU per request through ReverseProxy, to that over http.Transport", 0.75, figures.Factor, cpuTo(proxy, "GET small")},
	{"idle plaintext connection, heap and stack", 1024, figures.Size, idleOver("plaintext, 10,000 connections", false)},
	{"the same, goroutines", 0, figures.Whole, idleGoroutines("plaintext, 10,000 connections")},
	{"idle TLS connection, over what crypto/tls holds", 1024, figures.Size, idleOver("TLS 1.3, 10,000 connections", true)},
	{"the same, goroutines", 0, figures.Whole, idleGoroutines("TLS 1.3, 10,000 connections")},
	{"checkout and release, 1 goroutine, time", 250, figures.Duration, poolOf(checkoutFew, "ns/op")},
	{"the same, allocations", 0, figures.Whole, poolOf(checkoutFew, "allocs/op")},
	{"the same, 10,000 addresses to 1", 1.3, figures.Factor, poolRatio("GetRelease addresses=10000 idle=10000 goroutines=1")},
	{"the same, 100,000 idle to 64", 1.3, figures.Factor, poolRatio("GetRelease addresses=1 idle=100000 goroutines=1")},
	{"p99.9 while 10,000 connections expire, to just before", 1.5, figures.Factor, tailRatio},
}

func targetsTable(set *results.Set) string {
	m := newTable("", "at most", "measured", "")
	for _, t := range targets {
		v, ok := t.value(set)
		measured, reached := "not measured", none
		if ok && !math.IsNaN(v) {
			measured, reached = bold(t.write(v)), "missed"
			if v <= t.limit {
				reached = "reached"
			}
		}
		m.row(t.what, t.write(t.limit), measured, reached)
	}
	return m.String()
}

// ours is the median of a figure of ttlpool.
func ours(section, row, unit string) func(*results.Set) (float64, bool) {
	return func(set *results.Set) (float64, bool) {
		s, ok := set.Summary(results.Key{Section: section, Row: row, Client: client.TTLPool.Name}, unit)
		return s.Center, ok
	}
}

func timeTo(row string, other *client.Client) func(*results.Set) (float64, bool) {
	return func(set *results.Set) (float64, bool) { return ratioTo(set, latency, row, other.Name, "ns/op") }
}

func cpuTo(section, row string) func(*results.Set) (float64, bool) {
	return func(set *results.Set) (float64, bool) {
		return ratioTo(set, section, row, client.Transport.Name, "cpu-ns/op")
	}
}

func allocationsOf(row string) func(*results.Set) (float64, bool) {
	return ours(latency, row, "allocs/op")
}

func idleGoroutines(row string) func(*results.Set) (float64, bool) {
	return ours(idle, row, "goroutines/conn")
}

// idleOver is the heap and stack of an idle connection, without what the bare
// one has if that is not to count.
func idleOver(row string, withoutBare bool) func(*results.Set) (float64, bool) {
	return func(set *results.Set) (float64, bool) {
		heap, ok := ours(idle, row, "heap-B/conn")(set)
		stack, _ := ours(idle, row, "stack-B/conn")(set)
		if withoutBare {
			bare, _ := set.Summary(results.Key{Section: idle, Row: row, Client: client.Raw.Name}, "heap-B/conn")
			heap -= bare.Center
		}
		return heap + stack, ok
	}
}

// checkoutFew is the row that the others of the pool are compared with.
const checkoutFew = "GetRelease addresses=1 idle=64 goroutines=1"

func poolOf(row, unit string) func(*results.Set) (float64, bool) { return ours(poolAlone, row, unit) }

func poolRatio(row string) func(*results.Set) (float64, bool) {
	return func(set *results.Set) (float64, bool) {
		return set.Ratio(results.Key{Section: poolAlone, Row: row, Client: client.TTLPool.Name},
			results.Key{Section: poolAlone, Row: checkoutFew, Client: client.TTLPool.Name}, "ns/op")
	}
}

func tailRatio(set *results.Set) (float64, bool) {
	e := events[0]
	return set.Ratio(results.Key{Section: tail, Row: e.name, Client: client.TTLPool.Name},
		results.Key{Section: tail, Row: quietRow(e), Client: client.TTLPool.Name}, "p99.9-µs")
}
