// Bench measures ttlpool beside http.Transport, fasthttp and a raw socket.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/pprof"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	only := flag.String("rows", "", "measure only rows whose name matches this `regexp`")
	who := flag.String("clients", "", "measure only clients whose name matches this `regexp`")
	rounds := flag.Int("rounds", 10, "how often each client is measured")
	length := flag.Duration("length", 100*time.Millisecond, "how long one measurement takes")
	raw := flag.String("raw", "", "write all measurements to this `file`, for benchstat")
	cpu := flag.String("cpuprofile", "", "write a CPU profile to this `file`")
	mem := flag.String("memprofile", "", "write a profile of all allocations to this `file`")
	flag.Parse()
	rowNames, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	clientNames, err := regexp.Compile(*who)
	if err != nil {
		return err
	}
	var out io.Writer
	if *raw != "" {
		f, err := os.Create(*raw)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	stop, err := profile(*cpu, *mem)
	if err != nil {
		return err
	}
	defer stop()
	var clients []*client.Client
	for _, c := range client.All {
		if clientNames.MatchString(c.Name) {
			clients = append(clients, c)
		}
	}
	set := results.NewSet(out)
	for _, r := range rows {
		if !rowNames.MatchString(r.name) {
			continue
		}
		if err := measureRow(set, r, clients, *rounds, *length); err != nil {
			return err
		}
		printRow(set, r.name)
	}
	return nil
}

func printRow(set *results.Set, name string) {
	fmt.Println(name)
	for _, c := range set.Clients(latency) {
		k := results.Key{Section: latency, Row: name, Client: c}
		ns, ok := set.Summary(k, "ns/op")
		if !ok {
			continue
		}
		cpu, _ := set.Summary(k, "cpu-ns/op")
		allocs, _ := set.Summary(k, "allocs/op")
		bytes, _ := set.Summary(k, "B/op")
		fmt.Printf("  %-16s %10.0f ns ±%-4s %10.0f ns CPU %8.2f allocs %9.0f B", c, ns.Center, ns.PctRangeString(), cpu.Center, allocs.Center, bytes.Center)
		if ratio, ok := set.Ratio(k, results.Key{Section: latency, Row: name, Client: client.Transport.Name}, "ns/op"); ok {
			fmt.Printf("  %.2f of http.Transport's time", ratio)
		}
		if ratio, ok := set.Ratio(k, results.Key{Section: latency, Row: name, Client: client.Raw.Name}, "ns/op"); ok {
			fmt.Printf(", %.2f of the raw socket's", ratio)
		}
		fmt.Println()
	}
}

// profile begins the profiles that are asked for.
func profile(cpu, mem string) (stop func(), err error) {
	stop = func() {}
	if cpu != "" {
		f, err := os.Create(cpu)
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		stop = func() { pprof.StopCPUProfile(); f.Close() }
	}
	if mem != "" {
		before := stop
		f, err := os.Create(mem)
		if err != nil {
			return nil, err
		}
		stop = func() {
			before()
			_ = pprof.Lookup("allocs").WriteTo(f, 0)
			f.Close()
		}
	}
	return stop, nil
}
