// Command kojipath runs, on this machine and ten times as fast, the path from a
// client of the Koji hub to the hub, and shows where on it requests fail, as it
// was and with the cure:
//
//	client → httpd → Go reverse proxy → httpd → httpd, the hub
//
// It needs Apache httpd. docs/kojipath.md is what it prints:
//
//	go run ./internal/kojipath -o docs/kojipath.md
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
)

func main() {
	lanes := flag.Int("lanes", 60, "clients for each way to configure the path")
	calls := flag.Int("calls", 12, "calls of each client")
	output := flag.String("o", "", "the `file` to write to, instead of standard output")
	flag.Parse()
	if err := run(context.Background(), *lanes, *calls, *output); err != nil {
		fmt.Fprintln(os.Stderr, "kojipath:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, lanes, calls int, output string) error {
	results, err := runAll(ctx, lanes, calls)
	if err != nil {
		return err
	}
	text := document(results)
	if output == "" {
		_, err = os.Stdout.WriteString(text)
		return err
	}
	return os.WriteFile(output, []byte(text), 0o644)
}

// runAll runs the variants side by side.
func runAll(ctx context.Context, lanes, calls int) ([]*result, error) {
	if lanes < 1 || lanes > 200 || calls < 1 { // httpd has 256 threads
		return nil, fmt.Errorf("%d lanes of %d calls: 1 to 200 lanes, of 1 call at least", lanes, calls)
	}
	results := make([]*result, len(variants))
	errs := make([]error, len(variants))
	var all sync.WaitGroup
	for i, v := range variants {
		all.Go(func() { results[i], errs[i] = runOne(ctx, v, lanes, calls) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

func runOne(ctx context.Context, v variant, lanes, calls int) (*result, error) {
	p, err := startPath(v, lanes)
	if err != nil {
		return nil, err
	}
	done := poll(ctx, p.outer.Address, lanes, calls)
	if err := p.stop(); err != nil {
		return nil, err
	}
	r, err := judge(v, p, done)
	if err != nil {
		return nil, err
	}
	return r, p.close()
}
