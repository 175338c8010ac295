// Package client is the four clients that are compared, behind one interface:
// a raw socket, fasthttp, http.Transport and ttlpool.
package client

import (
	"fmt"
	"net/http"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// Job is what a client is asked to do, again and again.
type Job struct {
	Path string // of the answer

	// Body is how many bytes are sent with POST; 0: GET. Streamed says that the
	// body can be read only once; Unsized, that nobody knows its length before.
	Body     int
	Streamed bool
	Unsized  bool

	Protocol Protocol
	Workers  int // how many do it at once
	Hosts    int // how many hosts they ask in turn, each worker its own

	Fresh       bool // a new request each time, and not the worker's own again
	Cancellable bool // with a context that can end
	Traced      bool // with an httptrace.ClientTrace
}

// Protocol is what is spoken on the connection.
type Protocol int

// The protocols.
const (
	HTTP1 Protocol = iota
	HTTPS          // HTTP/1.1 over TLS 1.3
	HTTP2          // over TLS 1.3
)

// Address is where the job's protocol is spoken.
func (j Job) Address(a server.Addresses) string {
	return map[Protocol]string{HTTP1: a.Plain, HTTPS: a.TLS, HTTP2: a.HTTP2}[j.Protocol]
}

// Client does jobs.
type Client struct {
	Name string

	// Start makes a client of its own for the job. A worker may be used by one
	// goroutine at a time; stop ends what Start has begun.
	Start func(Job, server.Addresses) (workers []Worker, stop func(), err error)

	// RoundTripper makes an http.RoundTripper with the settings of base, or is
	// nil for clients that are none.
	RoundTripper func(base *http.Transport) (t http.RoundTripper, stop func(), err error)

	can func(Job) bool
}

// Worker sends one request and reads its answer to the end.
type Worker interface{ Exchange() error }

// Connections is how many connections one client may hold at once for the job: as
// many again as there are workers, where some are dialled while others become free.
func (j Job) Connections() int { return max(2*j.Workers, j.Hosts) }

// Can reports whether the client has what the job asks for.
func (c *Client) Can(j Job) bool { return c.can == nil || c.can(j) }

// The clients.
var (
	Raw       = &Client{Name: "raw socket", Start: startRaw, can: rawCan}
	FastHTTP  = &Client{Name: "fasthttp", Start: startFastHTTP, can: fastHTTPCan}
	Transport = roundTripper("http.Transport", func(base *http.Transport) (http.RoundTripper, func(), error) {
		return base, base.CloseIdleConnections, nil
	})
	TTLPool = roundTripper("ttlpool", func(base *http.Transport) (http.RoundTripper, func(), error) {
		t, err := ttlpool.NewTransport(ttlpool.WithBase(base))
		if err != nil {
			return nil, nil, err
		}
		return t, func() { _ = t.Close() }, nil
	})

	All = []*Client{Raw, FastHTTP, Transport, TTLPool}
)

// Named returns the client of that name.
func Named(name string) (*Client, error) {
	for _, c := range All {
		if c.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("there is no client %q", name)
}

// hostNames are the hosts that one of the workers asks in turn. All of them are
// the one server. They are dealt out, so that there is one connection to each:
// workers that all went round the same hosts would catch up with each other, and
// each would need a connection to each host in the end.
func hostNames(j Job, address string, worker int) (names []string) {
	if j.Hosts == 1 {
		return []string{address}
	}
	for i := worker % j.Hosts; i < j.Hosts; i += j.Workers {
		names = append(names, fmt.Sprintf("host%d.test:80", i))
	}
	return names
}

// shortAnswer is the error of an answer that is not the one asked for.
func shortAnswer(path string, got, want int) error {
	return fmt.Errorf("the answer to %s has %d bytes, not %d", path, got, want)
}

// Scheme is that of the job's URLs.
func (j Job) Scheme() string {
	if j.Protocol == HTTP1 {
		return "http://"
	}
	return "https://"
}
