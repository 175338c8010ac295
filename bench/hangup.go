package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// hangUp is how long it takes, and what it costs, until a client has got rid of
// idle connections that the server closes all at once.
const hangUp = "HangUp"

const (
	hangUpRow   = "server closes 10,000 idle connections"
	hangUpConns = 10_000
)

func (b *bench) measureHangUp() error {
	if !b.rows.matches(hangUpRow) {
		return nil
	}
	s, addresses, err := startServer()
	if err != nil {
		return err
	}
	defer s.Stop()
	b.progress(hangUpRow)
	for range min(b.rounds, 3) {
		for _, c := range b.who(client.Job{}, client.Transport, client.TTLPool) {
			values, err := hangUpOf(s, hangUpArg{c.Name, addresses})
			if err != nil {
				return err
			}
			if err := b.add(hangUpRow, c.Name, hangUpConns, values...); err != nil {
				return err
			}
		}
	}
	b.show(hangUpRow, "ms", "cpu-ms")
	return nil
}

func hangUpOf(s *child.Process, arg hangUpArg) ([]results.Value, error) {
	p, err := child.Start(hangUpRole, arg)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	var before, after hangUpState
	if err := p.Call("state", &before); err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.Call("disconnect", nil); err != nil {
		return nil, err
	}
	if err := p.Call("await", &after); err != nil {
		return nil, err
	}
	return []results.Value{
		{Value: float64(after.At.Sub(begun).Milliseconds()), Unit: "ms"},
		{Value: float64((after.CPU - before.CPU).Milliseconds()), Unit: "cpu-ms"},
	}, nil
}

// hangUpRole is a client that holds idle connections until the server closes
// them.
const hangUpRole = "hangup"

type hangUpArg struct {
	Client    string
	Addresses server.Addresses
}

type hangUpState struct {
	At  time.Time // on the clock of the machine, which both processes share
	CPU time.Duration
}

func hangUpChild(encoded json.RawMessage) (child.Commands, func(), error) {
	var arg hangUpArg
	if err := json.Unmarshal(encoded, &arg); err != nil {
		return nil, nil, err
	}
	c, err := client.Named(arg.Client)
	if err != nil {
		return nil, nil, err
	}
	t, stop, err := c.RoundTripper(client.Base(arg.Addresses.Plain, 2*hangUpConns))
	if err != nil {
		return nil, nil, err
	}
	if err := fill(t, client.Job{}, arg.Addresses, hangUpConns); err != nil {
		stop()
		return nil, nil, err
	}
	return child.Commands{
		"state": func() (any, error) { runtime.GC(); return hangUpState{time.Now(), cpuTime()}, nil },
		"await": func() (any, error) {
			for deadline := time.Now().Add(time.Minute); held(t) > 0; {
				if time.Now().After(deadline) {
					return nil, errors.New("connections that the server has closed are still there")
				}
				time.Sleep(time.Millisecond)
			}
			return hangUpState{time.Now(), cpuTime()}, nil
		},
	}, stop, nil
}

// held is how many connections a client holds. http.Transport does not say, but
// has two goroutines for each; this process has few others.
func held(t http.RoundTripper) int {
	if t, ok := t.(*ttlpool.Transport); ok {
		return t.Stats().Open
	}
	const others = 10
	return max(0, runtime.NumGoroutine()-others) / 2
}
