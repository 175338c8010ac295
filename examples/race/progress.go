package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows how far a run is: a bar that moves on a terminal, else a line now and then.
type progress struct {
	out      io.Writer
	terminal bool
	start    time.Time
	total    time.Duration

	requests int64   // of the situations that are over
	failures []int64 // of these, by leg
}

const (
	barWidth     = 24
	barInterval  = 100 * time.Millisecond
	lineInterval = 3 * time.Second
)

func newProgress(out *os.File, total time.Duration) *progress {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &progress{out: out, terminal: terminal, start: time.Now(), total: total}
}

// watch shows the legs' counters until stop is called.
func (p *progress) watch(legs []*leg) (stop func()) {
	interval := lineInterval
	if p.terminal {
		interval = barInterval
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.show(legs)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
		p.requests, p.failures = p.sum(legs)
		if p.terminal {
			fmt.Fprint(p.out, "\r\x1b[K")
		}
	}
}

// sum adds the legs' counters to those of the situations before.
func (p *progress) sum(legs []*leg) (requests int64, failures []int64) {
	requests = p.requests
	failures = make([]int64, len(legs))
	copy(failures, p.failures)
	for i, l := range legs {
		requests += l.requests.Load()
		failures[i] += l.failures.Load()
	}
	return requests, failures
}

func (p *progress) show(legs []*leg) {
	elapsed := min(time.Since(p.start), p.total)
	requests, failures := p.sum(legs)
	var failed strings.Builder
	for i, l := range legs {
		fmt.Fprintf(&failed, ", %s %s", l.spec.name, count(int(failures[i])))
	}
	text := fmt.Sprintf("%.0fs of %.0fs: %s requests; failed%s",
		elapsed.Seconds(), p.total.Seconds(), count(int(requests)), strings.TrimPrefix(failed.String(), ","))
	if p.terminal {
		fmt.Fprintf(p.out, "\r%s %s\x1b[K", progressBar(elapsed, p.total, barWidth), text)
		return
	}
	fmt.Fprintln(p.out, text)
}

func progressBar(elapsed, total time.Duration, width int) string {
	full := min(int(float64(width)*elapsed.Seconds()/total.Seconds()), width)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}
