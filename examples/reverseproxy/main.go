// Reverseproxy is a proxy to really use: httputil.ReverseProxy in front of one backend, over a pool that never hands
// out a connection idle for its TTL or longer.
//
//	reverseproxy -listen :8080 -backend http://hub:80 -ttl 10s
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// config is what the command line says.
type config struct {
	listen       string
	backend      *url.URL
	ttl          time.Duration
	maxAge       time.Duration
	stats        string
	idle         time.Duration
	grace        time.Duration
	preserveHost bool
}

func main() {
	cfg, help, err := parseConfig(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(help)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, cfg, logger); err != nil {
		logger.Error("proxy ended", "error", err)
		os.Exit(1)
	}
}

// parseConfig returns flag.ErrHelp and the text to print when help is asked for.
func parseConfig(args []string) (cfg config, help string, err error) {
	var text bytes.Buffer
	flags := flag.NewFlagSet("reverseproxy", flag.ContinueOnError)
	flags.SetOutput(&text)
	flags.StringVar(&cfg.listen, "listen", ":8080", "`address` to serve on")
	backend := flags.String("backend", "", "`URL` of the server behind")
	flags.DurationVar(&cfg.ttl, "ttl", 10*time.Second, "idle time after which a backend connection is not reused;\n"+
		"keep it below the backend's keep-alive timeout")
	flags.DurationVar(&cfg.maxAge, "max-age", 0, "age after which a backend connection is not reused; 0 for no limit")
	flags.StringVar(&cfg.stats, "stats", "127.0.0.1:8081", "`address` of /debug/vars and /debug/ttlpool; empty for none")
	flags.DurationVar(&cfg.idle, "idle", 2*time.Minute, "keep-alive timeout towards clients;\n"+
		"keep it above the TTL of a proxy in front")
	flags.DurationVar(&cfg.grace, "grace", 30*time.Second, "how long requests may take to end after SIGINT or SIGTERM")
	flags.BoolVar(&cfg.preserveHost, "preserve-host", false, "send the client's Host header to the backend")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return config{}, text.String(), err
	} else if err != nil {
		return config{}, "", err
	}
	if flags.NArg() > 0 {
		return config{}, "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if cfg.backend, err = url.Parse(*backend); err != nil {
		return config{}, "", fmt.Errorf("-backend: %w", err)
	}
	return cfg, "", cfg.validate()
}

func (c config) validate() error {
	switch {
	case c.backend.Scheme != "http" && c.backend.Scheme != "https" || c.backend.Hostname() == "":
		return fmt.Errorf("-backend %q: want http://host[:port] or https://host[:port]", c.backend)
	case c.ttl <= 0:
		return errors.New("-ttl must be positive")
	case c.idle <= 0:
		return errors.New("-idle must be positive")
	case c.grace < 0 || c.maxAge < 0:
		return errors.New("-grace and -max-age must not be negative")
	}
	return nil
}
