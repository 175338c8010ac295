// Race shows 502s that come of two keep-alive timers which know nothing of each other, and what keeps them away.
//
// It polls a server through three httputil.ReverseProxy at the very moment at which the server closes idle
// connections: over http.Transport as it is, over http.Transport with an idle timeout, and over ttlpool. Run it with
// no arguments for an embedded server, with -backend for a real one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

const embeddedHub = "embedded hub"

func main() {
	cfg, help, err := parseConfig(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(help)
		return
	}
	if err != nil {
		fail(2, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // the second interrupt ends the program at once
	if err := run(ctx, cfg, os.Stdout, os.Stderr); err != nil {
		fail(1, err)
	}
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "race:", err)
	os.Exit(code)
}

// run races, and writes the report to out and the chart to its file.
func run(ctx context.Context, cfg config, out io.Writer, bar *os.File) error {
	cfg, err := cfg.forServer(ctx)
	if err != nil {
		return err
	}
	situations, err := race(ctx, cfg, newProgress(bar, cfg.duration))
	if err != nil {
		return err
	}
	r := report{
		Backend:    embeddedHub,
		Timeout:    inSeconds(cfg.timeout),
		TTL:        inSeconds(cfg.ttl),
		Workers:    cfg.workers,
		Seed:       cfg.seed,
		Complete:   ctx.Err() == nil,
		Situations: situations,
	}
	if cfg.backend != nil {
		r.Backend = cfg.backend.String()
	}
	if err := writeReport(out, r, cfg.json); err != nil {
		return err
	}
	return writeChart(cfg.svg, r, bar)
}

// forServer fills in what depends on the server.
func (c config) forServer(ctx context.Context) (config, error) {
	timeout := c.timeout
	switch {
	case timeout > 0:
	case c.backend == nil:
		timeout = hubTimeout
	default:
		var err error
		if timeout, err = statedTimeout(ctx, backendTarget(c.backend, c.path)); err != nil {
			return c, err
		}
	}
	return c.settle(timeout)
}

func writeReport(out io.Writer, r report, asJSON bool) error {
	if !asJSON {
		return writeTable(out, r)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

func writeChart(name string, r report, notice io.Writer) error {
	if name == "" {
		return nil
	}
	svg, err := chart(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, svg, 0o666); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	fmt.Fprintln(notice, "Chart:", name)
	return nil
}
