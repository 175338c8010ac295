package caddy

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// idHeader names a request, so that what is processed twice is noticed; with
// hintHeader the answer says how long the backend waits.
const (
	idHeader   = "X-Id"
	hintHeader = "X-Hint"
)

// backend listens on several ports, so that each client of a test can have
// connections of its own.
type backend struct {
	server *http.Server
	ports  []string
	all    sync.WaitGroup

	mu        sync.Mutex // guards what follows
	processed map[string]fate
	open      map[string]bool // connections, by the address of their client
	seen      map[string]bool // addresses of connections that have carried a request
}

// fate is what became of a request.
type fate struct {
	times  int  // that it was processed
	reused bool // its connection had carried another one before
	from   string
}

// startBackend starts one that closes connections idle for so long; 0: never.
func startBackend(t *testing.T, ports int, idleTimeout time.Duration, handler http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{processed: make(map[string]fate), open: make(map[string]bool), seen: make(map[string]bool)}
	b.server = &http.Server{Handler: b.counting(handler), IdleTimeout: idleTimeout, ConnState: b.note}
	for range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		b.ports = append(b.ports, port)
		b.all.Go(func() { assert.Equal(t, http.ErrServerClosed, b.server.Serve(l)) })
	}
	t.Cleanup(func() {
		require.NoError(t, b.server.Close())
		b.all.Wait()
	})
	return b
}

func (b *backend) counting(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		b.process(req.Header.Get(idHeader), req.RemoteAddr)
		if req.Header.Get(hintHeader) != "" {
			w.Header().Set("Keep-Alive", "timeout=1")
		}
		handler(w, req)
	}
}

func (b *backend) process(id, from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.processed[id] = fate{times: b.processed[id].times + 1, reused: b.seen[from], from: from}
	b.seen[from] = true
}

// note keeps count of connections.
func (b *backend) note(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := c.RemoteAddr().String()
	switch state {
	case http.StateNew:
		b.open[from] = true
		delete(b.seen, from) // the port of another one that has been closed
	case http.StateClosed, http.StateHijacked:
		delete(b.open, from)
	}
}

// connections returns how many are open.
func (b *backend) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open)
}

// hasClosed reports whether the connection of a request is closed.
func (b *backend) hasClosed(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.open[b.processed[id].from]
}

func (b *backend) fate(id string) fate {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.processed[id]
}

// echo answers with what it was sent.
func echo(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) }
