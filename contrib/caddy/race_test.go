package caddy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const (
	idleTimeout = time.Second // of the backend

	lanes = 60 // of each leg: a worker and an upstream, so that none uses another's connection
	warm  = 5  // calls of each after which the upstream closes: enough to learn its timeout, should some be late
	calls = 12 // of each
)

// leg is a transport of Caddy's under test.
type leg struct {
	name, transport string
	hint            bool // the backend states its timeout
	site            *site

	mu     sync.Mutex // guards the rest
	failed map[string]int
	ids    map[string]bool // of all calls; true: POST
}

// TestNo502WhereCaddysOwnTransportShowsSome sends GETs and POSTs, whose bodies
// stream, through Caddy to a backend just when it closes idle connections, and
// at any time before. They go through Caddy's own transport and, beside it,
// through ttlpool, which knows the timeout in each of the ways there are.
func TestNo502WhereCaddysOwnTransportShowsSome(t *testing.T) {
	b := startBackend(t, lanes, idleTimeout, echo)
	legs := []*leg{
		{name: "Caddy's own", transport: "transport http"},
		{name: "ttl", transport: "transport ttlpool {\nttl 700ms\nlearning off\n}"},
		{name: "server_timeout", transport: "transport ttlpool {\nserver_timeout 1s\nlearning off\n}"},
		{name: "hint", transport: "transport ttlpool {\nlearning off\n}", hint: true},
		{name: "learning", transport: "transport ttlpool"},
	}
	var blocks []string
	for _, l := range legs {
		l.site, l.failed, l.ids = newSite(t), make(map[string]int), make(map[string]bool)
		blocks = append(blocks, l.site.block("reverse_proxy 127.0.0.1:{header.X-Port} {\n"+l.transport+"\n}"))
	}
	run(t, adapt(t, blocks...))

	var all sync.WaitGroup
	for _, l := range legs {
		for lane := range lanes {
			all.Go(func() { l.work(t, b, lane) })
		}
	}
	all.Wait()
	for i, l := range legs {
		processed, reused, postsTwice := l.count(b)
		t.Logf("%-14s %d calls, %d reused a connection, processed, by how often: %v; failed: %v", l.name, len(l.ids), reused, processed, l.failed)
		assert.Len(t, l.ids, lanes*calls)
		assert.Zero(t, postsTwice, l.name)
		assert.Greater(t, reused, lanes, "%s: there is no race where nothing is reused", l.name)
		if i == 0 {
			assert.NotEmpty(t, l.failed, "the aim is not good enough to prove anything")
			continue
		}
		assert.Empty(t, l.failed, l.name)
		assert.Equal(t, map[int]int{1: lanes * calls}, processed, l.name)
	}
}

// work makes the calls of one lane, the warming ones not counted.
func (l *leg) work(t *testing.T, b *backend, lane int) {
	port := b.ports[lane]
	time.Sleep(rand.N(idleTimeout)) // not in step
	for n := range warm {
		id := fmt.Sprintf("%s/%d/warm %d", l.name, lane, n)
		l.call(t, http.MethodGet, port, id)
		assert.Eventually(t, func() bool { return b.hasClosed(id) }, 10*idleTimeout, 5*time.Millisecond)
		time.Sleep(300 * time.Millisecond) // until it has been noticed, also by a process that gets little of the processors
	}
	l.call(t, http.MethodGet, port, "")
	for n := range calls {
		time.Sleep(gap())
		method := []string{http.MethodGet, http.MethodPost}[rand.IntN(2)]
		id := fmt.Sprintf("%s/%d/%d", l.name, lane, n)
		status, text := l.call(t, method, port, id)
		l.mu.Lock()
		l.ids[id] = method == http.MethodPost
		if status != http.StatusOK {
			l.failed[fmt.Sprintf("%s %d", method, status)]++
		}
		l.mu.Unlock()
		if status != http.StatusOK && l.transport != "transport http" {
			t.Logf("%s: %s: %d %s", l.name, method, status, text)
		}
	}
}

// gap draws half of the idle times around the backend's timeout, and half below.
func gap() time.Duration {
	if rand.IntN(2) == 0 {
		return rand.N(idleTimeout)
	}
	return idleTimeout - 2*time.Millisecond + rand.N(7*time.Millisecond)
}

func (l *leg) call(t *testing.T, method, port, id string) (status int, text string) {
	req := l.site.request(t, method, "/")
	if method == http.MethodPost {
		req.Body = io.NopCloser(strings.NewReader("<methodCall/>")) // of unknown length: a stream
		req.ContentLength = -1
	}
	req.Header.Set("X-Port", port)
	req.Header.Set(idHeader, id)
	if l.hint {
		req.Header.Set(hintHeader, "1")
	}
	return l.site.do(t, req)
}

// count asks the backend what became of the calls.
func (l *leg) count(b *backend) (processed map[int]int, reused, postsTwice int) {
	processed = make(map[int]int)
	for id, post := range l.ids {
		fate := b.fate(id)
		processed[fate.times]++
		if fate.reused {
			reused++
		}
		if post && fate.times > 1 {
			postsTwice++
		}
	}
	return processed, reused, postsTwice
}
