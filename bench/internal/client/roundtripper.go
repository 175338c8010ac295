package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// readSize is how much a worker reads at once, as io.Copy does.
const readSize = 32 << 10

// roundTripper is a client that is an http.RoundTripper.
func roundTripper(name string, make func(*http.Transport) (http.RoundTripper, func(), error)) *Client {
	return &Client{
		Name:         name,
		RoundTripper: make,
		Start: func(j Job, a server.Addresses) ([]Worker, func(), error) {
			t, stop, err := make(Base(j.Address(a), 2*j.Workers))
			if err != nil {
				return nil, nil, err
			}
			workers, cancel := RoundTrippers(t, j, a)
			return workers, func() { cancel(); stop() }, nil
		},
	}
}

// Base is the http.Transport that is measured, and that ttlpool takes its
// settings from: what http.DefaultTransport is, without a proxy, with enough
// idle connections for each host, and with all hosts at one address.
func Base(address string, idlePerHost int) *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   idlePerHost,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		TLSClientConfig:       insecure(),
	}
}

// roundTripWorker sends its own requests, one for each host, again and again,
// which http.RoundTripper allows when the answer before has been read; or new
// ones, if the job says so.
type roundTripWorker struct {
	transport http.RoundTripper
	requests  []*http.Request
	next      int
	ctx       context.Context
	body      *body
	buf       []byte
	want      int
	job       Job
}

// RoundTrippers makes the workers of a job. All their contexts end with cancel.
func RoundTrippers(t http.RoundTripper, j Job, a server.Addresses) (workers []Worker, cancel context.CancelFunc) {
	all, cancel := context.WithCancel(context.Background())
	workers = make([]Worker, j.Workers)
	for i := range workers {
		w := &roundTripWorker{
			transport: t,
			ctx:       contextFor(all, j),
			buf:       make([]byte, readSize),
			want:      len(server.Find(j.Path).Body),
			job:       j,
		}
		if j.Body > 0 {
			w.body = newBody(j)
		}
		for _, host := range hostNames(j, j.Address(a), i) {
			w.requests = append(w.requests, w.newRequest(j.Scheme()+host+j.Path))
		}
		workers[i] = w
	}
	return workers, cancel
}

// contextFor is the context of a worker's requests. One that can be cancelled is
// the worker's own, as that of a request that a server has got is.
func contextFor(all context.Context, j Job) context.Context {
	ctx := context.Background()
	if j.Cancellable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(all)
		context.AfterFunc(all, cancel)
	}
	if j.Traced {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn:              func(httptrace.GotConnInfo) {},
			WroteRequest:         func(httptrace.WroteRequestInfo) {},
			GotFirstResponseByte: func() {},
		})
	}
	return ctx
}

// newRequest makes a request from a URL that is known to be one.
func (w *roundTripWorker) newRequest(url string) *http.Request {
	method := http.MethodGet
	if w.job.Body > 0 {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(w.ctx, method, url, nil)
	if err != nil {
		panic(err)
	}
	if w.job.Body > 0 && !w.job.Unsized {
		req.ContentLength = int64(w.job.Body)
	} else if w.job.Unsized {
		req.ContentLength = -1
	}
	if w.job.Body > 0 && !w.job.Streamed {
		req.GetBody = func() (io.ReadCloser, error) { return newBody(w.job).reader, nil }
	}
	return req
}

func (w *roundTripWorker) Exchange() error {
	req := w.requests[w.next%len(w.requests)]
	if len(w.requests) > 1 {
		w.next++
	}
	if w.job.Fresh {
		req = w.newRequest(req.URL.String())
	}
	if w.body != nil {
		req.Body = w.body.rewound()
	}
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	got := 0
	for err == nil {
		var n int
		n, err = resp.Body.Read(w.buf)
		got += n
	}
	if err != io.EOF {
		return err
	}
	if got != w.want {
		return shortAnswer(w.job.Path, got, w.want)
	}
	return nil
}

// body is a request's body that can be sent again without allocating.
type body struct {
	content []byte
	source  *bytes.Reader
	reader  io.ReadCloser
}

func newBody(j Job) *body {
	b := &body{content: bytes.Repeat([]byte("x"), j.Body)}
	b.source = bytes.NewReader(b.content)
	if j.Streamed {
		b.reader = stream{b.source}
	} else {
		b.reader = io.NopCloser(b.source) // what http.NewRequest makes of a bytes.Reader
	}
	return b
}

func (b *body) rewound() io.ReadCloser {
	b.source.Reset(b.content)
	return b.reader
}

// stream hides that its source is in memory.
type stream struct{ source io.Reader }

func (s stream) Read(p []byte) (int, error) { return s.source.Read(p) }
func (s stream) Close() error               { return nil }
