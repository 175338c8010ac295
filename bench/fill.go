package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// fill makes a client hold so many idle connections. They become idle one right
// after the other: no response is read before the last has begun, so that each
// request needs a connection of its own. Over HTTP/2 that takes as many hosts.
func fill(t http.RoundTripper, j client.Job, a server.Addresses, connections int) error {
	var bodies []io.ReadCloser
	defer func() {
		for _, b := range bodies {
			_ = b.Close()
		}
	}()
	for i := range connections {
		host := j.Address(a)
		if j.Protocol == client.HTTP2 {
			host = fmt.Sprintf("host%d.test:443", i)
		}
		req, err := http.NewRequest(http.MethodGet, j.Scheme()+host+server.Small, nil)
		if err != nil {
			return err
		}
		resp, err := t.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, connections, err)
		}
		bodies = append(bodies, resp.Body)
	}
	for _, b := range bodies {
		if _, err := io.Copy(io.Discard, b); err != nil {
			return err
		}
	}
	return nil
}

// fillAtOnce is fill for connections that become idle at one time by any clock:
// that of the last byte's arrival too. It leaves behind what so many goroutines
// leave behind.
func fillAtOnce(t http.RoundTripper, a server.Addresses, connections int) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var running sync.WaitGroup
	for range connections {
		running.Go(func() {
			if err := get(ctx, t, "http://"+a.Plain+server.Gather(connections)); err != nil {
				cancel(err) // the others would wait for this one for ever
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

func get(ctx context.Context, t http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// fewAtATime limits how many dials run at once, so that they do not overflow
// the server's backlog.
func fewAtATime(dial dialFunc) dialFunc {
	places := make(chan struct{}, 64)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		places <- struct{}{}
		defer func() { <-places }()
		return dial(ctx, network, address)
	}
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)
