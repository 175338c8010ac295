package realtest

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Go is the server of net/http, in this process.
type Go struct {
	KeepAliveTimeout time.Duration // 0: it never closes an idle connection
	Certificate      *Certificate  // nil: no TLS
	HTTP2            bool          // needs a Certificate
	// Handler serves requests after they are counted. Nil answers them with 204.
	Handler http.Handler
}

func (g Go) facts() facts { return facts{name: "Go", secure: g.Certificate != nil} }

func (g Go) start(s *site) (running, error) {
	if g.HTTP2 && g.Certificate == nil {
		return nil, errHTTP2
	}
	errors, err := s.appendTo(errorLog)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:     counting(&s.counter, g.Handler),
		IdleTimeout: g.KeepAliveTimeout,
		ErrorLog:    log.New(errors, "", log.LstdFlags),
		Protocols:   new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(g.HTTP2)
	l, err := s.place.Listen("tcp", s.Address)
	if err != nil {
		return nil, err
	}
	serve := server.Serve
	if g.Certificate != nil {
		pair, err := g.Certificate.Pair()
		if err != nil {
			return nil, err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	r := &goServer{server: server, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		defer errors.Close()
		_ = serve(l) // until it is stopped
	}()
	return r, nil
}

// counting counts a request when all of it has been read, and before the answer
// of a handler that reads it first.
func counting(c *counter, next http.Handler) http.Handler {
	if next == nil {
		next = http.HandlerFunc(answer)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		w.Header().Set("X-Request-Id", id)
		if r.ContentLength == 0 {
			c.add(id)
			next.ServeHTTP(w, r)
			return
		}
		body := &countedBody{ReadCloser: r.Body, count: func() { c.add(id) }}
		r.Body = body
		next.ServeHTTP(w, r)
		_, _ = io.Copy(io.Discard, body)
	})
}

// answer is what a server does that has nothing else to do.
func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusNoContent)
}

// countedBody calls count once, at the end of the body.
type countedBody struct {
	io.ReadCloser
	count func()
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && b.count != nil {
		b.count()
		b.count = nil
	}
	return n, err
}

type goServer struct {
	server *http.Server
	ended  chan struct{}
}

func (g *goServer) exited() <-chan struct{} { return g.ended }

func (g *goServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := g.server.Shutdown(ctx); err != nil {
		return g.kill()
	}
	<-g.ended
	return nil
}

func (g *goServer) kill() error {
	err := g.server.Close()
	<-g.ended
	return err
}

func (*goServer) reload() error { return ErrNoReload }
