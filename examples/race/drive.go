package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// hubNodes is the number of servers that make up the embedded hub. They restart one after the other, so that the polls
// aimed at a restart do not all come at once.
const hubNodes = 24

// situation is one part of a run: what the polls are aimed at.
type situation struct {
	name     string
	duration time.Duration
	restarts bool // of the embedded hub; else the polls are about its timeout
}

func situations(cfg config) []situation {
	if cfg.backend != nil {
		return []situation{{name: "idle timeout", duration: cfg.duration}}
	}
	return []situation{
		{name: "idle timeout", duration: cfg.duration * 2 / 3},
		{name: "restart", duration: cfg.duration / 3, restarts: true},
	}
}

// race runs every situation, or as many as there is time for until ctx ends.
func race(ctx context.Context, cfg config, bar *progress) ([]situationResult, error) {
	var results []situationResult
	for _, s := range situations(cfg) {
		result, err := drive(ctx, cfg, s, bar)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
		if ctx.Err() != nil {
			break
		}
	}
	return results, nil
}

// drive sends the polls of one situation through all legs at once.
func drive(ctx context.Context, cfg config, s situation, bar *progress) (situationResult, error) {
	var h *hub
	var to target
	if cfg.backend != nil {
		to = backendTarget(cfg.backend, cfg.path)
	} else {
		var err error
		if h, err = startHub(hubNodes, cfg.timeout); err != nil {
			return situationResult{}, err
		}
		defer h.close()
		to = hubTarget(h)
	}
	legs, err := startLegs(to, cfg.ttl)
	if err != nil {
		return situationResult{}, err
	}
	defer closeLegs(legs)

	ctx, cancel := context.WithTimeout(ctx, s.duration)
	defer cancel()
	defer bar.watch(legs)()
	workers := poll(ctx, cfg, s, h, to, legs)
	return summarize(s, legs, workers, h), nil
}

// poll runs the workers of all legs, and the restarts where there are any, until ctx ends.
func poll(ctx context.Context, cfg config, s situation, h *hub, to target, legs []*leg) [][]*worker {
	start := time.Now()
	var wg sync.WaitGroup
	var target aim = atIdleTimeout{cfg.timeout, cfg.ttl}
	if s.restarts {
		restarts := schedule{start: start, period: cfg.ttl, nodes: hubNodes}
		target = atRestart{restarts}
		wg.Go(func() { h.keepRestarting(ctx, restarts) })
	}
	workers := make([][]*worker, len(legs))
	for i, l := range legs {
		for lane := range cfg.workers {
			w := &worker{leg: l, to: to, lane: lane, aim: target, rng: rand.New(rand.NewPCG(cfg.seed, uint64(lane)))}
			workers[i] = append(workers[i], w)
			first := start.Add(between(w.rng, 0, cfg.ttl))
			wg.Go(func() { w.run(ctx, first) })
		}
	}
	wg.Wait()
	return workers
}

func startLegs(to target, ttl time.Duration) ([]*leg, error) {
	var legs []*leg
	for _, spec := range legSpecs(ttl) {
		l, err := startLeg(spec, to, ttl)
		if err != nil {
			closeLegs(legs)
			return nil, err
		}
		legs = append(legs, l)
	}
	return legs, nil
}

func closeLegs(legs []*leg) {
	for _, l := range legs {
		l.close()
	}
}
