package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"golang.org/x/perf/benchfmt"
)

// poolAlone is the pool over connections in memory, by the benchmarks of the
// library itself, which can look inside.
const poolAlone = "Pool"

const poolBenchmarks = "^BenchmarkPool"

func (b *bench) measurePool() error {
	directory, err := os.MkdirTemp("", "ttlpool-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	binary := filepath.Join(directory, "pool.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "github.com/ttlpool/ttlpool")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	for round := range b.rounds {
		b.progress(fmt.Sprintf("all rows, round %d of %d", round+1, b.rounds))
		out, err := exec.Command(binary, "-test.run=^$", "-test.bench="+poolBenchmarks, "-test.benchtime=30ms", "-test.benchmem").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		if err := b.addBenchmarks(out); err != nil {
			return err
		}
	}
	for _, row := range b.set.Rows(poolAlone) {
		fmt.Printf("        %s\n", row)
		b.show(row, "ns/op", "B/op", "allocs/op")
	}
	return nil
}

// addBenchmarks adds what a test binary has printed.
func (b *bench) addBenchmarks(out []byte) error {
	r := benchfmt.NewReader(bytes.NewReader(out), "benchmarks")
	for r.Scan() {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue // a line of something else
		}
		if row := benchmarkRow(result.Name); b.rows.matches(row) {
			if err := b.add(row, client.TTLPool.Name, result.Iters, results.Values(result)...); err != nil {
				return err
			}
		}
	}
	return r.Err()
}

// benchmarkRow makes the name of a row of that of a benchmark.
func benchmarkRow(name benchfmt.Name) string {
	base, parts := name.Parts()
	row := strings.TrimPrefix(string(base), "Pool")
	for _, p := range parts {
		if p[0] == '/' { // and not the number of processors
			row += " " + string(p[1:])
		}
	}
	return row
}
