package main

import (
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"time"
)

// options are what the command line says.
type options struct {
	sections, rows, clients pattern

	rounds int
	length time.Duration

	raw        string
	docs       string
	reportOnly bool

	cpuProfile, memProfile string
}

// pattern is a regexp as a flag. The empty one matches everything.
type pattern struct{ *regexp.Regexp }

func (p *pattern) String() string { return "" }

func (p *pattern) Set(s string) (err error) {
	p.Regexp, err = regexp.Compile(s)
	return err
}

func (p *pattern) matches(s string) bool { return p.Regexp == nil || p.MatchString(s) }

func parseOptions(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Var(&o.sections, "sections", "measure only sections whose name matches this `regexp`: "+sectionNames())
	flags.Var(&o.rows, "rows", "measure only rows whose name matches this `regexp`")
	flags.Var(&o.clients, "clients", "measure only clients whose name matches this `regexp`")
	flags.IntVar(&o.rounds, "rounds", 10, "how often each is measured")
	flags.DurationVar(&o.length, "length", 100*time.Millisecond, "how long one measurement of latency takes")
	flags.StringVar(&o.raw, "raw", "", "write the measurements to this `file` and nothing to the docs; benchstat can compare two")
	flags.StringVar(&o.docs, "docs", filepath.Join("..", "docs"), "the `directory` of performance.md")
	flags.BoolVar(&o.reportOnly, "report", false, "measure nothing; make the tables and plots anew from the measurements kept in docs")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of this process to this `file`")
	flags.StringVar(&o.memProfile, "memprofile", "", "write a profile of this process's allocations to this `file`, which makes it slow")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("no arguments are expected but flags, not %q", flags.Args())
	}
	if o.rounds < 1 || o.length <= 0 {
		return nil, fmt.Errorf("-rounds and -length must be above 0")
	}
	return o, nil
}

// whole reports whether everything is measured, so that the docs can be
// written.
func (o *options) whole() bool {
	return o.sections.Regexp == nil && o.rows.Regexp == nil && o.clients.Regexp == nil
}
