package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// tail is how long the slowest requests of a steady load take while something
// happens to other connections of the client, beside what they took just before.
// The server is in another process.
const tail = "Tail"

// event is what happens.
type event struct {
	name       string
	idle       int           // connections that are idle when the load begins
	ttl        time.Duration // of idle connections
	quiet      window        // since the load has begun: nothing happens
	busy       window        // it happens
	happen     time.Duration // when this is done to the server, if there is something to do
	do         string        // a command of the server
	thoseAfter int           // as many connections at most are open in the end
}

type window struct{ From, To time.Duration }

// The idle connections have all become idle within a few tenths of a second
// before the load begins.
var events = []event{
	{
		name: "10,000 connections expire", idle: 10_000, ttl: 5 * time.Second,
		quiet: window{time.Second, 2500 * time.Millisecond},
		busy:  window{4 * time.Second, 5500 * time.Millisecond}, thoseAfter: 100,
	},
	{
		name: "the server restarts", idle: 1_000, ttl: 90 * time.Second,
		quiet:  window{200 * time.Millisecond, 1200 * time.Millisecond},
		busy:   window{1200 * time.Millisecond, 2200 * time.Millisecond},
		happen: 1300 * time.Millisecond, do: "disconnect", thoseAfter: 100,
	},
}

func (b *bench) measureTail() error {
	s, addresses, err := startServer()
	if err != nil {
		return err
	}
	defer s.Stop()
	for _, e := range events {
		if !b.rows.matches(e.name) {
			continue
		}
		if err := b.measureRounds(e, s, addresses); errors.Is(err, errTimetable) {
			fmt.Printf("        NOT MEASURED, or not often enough: %v\n", err)
		} else if err != nil {
			return err
		}
		for _, row := range []string{e.name, quietRow(e)} {
			fmt.Printf("        %s\n", row)
			b.show(row, "p50-µs", "p99-µs", "p99.9-µs", "max-µs", "failed")
		}
	}
	return nil
}

// measureRounds lets it happen again and again.
func (b *bench) measureRounds(e event, s *child.Process, a server.Addresses) error {
	rounds := min(b.rounds, 6)
	for round := range rounds {
		b.progress(fmt.Sprintf("%s, round %d of %d", e.name, round+1, rounds))
		for _, c := range b.who(client.Job{}, client.Transport, client.TTLPool) {
			if err := b.measureEventPatiently(e, c, s, a); err != nil {
				return fmt.Errorf("%s: %s: %w", e.name, c.Name, err)
			}
		}
	}
	return nil
}

// quietRow is the name of the row of what the same load took before an event.
func quietRow(e event) string { return "before: " + e.name }

// measureEventPatiently tries again if a machine that stalls has upset the
// timetable.
func (b *bench) measureEventPatiently(e event, c *client.Client, s *child.Process, a server.Addresses) error {
	var err error
	for range 3 {
		if err = b.measureEvent(e, c, s, a); !errors.Is(err, errTimetable) {
			return err
		}
		fmt.Printf("        %s: %v\n", c.Name, err)
	}
	return err
}

var errTimetable = errors.New("the machine was too busy for the timetable")

// measureEvent lets it happen once.
func (b *bench) measureEvent(e event, c *client.Client, s *child.Process, a server.Addresses) error {
	p, err := child.Start(tailRole, tailArg{Client: c.Name, Addresses: a, Idle: e.idle, TTL: e.ttl, Until: e.busy.To})
	if err != nil {
		return err
	}
	defer p.Stop()
	var before, after int
	if err := s.Call("connections", &before); err != nil {
		return err
	}
	if before < e.idle {
		return fmt.Errorf("%w: %d connections are open, not %d", errTimetable, before, e.idle)
	}
	var load []timing
	ended := make(chan error, 1)
	go func() { ended <- p.Call("load", &load) }()
	if e.do != "" {
		time.Sleep(e.happen)
		if err := s.Call(e.do, nil); err != nil {
			return err
		}
	}
	if err := <-ended; err != nil {
		return err
	}
	if err := s.Call("connections", &after); err != nil {
		return err
	}
	if after > e.thoseAfter {
		return fmt.Errorf("%w: %d connections are still open", errTimetable, after)
	}
	for _, phase := range []struct {
		row string
		window
	}{{quietRow(e), e.quiet}, {e.name, e.busy}} {
		n, values := percentiles(load, phase.window)
		if err := b.add(phase.row, c.Name, n, values...); err != nil {
			return err
		}
	}
	return nil
}

// timing is what a request of the load took.
type timing struct {
	Begun  time.Duration // since the load began
	Took   time.Duration
	Failed bool
}

// percentiles sums up the requests that began in a window.
func percentiles(load []timing, w window) (n int, values []results.Value) {
	var took []float64
	failed := 0.0
	for _, t := range load {
		if t.Begun < w.From || t.Begun >= w.To {
			continue
		}
		took = append(took, float64(t.Took)/float64(time.Microsecond))
		if t.Failed {
			failed++
		}
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		if len(took) == 0 {
			return math.NaN()
		}
		return took[int(math.Ceil(share*float64(len(took))))-1]
	}
	return len(took), []results.Value{
		{Value: at(0.5), Unit: "p50-µs"},
		{Value: at(0.99), Unit: "p99-µs"},
		{Value: at(0.999), Unit: "p99.9-µs"},
		{Value: at(1), Unit: "max-µs"},
		{Value: failed, Unit: "failed"},
	}
}
