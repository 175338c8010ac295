package aim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// client is a transport under test. GETs go to it directly, and POSTs with
// bodies that stream through a ReverseProxy.
type client struct {
	name      string
	transport http.RoundTripper
	pool      *ttlpool.Transport // or nil
	proxy     httputil.ReverseProxy
	ids       atomic.Int64
	stale     atomic.Int64                          // requests sent on a connection that the peer had closed
	first     atomic.Pointer[ttlpool.ExchangeError] // of those
}

// newID returns an id that no other call of a test has.
func (c *client) newID() string { return fmt.Sprintf("%s-%d", c.name, c.ids.Add(1)) }

// errorKey is the context key for where the proxy's error goes.
type errorKey struct{}

func newClient(name string, transport http.RoundTripper) *client {
	c := &client{}
	c.init(name, transport)
	return c
}

func (c *client) init(name string, transport http.RoundTripper) {
	c.name, c.transport = name, transport
	c.proxy = httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Host },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			*r.Context().Value(errorKey{}).(*error) = err
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

// toLanes dials the server, whose ports the lanes share. A lane is a host name,
// and so has its own idle connections.
func toLanes(s target, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		name, _, _ := strings.Cut(address, ".")
		lane, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, s.address(lane))
	}
}

func ours(t *testing.T, p path, s target, opts ...ttlpool.Option) *client {
	dial := toLanes(s, p.dial)
	if p.hidden {
		dial = hiding(dial)
	}
	base := ttlpool.WithBase(&http.Transport{DialContext: dial})
	c := &client{}
	trace := ttlpool.WithTrace(&ttlpool.Trace{Stale: c.noteStale})
	tr, err := ttlpool.NewTransport(append([]ttlpool.Option{base, trace, ttlpool.WithMaxIdle(0)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	c.init("ttlpool", tr)
	c.pool = tr
	return c
}

func (c *client) noteStale(_ context.Context, err *ttlpool.ExchangeError) {
	if err.Written != 0 {
		c.stale.Add(1)
		c.first.CompareAndSwap(nil, err)
	}
}

// theirs is http.Transport as it comes, but for its limit of idle connections.
func theirs(t *testing.T, p path, s target) *client {
	tr := &http.Transport{DialContext: toLanes(s, p.dial), MaxIdleConnsPerHost: 256}
	t.Cleanup(tr.CloseIdleConnections)
	return newClient("http.Transport", tr)
}

// outcome is what became of a call.
type outcome int

const (
	answered outcome = iota
	foreign          // by an answer to nobody
	timedOut         // by a 408
	reset            // by the peer's kernel
	acknowledgedClose
	otherClose // unexpected end, of which nothing more is known
	otherFailure
	outcomes // how many there are
)

var outcomeNames = [outcomes]string{
	"answered", "wrong answer", "408", "reset", "EOF, acknowledged", "EOF, otherwise", "other failures",
}

// sends are the connections that a call was sent on.
type sends struct{ fresh, reused int }

// violates reports whether they break promise P4: twice at most, and the second
// time on a connection dialled for it.
func (s sends) violates() bool { return s.reused > 1 || s.fresh+s.reused > 2 }

// call makes one call and says what became of it.
func (c *client) call(ctx context.Context, lane int, method, id string) (outcome, sends, error) {
	var w watcher
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      w.gotConn,
		WroteRequest: func(httptrace.WroteRequestInfo) { w.wrote() },
		WroteHeaders: w.wrote,
	})
	url := fmt.Sprintf("http://%d.test/", lane)
	send := c.post
	if method == http.MethodGet {
		send = c.get
	}
	o, err := send(ctx, url, id)
	return o, w.seen(), err
}

// watcher sees what a call is sent on.
type watcher struct {
	mu     sync.Mutex // guards the rest
	sends  sends
	got    *int // the count that the connection at hand has gone into
	unsent bool // nothing has been written to it
}

// gotConn counts a connection, instead of the one before if that was given back
// without a byte: a second look had shown that it was dead.
func (w *watcher) gotConn(i httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsent {
		*w.got--
	}
	w.got = &w.sends.fresh
	if i.Reused {
		w.got = &w.sends.reused
	}
	*w.got++
	w.unsent = true
}

func (w *watcher) wrote() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsent = false
}

func (w *watcher) seen() sends {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sends
}

func (c *client) get(ctx context.Context, url, id string) (outcome, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return otherFailure, err
	}
	req.Header.Set(idName, id)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return failureOf(err), err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return failureOf(err), err
	}
	return answerOf(resp.StatusCode, resp.Header, id), nil
}

const call = "<methodCall><methodName>taskFinished</methodName></methodCall>"

// post sends a body that streams, every other time without a known length.
func (c *client) post(ctx context.Context, url, id string) (outcome, error) {
	var failure error
	req := httptest.NewRequest(http.MethodPost, url, struct{ io.Reader }{strings.NewReader(call)})
	if id[len(id)-1]%2 == 0 {
		req.ContentLength = int64(len(call))
	}
	req.Header.Set(idName, id)
	recorder := httptest.NewRecorder()
	c.proxy.ServeHTTP(recorder, req.WithContext(context.WithValue(ctx, errorKey{}, &failure)))
	if failure != nil {
		return failureOf(failure), failure
	}
	return answerOf(recorder.Code, recorder.Header(), id), nil
}

func answerOf(status int, h http.Header, id string) outcome {
	switch {
	case status == http.StatusRequestTimeout:
		return timedOut
	case status != http.StatusOK && status != http.StatusNoContent || h.Get(idName) != id:
		return foreign
	}
	return answered
}

func failureOf(err error) outcome {
	var e *ttlpool.ExchangeError
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reset
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return otherFailure
	case errors.As(err, &e) && e.Acknowledged > 0:
		return acknowledgedClose
	}
	return otherClose
}
