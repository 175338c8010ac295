package main

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// What a request says of itself, and its answer of it.
const (
	idHeader   = "X-Id"   // of the request, and of the one that is answered
	sizeHeader = "X-Size" // of the answer that is wanted
	gotHeader  = "X-Got"  // length and sum of the body that arrived
	bareHeader = "X-Bare" // there is no body, whatever was wanted
)

// remembered is how many of each worker's requests the ledger knows: the later of
// two that are processed must not come after so many more.
const remembered = 64

// ledger counts how often each request has been processed. It forgets old ones,
// so that it does not grow.
type ledger struct {
	workers  []window
	findings *findings
}

// window has the latest requests of one worker.
type window struct {
	mu      sync.Mutex // guards entries; nothing else happens under it
	entries [remembered]entry
}

type entry struct {
	number     int64
	repeatable bool // it may be processed twice
	processed  int
	slipped    bool // it has met what a server said out of turn
	waiting    bool // it was there, unread, when the server spoke
}

func newLedger(workers int, f *findings) *ledger {
	return &ledger{workers: make([]window, workers), findings: f}
}

// begin takes in a request, and judges the one that it drives out.
func (l *ledger) begin(worker int, number int64, repeatable bool) (id string) {
	w := &l.workers[worker]
	w.mu.Lock()
	old := w.entries[number%remembered]
	w.entries[number%remembered] = entry{number: number, repeatable: repeatable}
	w.mu.Unlock()
	l.judge(worker, old)
	return fmt.Sprintf("%d-%d", worker, number)
}

// finish judges what is left.
func (l *ledger) finish() {
	for worker := range l.workers {
		w := &l.workers[worker]
		w.mu.Lock()
		entries := w.entries
		w.mu.Unlock()
		for _, e := range entries {
			l.judge(worker, e)
		}
	}
}

func (l *ledger) judge(worker int, e entry) {
	if e.processed > 1 && !e.repeatable {
		l.findings.add(processedTwice, fmt.Sprintf("request %d-%d: %d times", worker, e.number, e.processed))
	}
}

// change changes the entry of a request, if it is still there.
func (l *ledger) change(id string, how func(*entry)) {
	first, second, _ := strings.Cut(id, "-")
	worker, _ := strconv.Atoi(first)
	number, err := strconv.ParseInt(second, 10, 64)
	if err != nil || worker < 0 || worker >= len(l.workers) {
		return
	}
	w := &l.workers[worker]
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := &w.entries[number%remembered]; e.number == number {
		how(e)
	}
}

func (l *ledger) process(id string) { l.change(id, func(e *entry) { e.processed++ }) }

func (l *ledger) slip(id string, waiting bool) {
	l.change(id, func(e *entry) { e.slipped, e.waiting = true, waiting })
}

// at returns the entry of a request of the last few.
func (l *ledger) at(worker int, number int64) entry {
	w := &l.workers[worker]
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries[number%remembered]
}

// ServeHTTP counts a request when all of it has arrived, and answers it with
// what it was and as many bytes as it asks for.
func (l *ledger) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	got, err := readSum(req.Body)
	if err != nil {
		return // the client has given up
	}
	id := req.Header.Get(idHeader)
	l.process(id)
	w.Header().Set(idHeader, id)
	w.Header().Set(gotHeader, got)
	size, _ := strconv.Atoi(req.Header.Get(sizeHeader))
	if req.Header.Get("Upgrade") == echo {
		sendBack(w, size)
		return
	}
	_, _ = io.Copy(w, newPattern(id, size))
}

// answer is ServeHTTP for a server that writes to the connection itself.
func (l *ledger) answer(out *bufio.Writer, req *http.Request, got string) error {
	id := req.Header.Get(idHeader)
	l.process(id)
	return writeBare(out, "200 OK", id, got)
}

// writeBare writes a response without a body.
func writeBare(out *bufio.Writer, status, id, got string) error {
	_, err := fmt.Fprintf(out, "HTTP/1.1 %s\r\n%s: %s\r\n%s: %s\r\n%s: 1\r\nContent-Length: 0\r\n\r\n",
		status, idHeader, id, gotHeader, got, bareHeader)
	return errors.Join(err, out.Flush())
}

// readSum reads to the end and returns length and sum.
func readSum(r io.Reader) (string, error) {
	sum := crc32.NewIEEE()
	n, err := io.Copy(sum, r)
	return fmt.Sprintf("%d-%08x", n, sum.Sum32()), err
}

// pattern is a body that only one request has.
type pattern struct {
	id   string
	at   int
	left int
}

func newPattern(id string, size int) *pattern { return &pattern{id: id + "\n", left: size} }

func (p *pattern) Read(b []byte) (n int, err error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	for n < min(len(b), p.left) {
		copied := copy(b[n:min(len(b), p.left)], p.id[p.at:])
		p.at = (p.at + copied) % len(p.id)
		n += copied
	}
	p.left -= n
	return n, nil
}
