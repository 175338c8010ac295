package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// soak is one run.
type soak struct {
	out      io.Writer
	workers  []*worker
	backends []*backend
	pooled   *ttlpool.Transport
	ledger   *ledger
	findings *findings
}

// rounds are how many parts a run has. After each the workers pause, and what
// the process holds is measured; the first is for warming up.
const rounds = 10

// run runs for about so long, and returns what it has found.
func run(out io.Writer, duration time.Duration, workers int) (*findings, error) {
	before, err := measureFirst()
	if err != nil {
		return nil, err
	}
	s := &soak{out: out, findings: &findings{}}
	if err := s.start(workers); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "%d workers, %d kinds of servers, %d kinds of requests\n\n", workers, len(s.backends), len(kinds))
	fmt.Fprintf(out, "%10s %12s %12s %12s %12s\n", "requests", "a second", "goroutines", "descriptors", "heap, KiB")
	var first, last usage
	for round := range rounds {
		last = s.round(duration / rounds)
		if round == 0 {
			first = last
		}
	}
	s.findings.compare("while it ran", first, last)
	s.ledger.finish()
	s.report()
	if err := s.pooled.Close(); err != nil {
		return nil, err
	}
	stopAll(s.backends)
	for _, b := range s.backends {
		if b.failure != nil {
			return nil, fmt.Errorf("%s: %w", b.name, b.failure)
		}
	}
	s.findings.compareEnd(before)
	fmt.Fprintf(out, "\n%v", s.findings)
	return s.findings, nil
}

func (s *soak) start(workers int) error {
	s.ledger = newLedger(workers, s.findings)
	certificate, err := realtest.NewCertificate()
	if err != nil {
		return err
	}
	if s.backends, err = startBackends(s.out, s.ledger, certificate); err != nil {
		return err
	}
	if s.pooled, err = newTransport(s.backends, certificate); err != nil {
		stopAll(s.backends)
		return err
	}
	for index := range workers {
		w := &worker{
			index: index, transport: s.pooled, backends: s.backends, ledger: s.ledger, findings: s.findings,
			kinds: make(map[*kind]int64), at: make(map[*backend]*[outcomes]int64),
		}
		for _, b := range s.backends {
			w.at[b] = new([outcomes]int64)
		}
		s.workers = append(s.workers, w)
	}
	return nil
}

// newTransport knows the timeouts of steady backends, and has some limits.
func newTransport(backends []*backend, certificate *realtest.Certificate) (*ttlpool.Transport, error) {
	proxies := make(map[string]*url.URL)
	options := []ttlpool.Option{
		ttlpool.WithMaxAge(20 * time.Second), ttlpool.WithMaxAgeJitter(15 * time.Second),
		ttlpool.WithBase(&http.Transport{
			TLSClientConfig: certificate.ClientConfig(), ForceAttemptHTTP2: true, ExpectContinueTimeout: time.Second,
			Proxy: func(req *http.Request) (*url.URL, error) { return proxies[req.URL.Host], nil },
		}),
	}
	for _, b := range backends {
		next := b.address()
		if b.proxy != nil {
			proxies[next] = b.proxy
			next = b.proxy.Host
		}
		if b.steady {
			host := []ttlpool.HostOption{ttlpool.WithServerTimeout(steadyTimeout), ttlpool.WithMargin(margin)}
			if b.name == fewConnections {
				host = append(host, ttlpool.WithMaxConnsPerHost(4))
			}
			options = append(options, ttlpool.WithHost(next, host...))
			if b.proxy != nil {
				options = append(options, ttlpool.WithHost(b.address(), host...)) // a tunnel's own timer
			}
		}
	}
	return ttlpool.NewTransport(options...)
}

// round lets the workers work, and measures what is left when they pause.
func (s *soak) round(d time.Duration) usage {
	before := s.requests()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range s.workers {
		all.Go(func() { w.run(ctx) })
	}
	all.Wait()
	made := s.requests() - before
	rate := float64(made) / time.Since(begun).Seconds()
	now := s.settled()
	fmt.Fprintf(s.out, "%10d %12.0f %12d %12d %12d\n", made, rate, now.goroutines, now.descriptors, now.heap>>10)
	return now
}

// closeIdle closes what is idle in all pools.
func (s *soak) closeIdle() {
	s.pooled.CloseIdleConnections()
	for _, b := range s.backends {
		if b.own != nil {
			b.own.CloseIdleConnections()
		}
	}
}

// settled closes idle connections, and measures until the servers have noticed
// that: until nothing more has gone away for a while. It closes them again and
// again, for a dial that nobody waits for any more may yet make one.
func (s *soak) settled() (least usage) {
	s.closeIdle()
	least = measure()
	for still := 0; still < 10; still++ {
		time.Sleep(50 * time.Millisecond)
		s.closeIdle()
		now := measure()
		if now.goroutines < least.goroutines || now.descriptors < least.descriptors {
			still = 0
		}
		least.goroutines = min(least.goroutines, now.goroutines)
		least.descriptors = min(least.descriptors, now.descriptors)
		least.heap = min(least.heap, now.heap)
	}
	return least
}

func (s *soak) requests() (n int64) {
	for _, w := range s.workers {
		n += w.number
	}
	return n
}
