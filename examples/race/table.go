package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// writeTable prints the report for a reader.
func writeTable(w io.Writer, r report) error {
	var t table
	t.heading(r)
	for _, s := range r.Situations {
		t.situation(s)
	}
	t.notes(r)
	_, err := io.WriteString(w, t.String())
	return err
}

// table is the text so far.
type table struct{ strings.Builder }

func (t *table) line(format string, args ...any) {
	fmt.Fprintf(t, format, args...)
	t.WriteByte('\n')
}

func (t *table) heading(r report) {
	t.line("%s, keep-alive timeout %s; TTL %s; %d workers per proxy; seed %d",
		r.Backend, duration(r.Timeout), duration(r.TTL), r.Workers, r.Seed)
}

func (t *table) situation(s situationResult) {
	t.line("")
	t.line("Polls aimed at the %s", s.Name)
	t.row("", s.Legs, func(l legResult) string { return l.title[0] })
	t.row("", s.Legs, func(l legResult) string { return l.title[1] })
	t.row("requests", s.Legs, func(l legResult) string { return count(l.Requests) })
	t.row("failed", s.Legs, func(l legResult) string { return count(l.Failed) })
	for _, k := range failureKindsInOrder {
		if k.always || occurred(s.Legs, k.kind) {
			t.row("  "+string(k.kind), s.Legs, func(l legResult) string { return count(l.FailedBy[k.kind]) })
		}
	}
	for kind := range callKind(callKinds) {
		name := kind.String()
		t.row("  of "+name, s.Legs, func(l legResult) string {
			return count(l.FailedCalls[name]) + " of " + count(l.Calls[name])
		})
	}
	t.row("processed twice", s.Legs, func(l legResult) string { return known(l.ProcessedTwice) })
	if s.Legs[0].UnsafeTwice != nil {
		t.row("  not declared repeatable", s.Legs, func(l legResult) string { return known(l.UnsafeTwice) })
	}
	t.row("connections per 1,000 requests", s.Legs, func(l legResult) string {
		return strconv.FormatFloat(l.ConnectionsPer1000, 'f', 0, 64)
	})
	t.row("p50 of the answered", s.Legs, func(l legResult) string { return duration(l.P50) })
	t.row("p99 of the answered", s.Legs, func(l legResult) string { return duration(l.P99) })
}

func (t *table) row(label string, legs []legResult, cell func(legResult) string) {
	fmt.Fprintf(t, "%-33s", label)
	for _, l := range legs {
		fmt.Fprintf(t, " %15s", cell(l))
	}
	t.WriteByte('\n')
}

func (t *table) notes(r report) {
	for _, s := range r.Situations {
		for _, l := range s.Legs {
			if l.Example != "" {
				t.line("\nA failure of %s %s at the %s:\n  %s", l.title[0], l.title[1], s.Name, l.Example)
			}
		}
	}
	t.line("")
	if !r.Complete {
		t.line("The run was stopped early: this is what it had seen by then.")
	}
	if r.TTL >= r.Timeout {
		t.line("The TTL is not below the server's timeout, so it does not keep polls off connections about to close.")
	}
	if r.Backend != embeddedHub {
		t.line("Calls processed twice are unknown: only the embedded hub counts what it processes.")
	}
}

func occurred(legs []legResult, kind failureKind) bool {
	for _, l := range legs {
		if l.FailedBy[kind] > 0 {
			return true
		}
	}
	return false
}

// duration is short: three digits are more than a run can tell apart.
func duration(s seconds) string {
	d := time.Duration(float64(s) * float64(time.Second))
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

func known(n *int) string {
	if n == nil {
		return "unknown"
	}
	return count(*n)
}

// count groups the digits of n in threes.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
