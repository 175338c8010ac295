package main

import (
	"math"
	"strings"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/figures"
	"github.com/ttlpool/ttlpool/bench/internal/results"
)

// none stands where there is no figure.
const none = ""

// cell writes the median of a series.
func cell(set *results.Set, section, row, client, unit string, write func(float64) string) string {
	s, ok := set.Summary(results.Key{Section: section, Row: row, Client: client}, unit)
	if !ok || math.IsNaN(s.Center) {
		return none
	}
	return write(s.Center)
}

// ratio is that of ttlpool's figure to another client's, round by round.
func ratio(set *results.Set, section, row, to, unit string) string {
	r, ok := ratioTo(set, section, row, to, unit)
	if !ok {
		return none
	}
	return bold(figures.Factor(r))
}

func ratioTo(set *results.Set, section, row, to, unit string) (float64, bool) {
	return set.Ratio(results.Key{Section: section, Row: row, Client: client.TTLPool.Name},
		results.Key{Section: section, Row: row, Client: to}, unit)
}

func bold(s string) string { return "**" + s + "**" }

func machineTable(set *results.Set) string {
	m := newTable("", "")
	for _, line := range []struct{ what, keys string }{
		{"measured", "measured"},
		{"processor", "cpu"},
		{"processors in use", "processors"},
		{"system", "system goos goarch"},
		{"Go", "go"},
		{"load as it began", "load"},
	} {
		var values []string
		for _, k := range strings.Fields(line.keys) {
			values = append(values, set.Config(k))
		}
		m.row(line.what, strings.Join(values, " "))
	}
	return m.String()
}

func latencyTable(set *results.Set) string {
	m := newTable("", "raw socket", "fasthttp", "http.Transport", "ttlpool", "± of it", "to http.Transport", "to raw socket")
	for _, row := range set.Rows(latency) {
		cells := []string{row}
		for _, c := range client.All {
			cells = append(cells, cell(set, latency, row, c.Name, "ns/op", figures.Duration))
		}
		spread, _ := set.Summary(results.Key{Section: latency, Row: row, Client: client.TTLPool.Name}, "ns/op")
		m.row(append(cells, spread.PctRangeString(),
			ratio(set, latency, row, client.Transport.Name, "ns/op"),
			ratio(set, latency, row, client.Raw.Name, "ns/op"))...)
	}
	return m.String()
}

func allocationsTable(set *results.Set) string {
	m := newTable("", "raw socket", "fasthttp", "http.Transport", "ttlpool")
	for _, row := range set.Rows(latency) {
		cells := []string{row}
		for _, c := range client.All {
			allocs := cell(set, latency, row, c.Name, "allocs/op", figures.Whole)
			if per := cell(set, latency, row, c.Name, "B/op", figures.Size); allocs != none {
				allocs += ", " + per
			}
			cells = append(cells, allocs)
		}
		m.row(cells...)
	}
	return m.String()
}

func cpuTable(set *results.Set) string {
	m := newTable("CPU time per request", "raw socket", "fasthttp", "http.Transport", "ttlpool", "to http.Transport", "memory of the process")
	for _, row := range set.Rows(cpu) {
		cells := []string{row}
		for _, c := range client.All {
			cells = append(cells, cell(set, cpu, row, c.Name, "cpu-ns/op", figures.Duration))
		}
		m.row(append(cells, ratio(set, cpu, row, client.Transport.Name, "cpu-ns/op"),
			cell(set, cpu, row, client.Transport.Name, "process-bytes", figures.Size)+" → "+
				cell(set, cpu, row, client.TTLPool.Name, "process-bytes", figures.Size))...)
	}
	return m.String()
}

func proxyTable(set *results.Set) string {
	m := newTable("", "over", "CPU s per 1,000 requests", "to http.Transport", "requests/s", "allocations", "memory of the process")
	for _, row := range set.Rows(proxy) {
		for _, c := range set.Clients(proxy) {
			to := none
			if c == client.TTLPool.Name {
				to = ratio(set, proxy, row, client.Transport.Name, "cpu-ns/op")
			}
			m.row(row, c,
				cell(set, proxy, row, c, "cpu-ns/op", func(ns float64) string { return figures.Decimals(ns*1000/1e9, 4) }), to,
				cell(set, proxy, row, c, "requests/s", figures.Whole),
				cell(set, proxy, row, c, "allocs/op", figures.Whole),
				cell(set, proxy, row, c, "process-bytes", figures.Size))
		}
	}
	return m.String()
}

func poolTable(set *results.Set) string {
	m := newTable("", "time", "allocated", "allocations")
	for _, row := range set.Rows(poolAlone) {
		m.row(row, cell(set, poolAlone, row, client.TTLPool.Name, "ns/op", figures.Duration),
			cell(set, poolAlone, row, client.TTLPool.Name, "B/op", figures.Size),
			cell(set, poolAlone, row, client.TTLPool.Name, "allocs/op", figures.Whole))
	}
	return m.String()
}

func idleTable(set *results.Set) string {
	m := newTable("", "held by", "heap", "stack", "goroutines")
	for _, row := range set.Rows(idle) {
		for _, c := range set.Clients(idle) {
			name := c
			if c == client.Raw.Name {
				name = "nobody: the bare connection"
			}
			m.row(row, name, cell(set, idle, row, c, "heap-B/conn", figures.Size),
				cell(set, idle, row, c, "stack-B/conn", figures.Size), cell(set, idle, row, c, "goroutines/conn", figures.Whole))
		}
	}
	return m.String()
}

func hangUpTable(set *results.Set) string {
	m := newTable("", "client", "all gone after", "CPU time")
	for _, row := range set.Rows(hangUp) {
		for _, c := range set.Clients(hangUp) {
			m.row(row, c, cell(set, hangUp, row, c, "ms", figures.Milliseconds), cell(set, hangUp, row, c, "cpu-ms", figures.Milliseconds))
		}
	}
	return m.String()
}

func tailTable(set *results.Set) string {
	m := newTable("", "client", "p50", "p99", "p99.9", "largest", "failed")
	for _, row := range set.Rows(tail) {
		for _, c := range set.Clients(tail) {
			m.row(row, c, cell(set, tail, row, c, "p50-µs", figures.Microseconds), cell(set, tail, row, c, "p99-µs", figures.Microseconds),
				cell(set, tail, row, c, "p99.9-µs", figures.Microseconds),
				figures.Microseconds(set.Largest(results.Key{Section: tail, Row: row, Client: c}, "max-µs")),
				figures.Whole(set.Largest(results.Key{Section: tail, Row: row, Client: c}, "failed")))
		}
	}
	return m.String()
}
