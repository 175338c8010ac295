package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ttlpool/ttlpool/bench/internal/results"
)

// What the report is made of and into, in the directory of the docs.
const (
	measurementsFile = "performance.txt" // in the format of Go benchmarks
	reportFile       = "performance.md"
)

// writeReport makes the tables and plots anew from the measurements.
func writeReport(docs string) error {
	measured, err := os.Open(filepath.Join(docs, measurementsFile))
	if err != nil {
		return err
	}
	defer measured.Close()
	set := results.NewSet(nil)
	if err := set.Read(measured, measurementsFile); err != nil {
		return err
	}
	name := filepath.Join(docs, reportFile)
	report, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if report, err = replaceTable(report, t.name, t.write(set)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(name, report, 0o644); err != nil {
		return err
	}
	return writePlots(set, docs)
}

// tables are those of the report, by the name that marks their place.
var tables = []struct {
	name  string
	write func(*results.Set) string
}{
	{"machine", machineTable},
	{"targets", targetsTable},
	{latency, latencyTable},
	{"Allocations", allocationsTable},
	{cpu, cpuTable},
	{proxy, proxyTable},
	{poolAlone, poolTable},
	{idle, idleTable},
	{hangUp, hangUpTable},
	{tail, tailTable},
}

// replaceTable puts a table between the marks that say where it goes.
func replaceTable(report []byte, name, table string) ([]byte, error) {
	begin := fmt.Sprintf("<!-- table %s, written by bench -->\n", name)
	const end = "<!-- end of table -->"
	before, rest, ok := bytes.Cut(report, []byte(begin))
	_, after, also := bytes.Cut(rest, []byte(end))
	if !ok || !also {
		return nil, fmt.Errorf("%s has no place for the table %s", reportFile, name)
	}
	return fmt.Appendf(nil, "%s%s%s%s%s", before, begin, table, end, after), nil
}

// markdown is a table that is being written.
type markdown struct{ strings.Builder }

// newTable begins a table. All columns but the first hold figures.
func newTable(heads ...string) *markdown {
	m := &markdown{}
	m.row(heads...)
	m.WriteString("| ---" + strings.Repeat(" | --:", len(heads)-1) + " |\n")
	return m
}

func (m *markdown) row(cells ...string) {
	m.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
