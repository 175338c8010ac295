// Kojiclient asks a Koji hub for builds and tasks, and watches a build while it goes on. See package koji for what it
// shows: how an SDK uses ttlpool.
//
//	kojiclient -hub https://koji.fedoraproject.org/kojihub tasks
//	kojiclient -demo
//
// With -demo there is nothing to set up: a hub is started within the program, with a build to watch.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

// config is what the command line says.
type config struct {
	hub     string
	demo    bool
	timeout time.Duration // the hub's, for idle connections; 0: not known
	poll    time.Duration
	command command
	arg     string // "" for the task of the demonstration
}

func main() {
	cfg, help, err := parseConfig(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(help)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kojiclient:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, cfg, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "kojiclient:", err)
		os.Exit(1)
	}
}

// parseConfig returns flag.ErrHelp and the text to print when help is asked for.
func parseConfig(args []string) (cfg config, help string, err error) {
	var text bytes.Buffer
	flags := flag.NewFlagSet("kojiclient", flag.ContinueOnError)
	flags.SetOutput(&text)
	flags.Usage = func() {
		fmt.Fprintf(&text, "Usage: kojiclient -hub URL COMMAND [ARGUMENT]\n       kojiclient -demo [COMMAND]\n\n%s\n", commandList())
		flags.PrintDefaults()
	}
	flags.StringVar(&cfg.hub, "hub", "", "`URL` of the hub's XML-RPC")
	flags.BoolVar(&cfg.demo, "demo", false, "start a hub within this program, and a build")
	flags.DurationVar(&cfg.timeout, "server-timeout", 0, "after which the hub closes idle connections; 0 if that is not known")
	flags.DurationVar(&cfg.poll, "poll", 0, "time between two looks at a task (default 5s; 1s with -demo)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return config{}, text.String(), err
	} else if err != nil {
		return config{}, "", err
	}
	name, operands := "watch-task", flags.Args()
	if len(operands) > 0 {
		name, operands = operands[0], operands[1:]
	} else if !cfg.demo {
		return config{}, "", errors.New("no command; -h lists them")
	}
	if err := cfg.take(name, operands); err != nil {
		return config{}, "", err
	}
	return cfg, "", cfg.validate()
}

// take finds the command and its argument.
func (c *config) take(name string, operands []string) error {
	found := false
	for _, known := range commands {
		if known.name == name {
			c.command, found = known, true
		}
	}
	wanted := 0
	if c.command.argument != "" && (!c.demo || len(operands) > 0) {
		wanted = 1
	}
	switch {
	case !found:
		return fmt.Errorf("no command %q; -h lists them", name)
	case len(operands) < wanted:
		return fmt.Errorf("%s needs %s", name, c.command.argument)
	case len(operands) > wanted:
		return fmt.Errorf("unexpected argument %q", operands[wanted])
	case wanted == 1:
		c.arg = operands[0]
	}
	return nil
}

func (c *config) validate() error {
	switch {
	case c.demo == (c.hub != ""):
		return errors.New("want one of -hub and -demo")
	case c.poll < 0 || c.timeout < 0:
		return errors.New("-poll and -server-timeout must not be negative")
	}
	return nil
}

// run makes the calls of a command. What they cost in connections goes to notes.
func run(ctx context.Context, cfg config, out, notes io.Writer) error {
	if cfg.demo {
		d, err := startDemo(ctx)
		if err != nil {
			return err
		}
		defer d.hub.Close()
		d.configure(&cfg)
		fmt.Fprintln(notes, d)
	}
	transport, err := ttlpool.NewTransport(ttlpool.WithServerTimeout(cfg.timeout))
	if err != nil {
		return err
	}
	defer transport.Close()
	client, err := koji.New(cfg.hub, transport)
	if err != nil {
		return err
	}
	err = cfg.command.run(ctx, client.API, cfg, out)
	s := transport.Stats()
	fmt.Fprintf(notes, "%d calls on %d connections; stale: %d, sent again: %d\n", s.Requests-s.Retries, s.Dials, s.Stale, s.Retries)
	return err
}
