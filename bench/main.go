// Bench measures ttlpool beside http.Transport, fasthttp and a raw socket, and
// writes the tables and plots of docs/performance.md. Without flags it measures
// everything there is.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/ttlpool/ttlpool/bench/internal/child"
)

// roles are what this program does in processes of its own.
var roles = map[string]child.Role{
	serverRole: serverChild,
	clientRole: clientChild,
	proxyRole:  proxyChild,
	idleRole:   idleChild,
	tailRole:   tailChild,
	hangUpRole: hangUpChild,
}

func main() {
	child.Main(roles)
	if err := mainParent(); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func mainParent() error {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		return err
	}
	if o.reportOnly {
		return writeReport(o.docs)
	}
	stop, err := profile(o.cpuProfile, o.memProfile)
	if err != nil {
		return err
	}
	defer stop()
	return measure(o)
}
