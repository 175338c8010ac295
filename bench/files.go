package main

import (
	"fmt"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/figures"
)

// otherFiles are those that a process has open beside its connections, and
// connections that the other side has not closed yet.
const otherFiles = 500

// checkFiles says at the start what would fail in the middle: that a process of
// those that are asked for needs more open files than it may have.
func (b *bench) checkFiles() error {
	need := b.filesNeeded()
	limit, known := fileLimit()
	if !known || uint64(need) <= limit {
		return nil
	}
	return fmt.Errorf("a process needs up to %s open files for this, and may have %s: "+
		"raise the limit (ulimit -n %d), or measure less with -sections, -rows and -clients",
		figures.Thousands(need), figures.Thousands(int(limit)), need)
}

// filesNeeded is how many files one process may have open at once.
func (b *bench) filesNeeded() int {
	most := 0
	for _, s := range sections() {
		if s.connections != nil && b.sections.matches(s.name) {
			most = max(most, s.connections(b))
		}
	}
	return most + otherFiles
}

// latencyConnections are the ends of connections in this process, which is the
// server too: the clients hold theirs until all have been measured.
func (b *bench) latencyConnections() (most int) {
	for _, r := range rows {
		if b.rows.matches(r.name) {
			most = max(most, 2*r.job.Connections()*len(b.who(r.job, client.All...)))
		}
	}
	return most
}

func (b *bench) idleConnections() (most int) {
	for _, p := range idleProtocols {
		for _, n := range idleCounts {
			if b.rows.matches(idleRow(p.name, n)) {
				most = max(most, n)
			}
		}
	}
	return most
}

func (b *bench) hangUpConnections() int {
	if b.rows.matches(hangUpRow) {
		return hangUpConns
	}
	return 0
}

func (b *bench) tailConnections() (most int) {
	for _, e := range events {
		if b.rows.matches(e.name) {
			most = max(most, e.idle)
		}
	}
	return most
}
