package clients

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"sync/atomic"
	"testing"
)

// arrival is a request that the hub has received in full: one that it has processed.
type arrival struct {
	*http.Request
	body string
}

// hub is a server that notes what it processes, by the last segment of the path.
type hub struct {
	*httptest.Server
	deaf     atomic.Bool                   // it processes requests and closes their connection without an answer
	deafOnce atomic.Bool                   // so with the next one
	hold     atomic.Pointer[chan struct{}] // it answers when this is closed; nil: at once

	mu       sync.Mutex
	conns    map[net.Conn]bool
	arrivals map[string][]arrival
}

func startHub(t *testing.T) *hub {
	h := &hub{conns: make(map[net.Conn]bool), arrivals: make(map[string][]arrival)}
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.ConnState = h.note
	h.Start()
	t.Cleanup(h.Close)
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	id := path.Base(r.URL.Path)
	h.mu.Lock()
	h.arrivals[id] = append(h.arrivals[id], arrival{r.Clone(context.Background()), string(body)})
	h.mu.Unlock()
	if h.deaf.Load() || h.deafOnce.Swap(false) {
		panic(http.ErrAbortHandler)
	}
	if hold := h.hold.Load(); hold != nil {
		<-*hold
	}
	if r.Method == "POST" && r.URL.Query().Has("uploads") {
		_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
		return
	}
	_, _ = io.Copy(w, bytes.NewReader(body))
}

func (h *hub) note(c net.Conn, state http.ConnState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch state {
	case http.StateClosed:
		delete(h.conns, c)
	default:
		h.conns[c] = true
	}
}

// hangUp closes every connection, as a server does whose timer has run out.
func (h *hub) hangUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		_ = c.Close()
	}
}

// open is how many connections there are.
func (h *hub) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// processed returns the requests with an id.
func (h *hub) processed(id string) []arrival {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.arrivals[id]
}
