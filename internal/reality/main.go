// Reality runs the servers that people run, sends them requests just when they
// close connections, and writes what came of it into docs/reality.md:
//
//	go run ./internal/reality -requests 10000 -lanes 40
//
// All servers run side by side. It takes about requests × 18 s / lanes, and a minute
// more: a request is aimed at two seconds after the last, or at up to three where
// servers close late, and there are six methods. After -for it stops aiming, as it does
// when interrupted, and writes what it has; so the whole can be made to fit:
//
//	go run ./internal/reality -requests 10000 -lanes 40 -for 40m
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/ttlpool/ttlpool/internal/torture"
)

const (
	begin = "<!-- begin: go run ./internal/reality -->\n"
	end   = "<!-- end: go run ./internal/reality -->\n"
)

func main() {
	requests := flag.Int("requests", 1000, "requests of each method, by each peer, at each server")
	lanes := flag.Int("lanes", 20, "connections of each peer to each server")
	limit := flag.Duration("for", 0, "aim for no longer, and write the tables of what was done; 0: until all is done")
	only := flag.String("only", "", "only the servers with this in their name")
	path := flag.String("o", "docs/reality.md", "the document with the tables; -: print them")
	flag.Parse()
	log.SetOutput(io.Discard) // http.Transport tells of each byte that it did not expect
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, torture.Effort{Requests: *requests, Lanes: *lanes, Limit: *limit}, *only, *path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, effort torture.Effort, only, path string) error {
	d, err := openDocument(path)
	if err != nil {
		return err
	}
	rows, err := torture.Matrix()
	if err != nil {
		return err
	}
	var chosen []torture.Row
	for _, row := range rows {
		if strings.Contains(row.Name(), only) {
			chosen = append(chosen, row)
		}
	}
	reports, failed := torture.Run(ctx, chosen, effort)
	if len(reports) == 0 {
		return failed
	}
	var tables strings.Builder
	fmt.Fprintf(&tables, "Up to %d requests of each method by each peer at each server, on %d connections of each peer; %s/%s, %d processors.\n\n",
		effort.Requests, effort.Lanes, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if err := torture.WriteMarkdown(&tables, reports); err != nil {
		return err
	}
	return errors.Join(failed, d.write(tables.String()))
}

// document is where the tables go: standard output, or a file between two marks.
type document struct{ path, head, tail string }

// openDocument reads the file before anything is measured, which would be lost if
// it turned out unfit in the end.
func openDocument(path string) (d document, err error) {
	d.path = path
	if path == "-" {
		return d, nil
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return d, errors.New(path + " has no marks to put the tables between")
	}
	d.head, d.tail = head+begin+"\n", "\n"+end+tail
	return d, nil
}

func (d document) write(tables string) error {
	if d.path == "-" {
		_, err := fmt.Print(tables)
		return err
	}
	return os.WriteFile(d.path, []byte(d.head+tables+d.tail), 0o644)
}
