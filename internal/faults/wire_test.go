package faults

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire passes bytes on between clients and a server, and can stall: then it takes
// no connection and passes nothing on, as a network that drops all packets for a
// while.
type wire struct {
	listener net.Listener
	server   string
	all      sync.WaitGroup

	mu    sync.Mutex // guards the rest
	open  chan struct{}
	conns []net.Conn
}

func newWire(t *testing.T, server string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: l, server: server, open: make(chan struct{})}
	close(w.open)
	w.all.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

// dial dials the wire, whatever the address.
func (w *wire) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, w.listener.Addr().String())
}

func (w *wire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = make(chan struct{})
}

func (w *wire) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.open)
}

// await waits while it is stalled.
func (w *wire) await() {
	w.mu.Lock()
	open := w.open
	w.mu.Unlock()
	<-open
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.keep(client)
		w.all.Go(func() {
			defer client.Close()
			w.await()
			server, err := net.Dial("tcp", w.server)
			if err != nil {
				return
			}
			w.keep(server)
			defer server.Close()
			var both sync.WaitGroup
			both.Go(func() { w.pass(server, client) })
			both.Go(func() { w.pass(client, server) })
			both.Wait()
		})
	}
}

func (w *wire) pass(to, from net.Conn) {
	defer to.(*net.TCPConn).CloseWrite()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		w.await()
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}

func (w *wire) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
}

func (w *wire) close() {
	_ = w.listener.Close()
	w.mu.Lock()
	conns := w.conns
	w.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
	w.all.Wait()
}
