package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// restarting is a server that is started again and again at the same address,
// now in an orderly way and now without regard for its clients.
type restarting struct {
	handler http.Handler
	address string
	quit    chan struct{}
	ended   chan struct{}
}

func startRestarting(name string, handler http.Handler) (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &restarting{handler: handler, address: listener.Addr().String(), quit: make(chan struct{}), ended: make(chan struct{})}
	go r.run(listener)
	return &backend{name: name, url: "http://" + r.address, stop: func() {
		close(r.quit)
		<-r.ended
	}}, nil
}

func (r *restarting) run(listener net.Listener) {
	defer close(r.ended)
	for orderly := true; ; orderly = !orderly {
		server := newServer(r.handler)
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(listener) // until it is closed
		}()
		quit := r.wait(500*time.Millisecond + rand.N(time.Second))
		if orderly && !quit {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			_ = server.Shutdown(ctx) // what is left is cut off
			cancel()
		}
		_ = server.Close()
		<-served
		if quit || r.wait(rand.N(50*time.Millisecond)) {
			return
		}
		if listener = r.listen(); listener == nil {
			return
		}
	}
}

// wait waits, and reports whether it is time to quit.
func (r *restarting) wait(d time.Duration) (quit bool) {
	select {
	case <-r.quit:
		return true
	case <-time.After(d):
		return false
	}
}

// listen tries until the port is free again: some client may have been given it.
func (r *restarting) listen() net.Listener {
	for {
		if listener, err := net.Listen("tcp", r.address); err == nil {
			return listener
		}
		if r.wait(10 * time.Millisecond) {
			return nil
		}
	}
}
