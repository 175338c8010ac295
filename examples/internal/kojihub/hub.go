// Package kojihub is a Koji hub small enough for a demonstration and for tests. It speaks XML-RPC over POST, has sessions
// whose calls are numbered, and builds that go on by the clock. Nothing is kept on disk, and nothing is built.
package kojihub

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// Path is where the hub answers.
const Path = "/kojihub"

const maxCallBytes = 1 << 20

// Hub is an [http.Handler]. It is safe for concurrent use.
type Hub struct {
	unit time.Duration // a build takes twelve of them

	mu          sync.Mutex // guards the rest; calls are run under it, which are nothing but computation
	sessions    map[int64]*session
	lastSession int64
	tasks       []*task        // by id, from firstTask
	acted       map[string]int // how often the hub has acted on each call
}

// New returns a hub whose builds take twelve times unit, which must be positive.
func New(unit time.Duration) *Hub {
	return &Hub{unit: unit, sessions: make(map[int64]*session), acted: make(map[string]int)}
}

// ServeHTTP answers one call.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != Path {
		http.NotFound(w, r)
		return
	}
	method, args, err := xmlrpc.ReadCall(http.MaxBytesReader(w, r.Body, maxCallBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := h.handle(r.Header, method, args, time.Now())
	var document bytes.Buffer // whole before its first byte goes out, so that it can have a length
	if fault, refused := errors.AsType[*xmlrpc.Fault](err); refused {
		err = xmlrpc.WriteFault(&document, fault)
	} else if err == nil {
		err = xmlrpc.WriteResponse(&document, result)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(document.Bytes())
}

// handle runs a call by the rules of its session.
func (h *Hub) handle(header http.Header, method string, args []any, now time.Time) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &call{hub: h, now: now}
	if err := c.openSessionLocked(header); err != nil {
		return nil, err
	}
	result, err := c.runLocked(method, args)
	if err != nil {
		return nil, err
	}
	c.commitLocked()
	h.countLocked(c, header)
	return result, nil
}

// countLocked notes that a call was acted on. A session's call is known by its number, another one by its
// Idempotency-Key; those without either cannot be told apart.
func (h *Hub) countLocked(c *call, header http.Header) {
	switch key := header.Get("Idempotency-Key"); {
	case c.session != nil && c.number >= 0:
		h.acted[c.session.callName(c.number)]++
	case key != "":
		h.acted[key]++
	}
}

// ActedOn returns how many different calls the hub has acted on, and how many of them more than once.
func (h *Hub) ActedOn() (calls, twice int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.acted {
		if times > 1 {
			twice++
		}
	}
	return len(h.acted), twice
}

// Builds returns how many builds have been started from each source.
func (h *Hub) Builds() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	builds := make(map[string]int)
	for _, t := range h.tasks {
		if t.parent == 0 {
			builds[t.source]++
		}
	}
	return builds
}
