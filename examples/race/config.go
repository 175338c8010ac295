package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// config is what the command line says.
type config struct {
	backend  *url.URL // nil: the embedded hub
	path     string
	timeout  time.Duration // 0: ask the backend
	ttl      time.Duration // 0: ttlShare of the timeout
	duration time.Duration
	workers  int
	seed     uint64
	json     bool
	svg      string
}

// The embedded hub and the TTL tell the story of Koji's hub and its first cure at a twentieth of the time: a timeout
// of 16 s and a TTL of 10 s.
const (
	hubTimeout = 800 * time.Millisecond
	ttlShare   = 10.0 / 16
)

const usage = `Race polls a server through three reverse proxies at the moment its keep-alive timeout ends.

The proxies differ in their transport: http.Transport as it is, http.Transport with an idle timeout, and ttlpool.
Without -backend the server is an embedded hub that speaks Koji's XML-RPC.

`

// parseConfig returns flag.ErrHelp and the text to print when help is asked for.
func parseConfig(args []string) (cfg config, help string, err error) {
	var text bytes.Buffer
	flags := flag.NewFlagSet("race", flag.ContinueOnError)
	flags.SetOutput(&text)
	flags.Usage = func() {
		fmt.Fprint(&text, usage)
		flags.PrintDefaults()
	}
	backend := flags.String("backend", "", "`URL` of a real server to poll instead of the embedded hub")
	flags.StringVar(&cfg.path, "path", "", "path to poll on the backend (default: that of its URL)")
	flags.DurationVar(&cfg.timeout, "timeout", 0, "keep-alive timeout of the server\n"+
		"(default: what the backend states in its Keep-Alive header; for the embedded hub "+hubTimeout.String()+")")
	flags.DurationVar(&cfg.ttl, "ttl", 0, "idle timeout and TTL of the transports that have one (default: 5/8 of -timeout)")
	flags.DurationVar(&cfg.duration, "duration", 6*time.Second, "how long to poll")
	flags.IntVar(&cfg.workers, "workers", 200, "pollers for each of the three proxies")
	flags.Uint64Var(&cfg.seed, "seed", 1, "seed of what is asked and when")
	flags.BoolVar(&cfg.json, "json", false, "print the result as JSON")
	flags.StringVar(&cfg.svg, "svg", "race.svg", "`file` for the chart; empty for none")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return config{}, text.String(), err
	} else if err != nil {
		return config{}, "", err
	}
	if flags.NArg() > 0 {
		return config{}, "", fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if cfg.backend, err = parseBackend(*backend); err != nil {
		return config{}, "", err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return cfg, "", cfg.validate(given)
}

func parseBackend(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("-backend: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("-backend %s: want http://host[:port] or https://host[:port]", text)
	}
	return u, nil
}

func (c config) validate(given map[string]bool) error {
	switch {
	case given["timeout"] && c.timeout <= 0:
		return errors.New("-timeout must be positive")
	case given["ttl"] && c.ttl <= 0:
		return errors.New("-ttl must be positive")
	case c.duration <= 0:
		return errors.New("-duration must be positive")
	case c.workers < 1 || c.workers > 10000:
		return errors.New("-workers must be between 1 and 10000")
	case c.path != "" && c.backend == nil:
		return errors.New("-path needs -backend")
	case c.path != "" && !strings.HasPrefix(c.path, "/"):
		return errors.New("-path must start with /")
	}
	return nil
}

// settle fills in what depends on the server, once its timeout is known.
func (c config) settle(timeout time.Duration) (config, error) {
	c.timeout = timeout
	if c.ttl == 0 {
		c.ttl = time.Duration(float64(timeout) * ttlShare).Round(time.Millisecond)
	}
	if c.ttl <= 0 {
		return c, fmt.Errorf("-timeout %s is too short", timeout)
	}
	if least := 2 * timeout; c.duration < least {
		return c, fmt.Errorf("-duration %s is too short to see a timeout of %s: want %s at least", c.duration, timeout, least)
	}
	return c, nil
}
