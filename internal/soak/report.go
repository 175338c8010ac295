package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ttlpool/ttlpool"
)

// slack is what usage may vary by: connections that are just being made or
// closed, the server that restarts, buffers in pools.
var slack = usage{goroutines: 20, descriptors: 20, heap: 4 << 20}

// compare finds what has grown.
func (f *findings) compare(when string, was, is usage) {
	if is.goroutines > was.goroutines+slack.goroutines {
		f.add(grown, fmt.Sprintf("%s: from %d goroutines to %d", when, was.goroutines, is.goroutines))
	}
	if is.descriptors > was.descriptors+slack.descriptors {
		f.add(grown, fmt.Sprintf("%s: from %d descriptors to %d", when, was.descriptors, is.descriptors))
	}
	if is.heap > was.heap+slack.heap {
		f.add(grown, fmt.Sprintf("%s: from %d KiB of heap to %d", when, was.heap>>10, is.heap>>10))
	}
}

// compareEnd finds what is left of a run: no goroutine and no descriptor may be,
// once the last of them has had time to end. (The ledger is still there.)
func (f *findings) compareEnd(before usage) {
	after := measure()
	for range 100 {
		if after.goroutines <= before.goroutines && after.descriptors <= before.descriptors {
			return
		}
		time.Sleep(50 * time.Millisecond)
		after = measure()
	}
	f.add(grown, fmt.Sprintf("at the end: from %d goroutines and %d descriptors to %d and %d",
		before.goroutines, before.descriptors, after.goroutines, after.descriptors))
}

// report prints what became of the requests.
func (s *soak) report() {
	fmt.Fprintf(s.out, "\n%-22s", "")
	for _, name := range outcomeNames {
		fmt.Fprintf(s.out, " %22s", name)
	}
	for _, b := range s.backends {
		fmt.Fprintf(s.out, "\n%-22s", b.name)
		for o := range outcomes {
			n := int64(0)
			for _, w := range s.workers {
				n += w.at[b][o]
			}
			fmt.Fprintf(s.out, " %22d", n)
		}
	}
	fmt.Fprint(s.out, "\n\n")
	for i := range kinds {
		n := int64(0)
		for _, w := range s.workers {
			n += w.kinds[&kinds[i]]
		}
		fmt.Fprintf(s.out, "%-32s %10d\n", kinds[i].name, n)
	}
	fmt.Fprintln(s.out)
	s.reportPool("all together", s.pooled)
	for _, b := range s.backends {
		if b.own != nil {
			s.reportPool(b.name, b.own)
		}
	}
}

func (s *soak) reportPool(name string, t *ttlpool.Transport) {
	stats := t.Stats()
	fmt.Fprintf(s.out, "%s: %d dials, %d reuses, %d stale, %d sent again; closed:", name, stats.Dials, stats.Reuses, stats.Stale, stats.Retries)
	for _, reason := range slices.Sorted(maps.Keys(stats.Closed)) {
		if n := stats.Closed[reason]; n > 0 {
			fmt.Fprintf(s.out, " %v %d", reason, n)
		}
	}
	fmt.Fprintln(s.out)
}
