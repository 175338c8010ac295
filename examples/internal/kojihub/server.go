package kojihub

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a listening hub.
type Server struct {
	URL string // of the hub

	server  http.Server
	serving sync.WaitGroup
}

// Listen has a handler served on a port of the loopback interface, by a server that closes connections that have been
// idle for keepAlive. Close ends it.
func Listen(handler http.Handler, keepAlive time.Duration) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	s := &Server{URL: "http://" + listener.Addr().String() + Path}
	s.server.Handler, s.server.IdleTimeout = handler, keepAlive
	s.server.ErrorLog = log.New(io.Discard, "", 0) // what went wrong is for the client to say
	s.serving.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
}

// Close closes the listener and all connections.
func (s *Server) Close() {
	_ = s.server.Close()
	s.serving.Wait()
}
