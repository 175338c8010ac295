package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/figures"
	"github.com/ttlpool/ttlpool/bench/internal/patience"
	"github.com/ttlpool/ttlpool/bench/internal/results"
)

// section is one of the tables.
type section struct {
	name        string
	measure     func(*bench) error
	connections func(*bench) int // whose ends are in one process at once; nil: few
}

// sections are all there are, in the order in which they are measured.
func sections() []section {
	return []section{
		{latency, (*bench).measureLatency, (*bench).latencyConnections},
		{cpu, (*bench).measureCPU, nil},
		{proxy, (*bench).measureProxy, nil},
		{poolAlone, (*bench).measurePool, nil},
		{idle, (*bench).measureIdle, (*bench).idleConnections},
		{hangUp, (*bench).measureHangUp, (*bench).hangUpConnections},
		{tail, (*bench).measureTail, (*bench).tailConnections},
	}
}

func sectionNames() string {
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// bench is one run of measurements.
type bench struct {
	*options
	set     *results.Set
	begun   time.Time
	section string
	unwatch func() // the row that is being measured is there
}

// measure measures what the options ask for.
func measure(o *options) error {
	b := &bench{options: o, begun: time.Now(), unwatch: func() {}}
	if err := b.checkFiles(); err != nil { // before anything is overwritten
		return err
	}
	defer func() { b.unwatch() }()
	name := o.raw
	if name == "" && o.whole() {
		name = filepath.Join(o.docs, measurementsFile)
	}
	var out io.Writer
	if name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := fmt.Fprint(f, machineInfo()); err != nil {
			return err
		}
		out = f
	}
	b.set = results.NewSet(out)
	for _, s := range sections() {
		if !o.sections.matches(s.name) {
			continue
		}
		b.section = s.name
		if err := s.measure(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if o.raw == "" && o.whole() {
		return writeReport(o.docs)
	}
	return nil
}

// who are those of the clients that are asked for and can do the job.
func (b *bench) who(j client.Job, among ...*client.Client) []*client.Client {
	var who []*client.Client
	for _, c := range among {
		if b.clients.matches(c.Name) && c.Can(j) {
			who = append(who, c)
		}
	}
	return who
}

// add keeps one measurement of n operations of the section that is running.
func (b *bench) add(row, client string, n int, values ...results.Value) error {
	return b.set.Add(results.Key{Section: b.section, Row: row, Client: client}, n, values...)
}

// progress says what is being measured, and sees to it that it comes to an end.
func (b *bench) progress(row string) {
	b.unwatch()
	b.unwatch = patience.Watch(b.section+": "+row, patience.Limit)
	fmt.Printf("%4.0f s  %s: %s\n", time.Since(b.begun).Seconds(), b.section, row)
}

// show prints what has been measured of a row.
func (b *bench) show(row string, units ...string) {
	for _, c := range b.set.Clients(b.section) {
		k := results.Key{Section: b.section, Row: row, Client: c}
		line := fmt.Sprintf("          %-16s", c)
		measured := false
		for _, unit := range units {
			s, ok := b.set.Summary(k, unit)
			if !ok {
				continue
			}
			measured = true
			line += fmt.Sprintf("  %s %s ±%s", figures.Quantity(s.Center), unit, s.PctRangeString())
			if ratio, ok := b.set.Ratio(k, results.Key{Section: b.section, Row: row, Client: client.Transport.Name}, unit); ok && c != client.Transport.Name && ratio > 0 {
				line += fmt.Sprintf(" (%.2f)", ratio)
			}
		}
		if measured {
			fmt.Println(line)
		}
	}
}
