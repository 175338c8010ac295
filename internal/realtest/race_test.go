package realtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

const (
	raceTimeout = 2 * time.Second // httpd's KeepAliveTimeout
	raceTTL     = time.Second     // leaves room for a stall of the machine

	ourWorkers, ourPolls     = 1600, 13
	theirWorkers, theirPolls = 400, 9
)

// TestRaceWithHTTPD sends requests just when httpd closes idle connections.
// Through ttlpool none may fail and none may be processed twice, whatever the
// method. http.Transport runs beside it to show that the aim is good.
//
// Each worker has an address of its own, and so an idle connection of its own:
// sharing them, all would use the few that were used last.
func TestRaceWithHTTPD(t *testing.T) {
	h := Start(t, Apache{KeepAliveTimeout: raceTimeout})
	require.NotNil(t, h)
	theirs := http.DefaultTransport.(*http.Transport).Clone()
	theirs.Proxy, theirs.MaxIdleConns, theirs.DialContext = nil, 0, dialAlways(h.Address)
	defer theirs.CloseIdleConnections()
	tr, err := ttlpool.NewTransport(
		ttlpool.WithBase(&http.Transport{DialContext: dialAlways(h.Address)}),
		ttlpool.WithTTL(raceTTL), ttlpool.WithMaxIdle(0),
	)
	require.NoError(t, err)
	defer tr.Close()

	// Where the server closes, and where ttlpool does, a little early.
	atTimeout := span{raceTimeout - 5*time.Millisecond, raceTimeout + 5*time.Millisecond}
	atTTL := span{raceTTL - 80*time.Millisecond, raceTTL + 5*time.Millisecond}
	ours := &leg{name: "ttlpool", transport: tr, aims: []span{atTTL, atTimeout}}
	control := &leg{name: "http.Transport", transport: theirs, aims: []span{atTimeout}}
	var both sync.WaitGroup
	both.Go(func() { ours.run(t.Context(), ourWorkers, ourPolls) })
	both.Go(func() { control.run(t.Context(), theirWorkers, theirPolls) })
	both.Wait()
	stats := tr.Stats()
	require.NoError(t, h.Stop())
	processed, err := h.Processed()
	require.NoError(t, err)
	ours.count(processed)
	control.count(processed)
	t.Logf("KeepAliveTimeout %v, TTL %v\n%s", raceTimeout, raceTTL, table(control, ours))
	t.Logf("ttlpool: %d dials, %d reuses, %d stale, %d retries, closed: %v",
		stats.Dials, stats.Reuses, stats.Stale, stats.Retries, stats.Closed)

	total := ours.total()
	assert.Equal(t, ourWorkers*ourPolls, total.polls)
	assert.Zero(t, total.failed, "the first: %v", ours.firstErr)
	assert.Zero(t, total.twice)
	assert.Equal(t, total.polls, total.once)
	assert.Greater(t, stats.Reuses, int64(total.polls/10), "or there is no race to win")
	assert.Positive(t, stats.Closed[ttlpool.ClosedTTL])
	assert.Positive(t, control.total().failed, "the aim is not good enough to prove anything")
}

func dialAlways(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// methods are the kinds of requests, by what a client may know of them.
var methods = []struct {
	name string
	make func(url string) (*http.Request, error)
}{
	{"GET", func(url string) (*http.Request, error) { return http.NewRequest("GET", url, nil) }},
	{"DELETE", func(url string) (*http.Request, error) { return http.NewRequest("DELETE", url, nil) }},
	{"PUT", func(url string) (*http.Request, error) { return http.NewRequest("PUT", url, pollBody()) }},
	{"POST", func(url string) (*http.Request, error) { return http.NewRequest("POST", url, pollBody()) }},
	{"POST, streamed", func(url string) (*http.Request, error) {
		return http.NewRequest("POST", url, struct{ io.Reader }{pollBody()})
	}},
}

func pollBody() io.Reader { return strings.NewReader("<methodCall>taskFinished</methodCall>") }

// tally is the result of the requests of one kind.
type tally struct{ polls, failed, once, twice int }

type span struct{ from, to time.Duration }

// leg is one transport under test.
type leg struct {
	name      string
	transport http.RoundTripper
	aims      []span // idle times to be hit

	mu       sync.Mutex
	tallies  []tally // by method
	failures map[string]int
	firstErr error
	sent     map[string]int // the index of the method by request id
}

func (l *leg) run(ctx context.Context, workers, polls int) {
	l.tallies, l.failures, l.sent = make([]tally, len(methods)), make(map[string]int), make(map[string]int)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() { l.work(ctx, worker, polls) })
	}
	all.Wait()
}

// work polls with idle gaps drawn around the aims.
func (l *leg) work(ctx context.Context, worker, polls int) {
	pause := time.NewTimer(rand.N(raceTimeout)) // the workers do not march in step
	defer pause.Stop()
	for n := range polls {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		method := rand.IntN(len(methods))
		id := fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(l.name, " ", ""), worker, n)
		err := l.poll(ctx, method, fmt.Sprintf("http://worker-%d.test/", worker), id)
		l.note(method, id, err)
		aim := l.aims[rand.IntN(len(l.aims))]
		pause.Reset(aim.from + rand.N(aim.to-aim.from))
	}
}

func (l *leg) poll(ctx context.Context, method int, url, id string) error {
	req, err := methods[method].make(url)
	if err != nil {
		return err
	}
	req.Header.Set("X-Request-Id", id)
	resp, err := l.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (l *leg) note(method int, id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[id] = method
	l.tallies[method].polls++
	if err != nil {
		l.tallies[method].failed++
		l.failures[kindOfFailure(err)]++
		if l.firstErr == nil {
			l.firstErr = err
		}
	}
}

func kindOfFailure(err error) string {
	for _, known := range []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

// count enters what the server says it has processed.
func (l *leg) count(processed map[string]int) {
	for id, method := range l.sent {
		switch times := processed[id]; {
		case times == 1:
			l.tallies[method].once++
		case times > 1:
			l.tallies[method].twice++
		}
	}
}

func (l *leg) total() (sum tally) {
	for _, t := range l.tallies {
		sum.polls += t.polls
		sum.failed += t.failed
		sum.once += t.once
		sum.twice += t.twice
	}
	return sum
}

func table(legs ...*leg) string {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "transport\tmethod\tpolls\tfailed\tprocessed once\ttwice\t")
	row := func(name, method string, t tally) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t\n", name, method, t.polls, t.failed, t.once, t.twice)
	}
	for _, l := range legs {
		for i, t := range l.tallies {
			row(l.name, methods[i].name, t)
		}
		row(l.name, "all", l.total())
	}
	_ = w.Flush() // to memory
	for _, l := range legs {
		fmt.Fprintf(&text, "failures of %s: %v\n", l.name, l.failures)
	}
	return text.String()
}
