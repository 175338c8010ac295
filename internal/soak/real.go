package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/ttlpool/ttlpool/internal/realtest"
)

// startNginx starts an nginx that closes idle connections when its time has come,
// and answers with what a server behind it says.
func startNginx(name string, handler http.Handler) (*backend, error) {
	b, _, err := startReal(name, handler, func(behind string) realtest.Kind {
		return realtest.Nginx{
			KeepAliveTimeout: steadyTimeout, Backend: behind, Unbuffered: true,
			BackendIdle: 64, BackendIdleTimeout: 100 * time.Millisecond,
		}
	})
	if err == nil {
		b.steady = true
	}
	return b, err
}

// startHttpd starts an Apache httpd with an idle timeout of which nobody tells its
// clients, and which is stopped, killed and started again all the time.
func startHttpd(name string, handler http.Handler) (*backend, error) {
	b, server, err := startReal(name, handler, func(behind string) realtest.Kind {
		return realtest.Apache{KeepAliveTimeout: 300 * time.Millisecond, Backend: behind, BackendNoReuse: true, Processes: 1}
	})
	if err != nil {
		return nil, err
	}
	quit, ended, stop := make(chan struct{}), make(chan error, 1), b.stop
	go func() { ended <- restartReal(server, quit) }()
	b.stop = func() {
		close(quit)
		b.failure = <-ended
		stop()
	}
	return b, nil
}

// startReal starts a server of a kind, and behind it one that has the handler and
// never closes an idle connection.
func startReal(name string, handler http.Handler, kind func(behind string) realtest.Kind) (*backend, *realtest.Server, error) {
	patient := newServer(handler)
	patient.IdleTimeout = 0
	behind, err := start(name, patient, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	server, err := realtest.Run(kind(behind.address()))
	if err != nil {
		behind.stop()
		return nil, nil, err
	}
	return &backend{name: name, url: server.URL(), stop: func() {
		_ = server.Close() // what it was for has been had
		behind.stop()
	}}, server, nil
}

// restartReal stops, reloads or kills a server and starts it again until it is time
// to quit.
func restartReal(server *realtest.Server, quit <-chan struct{}) error {
	ways := []func() error{server.Stop, server.Kill, server.Reload}
	for n := 0; ; n++ {
		select {
		case <-quit:
			return nil
		case <-time.After(2*time.Second + rand.N(2*time.Second)):
		}
		err := ways[n%len(ways)]()
		if n%len(ways) < 2 {
			err = errors.Join(err, server.Restart())
		}
		if err != nil {
			return err
		}
	}
}
