// Package server is what all clients are measured against: a server of
// HTTP/1.1 that answers from memory and does next to nothing else, so that what
// is measured is the client. It understands what these clients send, no more.
package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
)

// Addresses are where a server listens.
type Addresses struct {
	Plain string // HTTP/1.1
	TLS   string // HTTP/1.1 over TLS 1.3
	HTTP2 string // over TLS 1.3, by net/http
}

// Server listens on loopback. All its connections end with Close.
type Server struct {
	Addresses
	listeners []net.Listener
	http2     *http.Server
	running   sync.WaitGroup
	gathering gathering

	mu     sync.Mutex // guards the rest; nothing blocks under it
	conns  map[net.Conn]struct{}
	closed bool
}

// Start starts a server.
func Start() (*Server, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	s := &Server{conns: make(map[net.Conn]struct{}), http2: http2Server()}
	secure := func(protocol string) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS13,
			NextProtos:   []string{protocol},
		}
	}
	for _, l := range []struct {
		address *string
		config  *tls.Config
		serve   func(net.Listener)
	}{
		{&s.Plain, nil, s.accept},
		{&s.TLS, secure("http/1.1"), s.accept},
		{&s.HTTP2, secure("h2"), func(l net.Listener) { _ = s.http2.Serve(l) }}, // returns when closed
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		*l.address = listener.Addr().String()
		if l.config != nil {
			listener = tls.NewListener(listener, l.config)
		}
		s.listeners = append(s.listeners, listener)
		s.running.Go(func() { l.serve(listener) })
	}
	return s, nil
}

// Close ends all connections and returns when nothing of the server is left.
func (s *Server) Close() error {
	for _, l := range s.listeners {
		_ = l.Close()
	}
	_ = s.http2.Close()
	s.gathering.close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Disconnect()
	s.running.Wait()
	return nil
}

// Connections is how many connections of HTTP/1.1 are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Disconnect closes all connections of HTTP/1.1 there are now. It is also what
// clients see of a restart if somebody keeps the listening socket open, as
// systemd and most proxies do.
func (s *Server) Disconnect() {
	s.mu.Lock()
	conns := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

// accept serves the connections of one listener.
func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(os.Stderr, "server:", err)
				_ = l.Close() // whoever has connected and was not accepted would wait for ever
			}
			return
		}
		if !s.add(c) {
			_ = c.Close()
			return
		}
		s.running.Go(func() {
			defer s.remove(c)
			(&session{conn: c, gathering: &s.gathering, buf: make([]byte, 16<<10)}).serve()
		})
	}
}

func (s *Server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close()
}
