package main

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/child"
	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// The steady load: so many workers, each of which sends a request so often. It
// leaves two processors more than half idle.
const (
	loadWorkers  = 16
	loadInterval = 4 * time.Millisecond
)

// tailRole is a client under a steady load, with idle connections besides.
const tailRole = "tail"

type tailArg struct {
	Client    string
	Addresses server.Addresses
	Idle      int
	TTL       time.Duration
	Until     time.Duration
}

func tailChild(encoded json.RawMessage) (child.Commands, func(), error) {
	var arg tailArg
	if err := json.Unmarshal(encoded, &arg); err != nil {
		return nil, nil, err
	}
	c, err := client.Named(arg.Client)
	if err != nil {
		return nil, nil, err
	}
	base := client.Base(arg.Addresses.Plain, 2*arg.Idle)
	base.IdleConnTimeout = arg.TTL
	base.DialContext = fewAtATime(base.DialContext)
	t, stop, err := c.RoundTripper(base)
	if err != nil {
		return nil, nil, err
	}
	job := client.Job{Path: server.Small, Workers: loadWorkers, Hosts: 1}
	workers, cancel := client.RoundTrippers(t, job, arg.Addresses)
	// It is filled before the load is asked for, so that the parent can look.
	if err := fillAtOnce(t, arg.Addresses, arg.Idle); err != nil {
		stop()
		return nil, nil, err
	}
	return child.Commands{
		"load": func() (any, error) { return load(workers, arg.Until), nil },
	}, func() { cancel(); stop() }, nil
}

// load puts the load on the workers.
func load(workers []client.Worker, until time.Duration) []timing {
	begun := time.Now()
	each := make([][]timing, len(workers))
	var running sync.WaitGroup
	for i, w := range workers {
		each[i] = make([]timing, 0, until/loadInterval+1)
		running.Go(func() {
			first := time.Duration(i) * loadInterval / time.Duration(len(workers))
			for due := first; due < until; due += loadInterval {
				each[i] = append(each[i], timed(w, begun, due))
			}
		})
	}
	running.Wait()
	return slices.Concat(each...)
}

// timed sends a request when it is due. If the one before took until later, it
// has been waiting since then, and that counts; what the timer is late does not.
func timed(w client.Worker, begun time.Time, due time.Duration) timing {
	from := due
	if wait := due - time.Since(begun); wait > 0 {
		time.Sleep(wait)
		from = time.Since(begun)
	}
	err := w.Exchange()
	return timing{Begun: due, Took: time.Since(begun) - from, Failed: err != nil}
}
