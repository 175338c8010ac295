// Command soak sends all kinds of requests to all kinds of servers for as long
// as it is told, most of them through one transport, and looks for what must
// never happen: an answer that belongs to another request, a request processed
// twice that was not idempotent, one that fails although its server has done
// nothing wrong, one that never ends, and goroutines, descriptors or heap that
// grow. It exits with 1 if it finds any.
//
// nginx and Apache httpd are among the servers where they are installed. It says
// so if they are not, and fails if the environment variable CI is set.
//
//	go run ./internal/soak -duration 2m
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	duration := flag.Duration("duration", 2*time.Minute, "how long")
	workers := flag.Int("workers", 48, "how many requests at once")
	flag.Parse()
	if *duration <= 0 || *workers < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	found, err := run(os.Stdout, *duration, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	if found.total() > 0 {
		os.Exit(1)
	}
}
