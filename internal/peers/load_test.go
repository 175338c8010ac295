package peers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/ttlpool/ttlpool"
)

// kinds are what the workers send, by what a transport may know of it.
var kinds = []struct {
	name, method string
	repeatable   bool
	body         func() io.Reader
}{
	{"GET", "GET", true, func() io.Reader { return nil }},
	{"PUT", "PUT", true, func() io.Reader { return strings.NewReader("text") }},
	{"POST", "POST", false, func() io.Reader { return strings.NewReader("text") }},
	{"POST, a stream", "POST", false, func() io.Reader { return struct{ io.Reader }{strings.NewReader("text")} }},
}

// tally is what came of the requests of one kind.
type tally struct{ sent, failed, twice int }

// load is what workers have sent.
type load struct {
	send func(kind int, id string, worker int) error

	mu       sync.Mutex
	ids      map[string]int // the kind of each request
	tallies  []tally
	failures map[string]int
	// refusedTwice is how many of those that may be repeated failed in their second try.
	refusedTwice int
}

func newLoad(send func(kind int, id string, worker int) error) *load {
	return &load{send: send, ids: make(map[string]int), tallies: make([]tally, len(kinds)), failures: make(map[string]int)}
}

// run lets workers send until told to stop, each pausing between its requests.
func (l *load) run(workers int, goesOn func(n int) bool, pause func() time.Duration) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := 0; goesOn(n); n++ {
				if n > 0 {
					time.Sleep(pause())
				}
				l.one(fmt.Sprintf("%d-%d", worker, n), worker)
			}
		})
	}
	all.Wait()
}

func (l *load) one(id string, worker int) {
	kind := rand.IntN(len(kinds))
	err := l.send(kind, id, worker)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids[id] = kind
	l.tallies[kind].sent++
	if err != nil {
		l.tallies[kind].failed++
		l.failures[err.Error()]++
		if failed := (*ttlpool.ExchangeError)(nil); errors.As(err, &failed) && failed.Retried && kinds[kind].repeatable {
			l.refusedTwice++
		}
	}
}

// count enters what was processed more than once.
func (l *load) count(processed map[string]int) {
	for id, times := range processed {
		if kind, ok := l.ids[id]; ok && times > 1 {
			l.tallies[kind].twice++
		}
	}
}

// sum adds up the kinds that may be sent again, and those that may not.
func (l *load) sum(repeatable bool) (sum tally) {
	for i, k := range kinds {
		if k.repeatable == repeatable {
			sum.sent += l.tallies[i].sent
			sum.failed += l.tallies[i].failed
			sum.twice += l.tallies[i].twice
		}
	}
	return sum
}

func (l *load) report(t *testing.T, more string) {
	t.Helper()
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "kind\tsent\tfailed\tprocessed twice")
	for i, k := range kinds {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", k.name, l.tallies[i].sent, l.tallies[i].failed, l.tallies[i].twice)
	}
	_ = w.Flush() // to memory
	t.Logf("%s: %s\n%sfailures: %v", t.Name(), more, text.String(), l.failures)
}

// answered is the error of an answer that is not the one that was asked for.
func answered(resp *http.Response, body, want string) error {
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	if body != want {
		return errForeign
	}
	return nil
}

var errForeign = errors.New("the answer to another request")
