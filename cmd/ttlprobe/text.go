package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// writeText writes a finding for people.
func writeText(w io.Writer, f *finding) error {
	var text strings.Builder
	line := func(label, format string, a ...any) {
		fmt.Fprintf(&text, "  %-8s %s\n", label, fmt.Sprintf(format, a...))
	}
	fmt.Fprintln(&text, f.URL)
	line("speaks", "%s", f.facts.describe())
	if f.Stated > 0 || f.StatedMax > 0 {
		line("states", "Keep-Alive: %s", f.facts.keepAlive)
	}
	line("closes", "%s", f.closes())
	if f.Said != "" {
		line("says", "%q, unasked, before it closes", f.Said)
	}
	if f.RequestCap > 0 {
		line("cap", "after %d requests on one connection", f.RequestCap)
	}
	line("set", "%s", f.advice())
	fmt.Fprintln(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

func (f facts) describe() string {
	parts := []string{f.protocol}
	for _, more := range []struct{ label, value string }{{"", f.tls}, {"Server: ", f.server}, {"Via: ", f.via}} {
		if more.value != "" {
			parts = append(parts, more.label+more.value)
		}
	}
	return strings.Join(parts, ", ")
}

// closes says when and how connections were closed.
func (f *finding) closes() string {
	switch {
	case f.KeepsNone:
		return "after each response (Connection: close)"
	case f.Lifetime > 0:
		return fmt.Sprintf("at an age of %s, however lately it was used (%s)", seconds(f.Lifetime), f.endings())
	case f.Earliest == 0 && f.Waited == 0:
		return "nothing could be held idle"
	case f.Earliest == 0:
		return fmt.Sprintf("not within %s", seconds(f.Waited))
	case f.Latest-f.Earliest <= sameTime:
		return fmt.Sprintf("when idle for %s, anew with each request (%s)", seconds(f.Earliest), f.endings())
	}
	return fmt.Sprintf("when idle for %s to %s (%s)", seconds(f.Earliest), seconds(f.Latest), f.endings())
}

// endings counts how connections ended.
func (f *finding) endings() string {
	var parts []string
	for how, n := range f.Closed {
		if how == stillOpen {
			parts = append(parts, fmt.Sprintf("%d still open", n))
		} else {
			parts = append(parts, fmt.Sprintf("%d by %s", n, how))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// advice says what a client of this server should be told.
func (f *finding) advice() string {
	switch {
	case f.KeepsNone:
		return "nothing: there is nothing to reuse"
	case f.Lifetime > 0:
		return fmt.Sprintf("WithMaxAge(%v); elsewhere, a connection's greatest age",
			(f.Lifetime - min(time.Second, f.Lifetime/4)).Truncate(100*time.Millisecond))
	case f.TTL == 0:
		return "WithTTL to less than the longest that you know to be safe, or look longer with -max"
	}
	text := fmt.Sprintf("WithTTL(%v), or any idle timeout of its clients to that or less", f.TTL)
	if f.RequestCap > 0 {
		text += fmt.Sprintf("; WithMaxUses(%d)", f.RequestCap)
	}
	return text
}

// seconds is a duration as operators write it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
