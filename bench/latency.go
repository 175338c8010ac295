package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/results"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// latency is measured with the server in this process: with two, what the
// machine needs to wake the other one up would hide the rest. So CPU time is
// that of client and server together.
const latency = "Latency"

// subject is a client at work on a job.
type subject struct {
	client  *client.Client
	workers []client.Worker
	n       int // exchanges that take about as long as one measurement shall
}

func (b *bench) measureLatency() error {
	for _, r := range rows {
		if !b.rows.matches(r.name) {
			continue
		}
		b.progress(r.name)
		if err := b.measureRow(r); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		b.show(r.name, "ns/op", "cpu-ns/op", "B/op", "allocs/op")
	}
	return nil
}

// measureRow lets all clients that can do the job do it in turn, round after
// round, so that what changes on the machine meanwhile meets all of them.
func (b *bench) measureRow(r row) error {
	s, err := server.Start()
	if err != nil {
		return err
	}
	defer s.Close()
	var subjects []*subject
	for _, c := range b.who(r.job, client.All...) {
		workers, stop, err := c.Start(r.job, s.Addresses)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		defer stop()
		subject := &subject{client: c, workers: workers}
		if err := subject.calibrate(r.job, b.length); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		subjects = append(subjects, subject)
	}
	for round := range b.rounds {
		for i := range subjects {
			s := subjects[(round+i)%len(subjects)]
			values, err := s.run(s.n)
			if err != nil {
				return fmt.Errorf("%s: %w", s.client.Name, err)
			}
			if err := b.add(r.name, s.client.Name, s.n, values...); err != nil {
				return err
			}
		}
	}
	return nil
}

// calibrate opens the connections and finds out how many exchanges fill the
// length of a sample.
func (s *subject) calibrate(j client.Job, length time.Duration) error {
	if err := share(s.workers, 2*max(j.Workers, j.Hosts)); err != nil {
		return err
	}
	for s.n = max(j.Workers, j.Hosts); ; s.n *= 2 {
		begun := time.Now()
		if err := share(s.workers, s.n); err != nil {
			return err
		}
		if whole := time.Since(begun); whole > length/4 {
			s.n = max(1, int(float64(s.n)*float64(length)/float64(whole)))
			return nil
		}
	}
}

// run does so many exchanges, and says what each cost.
func (s *subject) run(n int) ([]results.Value, error) {
	var before, after runtime.MemStats
	runtime.GC() // what others have left behind is not this one's to collect
	runtime.ReadMemStats(&before)
	cpu, begun := cpuTime(), time.Now()
	err := share(s.workers, n)
	took, used := time.Since(begun), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	return []results.Value{
		{Value: float64(took) / float64(n), Unit: "ns/op"},
		{Value: float64(used) / float64(n), Unit: "cpu-ns/op"},
		{Value: float64(after.TotalAlloc-before.TotalAlloc) / float64(n), Unit: "B/op"},
		{Value: float64(after.Mallocs-before.Mallocs) / float64(n), Unit: "allocs/op"},
	}, err
}

// share lets the workers do n exchanges. A single one does them on this
// goroutine.
func share(workers []client.Worker, n int) error {
	if len(workers) == 1 {
		return repeat(workers[0], n)
	}
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards failed
		failed  error
	)
	for i, w := range workers {
		part := (n + i) / len(workers)
		running.Go(func() {
			if err := repeat(w, part); err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return failed
}

func repeat(w client.Worker, n int) error {
	for range n {
		if err := w.Exchange(); err != nil {
			return err
		}
	}
	return nil
}
