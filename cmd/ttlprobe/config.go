package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// config is what the command line says.
type config struct {
	targets     []*url.URL
	through     bool // the first target is a proxy in front of the second
	max         time.Duration
	stagger     time.Duration
	connections int
	requests    int // on the connection that looks for a cap; 0: none does
	insecure    bool
	http1       bool
	asJSON      bool
	header      http.Header
}

func parseFlags(args []string, stderr io.Writer) (*config, error) {
	c := &config{header: http.Header{}}
	flags := flag.NewFlagSet("ttlprobe", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: ttlprobe [flags] URL...\n       ttlprobe [flags] -through PROXY-URL BACKEND-URL\n")
		flags.PrintDefaults()
	}
	through := flags.String("through", "", "compare hop by hop: `URL` is that of a proxy in front of the other URL")
	flags.DurationVar(&c.max, "max", 2*time.Minute, "wait no longer than this for a close")
	flags.DurationVar(&c.stagger, "stagger", 500*time.Millisecond, "pause between the requests of a connection that makes several")
	flags.IntVar(&c.connections, "connections", 4, "hold so many connections idle")
	flags.IntVar(&c.requests, "requests", 120, "send so many requests on one more, to find a cap; 0: none")
	flags.BoolVar(&c.insecure, "insecure", false, "accept any certificate")
	flags.BoolVar(&c.http1, "http1", false, "speak HTTP/1.1 even if the server would HTTP/2")
	flags.BoolVar(&c.asJSON, "json", false, "report in JSON")
	flags.Func("header", "add a `Name: value` to each request; may be repeated", c.addHeader)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	addresses := flags.Args()
	if *through != "" {
		c.through = true
		addresses = append([]string{*through}, addresses...)
	}
	return c, c.validate(addresses)
}

func (c *config) addHeader(field string) error {
	name, value, ok := strings.Cut(field, ":")
	if !ok {
		return errors.New("it has no colon")
	}
	c.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	return nil
}

func (c *config) validate(addresses []string) error {
	switch {
	case len(addresses) == 0:
		return errors.New("no URL given; -h explains")
	case c.through && len(addresses) != 2:
		return errors.New("-through takes the URL of a proxy, and one more of its backend")
	case c.max <= 0, c.stagger <= 0:
		return errors.New("-max and -stagger must be more than nothing")
	case c.connections < 2:
		return errors.New("-connections must be 2 or more: one by itself tells no timer from another")
	case c.requests < 0:
		return errors.New("-requests must not be negative")
	}
	for _, address := range addresses {
		u, err := parseURL(address)
		if err != nil {
			return err
		}
		c.targets = append(c.targets, u)
	}
	return nil
}

func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is no URL of http or https", address)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q names no host", address)
	}
	return u, nil
}
