package caddy

import (
	"fmt"
	"math"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
	"github.com/ttlpool/ttlpool"
)

// UnmarshalCaddyfile reads
//
//	transport ttlpool {
//		ttl             <duration>
//		server_timeout  <duration>
//		strict_ttl      <duration>
//		margin          <duration>
//		max_age         <duration> [<jitter>]
//		max_uses        <number>
//		acquire_timeout <duration>
//		replay_limit    <size>
//		learning        on|off
//		hint            on|off
//		idempotent {
//			<matcher> ...
//		}
//		...
//	}
//
// where the dots are whatever Caddy's own transport takes. Further blocks of
// idempotent are alternatives.
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	if d.NextArg() {
		return d.ArgErr()
	}
	opening := d.Token().Clone()
	opening.Text = "{"
	theirs := []caddyfile.Token{d.Token(), opening}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if parse, ours := subdirectives[d.Val()]; ours {
			if err := parse(t, d); err != nil {
				return err
			}
			continue
		}
		theirs = append(theirs, d.NextSegment()...)
	}
	closing := d.Token().Clone()
	closing.Text = "}"
	if err := t.HTTPTransport.UnmarshalCaddyfile(caddyfile.NewDispenser(append(theirs, closing))); err != nil {
		return err
	}
	// For contradictions. What makes no connection need not be closed.
	if _, err := ttlpool.NewTransport(t.options()...); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// subdirectives reads what is not Caddy's own transport's, by name.
var subdirectives = map[string]func(*Transport, *caddyfile.Dispenser) error{
	"ttl":             func(t *Transport, d *caddyfile.Dispenser) error { return read(d, parseDuration, &t.TTL) },
	"server_timeout":  func(t *Transport, d *caddyfile.Dispenser) error { return read(d, parseDuration, &t.ServerTimeout) },
	"strict_ttl":      func(t *Transport, d *caddyfile.Dispenser) error { return readStated(d, parseDuration, &t.StrictTTL) },
	"margin":          func(t *Transport, d *caddyfile.Dispenser) error { return readStated(d, parseDuration, &t.Margin) },
	"max_age":         readMaxAge,
	"max_uses":        func(t *Transport, d *caddyfile.Dispenser) error { return read(d, parseCount, &t.MaxUses) },
	"acquire_timeout": func(t *Transport, d *caddyfile.Dispenser) error { return read(d, parseDuration, &t.AcquireTimeout) },
	"replay_limit":    func(t *Transport, d *caddyfile.Dispenser) error { return readStated(d, parseSize, &t.ReplayLimit) },
	"learning":        func(t *Transport, d *caddyfile.Dispenser) error { return readStated(d, parseSwitch, &t.Learning) },
	"hint":            func(t *Transport, d *caddyfile.Dispenser) error { return readStated(d, parseSwitch, &t.Hint) },
	"idempotent":      readIdempotent,
}

// read reads the only argument of a subdirective.
func read[T any](d *caddyfile.Dispenser, parse func(string) (T, error), to *T) error {
	name := d.Val()
	var argument string
	if !d.AllArgs(&argument) {
		return d.ArgErr()
	}
	value, err := parse(argument)
	if err != nil {
		return d.Errf("%s: %w", name, err)
	}
	*to = value
	return nil
}

// readStated is read where zero means something else than nothing.
func readStated[T any](d *caddyfile.Dispenser, parse func(string) (T, error), to **T) error {
	*to = new(T)
	return read(d, parse, *to)
}

func readMaxAge(t *Transport, d *caddyfile.Dispenser) error {
	if d.CountRemainingArgs() < 2 {
		return read(d, parseDuration, &t.MaxAge)
	}
	name := d.Val()
	d.NextArg()
	age, err := parseDuration(d.Val())
	if err != nil {
		return d.Errf("%s: %w", name, err)
	}
	t.MaxAge = age
	return read(d, parseDuration, &t.MaxAgeJitter)
}

func readIdempotent(t *Transport, d *caddyfile.Dispenser) error {
	matchers, err := caddyhttp.ParseCaddyfileNestedMatcherSet(d)
	if err != nil {
		return err
	}
	if len(matchers) == 0 { // it would match everything
		return d.Err("idempotent: no matchers")
	}
	t.IdempotentRaw = append(t.IdempotentRaw, matchers)
	return nil
}

func parseDuration(text string) (caddy.Duration, error) {
	d, err := caddy.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%v is negative", d)
	}
	return caddy.Duration(d), err
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

func parseSize(text string) (int64, error) {
	size, err := humanize.ParseBytes(text)
	if err == nil && size > math.MaxInt64 {
		err = fmt.Errorf("%s is too much", text)
	}
	return int64(size), err
}

func parseSwitch(text string) (bool, error) {
	switch text {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", text)
}
