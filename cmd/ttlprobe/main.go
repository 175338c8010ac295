// Ttlprobe finds out when servers close idle connections, so that an operator
// sees which hop of a path is mismatched, and what to set.
//
// Usage:
//
//	ttlprobe [flags] URL...
//	ttlprobe [flags] -through PROXY-URL BACKEND-URL
//
// It exits with 0 if every URL was probed, with 1 if one could not be, and with
// 2 if it was called the wrong way.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
)

const (
	exitFine = iota
	exitFailed
	exitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. An interrupted one tells what it knows by then.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		fmt.Fprintln(stderr, "ttlprobe:", err)
		return exitUsage
	}
	shown := newProgress(stderr, c.max)
	findings := probeAll(ctx, c, shown)
	shown.end()
	status := exitFine
	var found []*finding
	for _, f := range findings {
		if f.err != nil {
			fmt.Fprintf(stderr, "ttlprobe: %s: %v\n", f.URL, f.err)
			status = exitFailed
			continue
		}
		found = append(found, f)
	}
	if err := report(stdout, c, found); err != nil {
		fmt.Fprintln(stderr, "ttlprobe:", err)
		return exitFailed
	}
	return status
}

func report(w io.Writer, c *config, found []*finding) error {
	if c.asJSON {
		return writeJSON(w, found)
	}
	for _, f := range found {
		if err := writeText(w, f); err != nil {
			return err
		}
	}
	if c.through && len(found) == 2 {
		return writeHops(w, found[0], found[1])
	}
	return nil
}

// probeAll probes all targets at once: nearly all of the time is waiting.
func probeAll(ctx context.Context, c *config, shown *progress) []*finding {
	findings := make([]*finding, len(c.targets))
	var all sync.WaitGroup
	for i, t := range c.targets {
		all.Go(func() { findings[i] = probe(ctx, c, t, shown) })
	}
	all.Wait()
	return findings
}
