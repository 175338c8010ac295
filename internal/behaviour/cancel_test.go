package behaviour

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// underway is a request that somebody else waits for.
type underway struct {
	t      *testing.T
	cancel context.CancelCauseFunc
	err    chan error
}

// send sends a request that can be cancelled, and closes whatever response comes.
func (e *env) send(c *http.Client, req *http.Request) *underway {
	ctx, cancel := context.WithCancelCause(req.Context())
	u := &underway{e.t, cancel, make(chan error, 1)}
	e.t.Cleanup(func() { cancel(nil) })
	go func() {
		resp, err := c.Do(req.WithContext(ctx))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		u.err <- err
	}()
	return u
}

// cancelled cancels the request and returns its error.
func (u *underway) cancelled() error {
	u.t.Helper()
	u.cancel(nil)
	return u.ended()
}

// ended waits for the request's end.
func (u *underway) ended() error {
	u.t.Helper()
	return receive(u.t, "the end of the request", u.err)
}

// hangs is a dialer that does not come back until it is told to.
type hangs struct{ begun, end *latch }

func newHangs() *hangs { return &hangs{newLatch(), newLatch()} }

func (h *hangs) base(base *http.Transport) {
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		h.begun.set()
		<-h.end.done
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// began is a handler that tells of its begin and its end, and answers never.
func (e *env) began() (h http.HandlerFunc, begin, end *latch) {
	begin, end = newLatch(), newLatch()
	return func(w http.ResponseWriter, r *http.Request) {
		begin.set()
		defer end.set()
		e.stalls(w, r)
	}, begin, end
}

var cancellations = []behaviour{
	{name: "a request that is cancelled already is not sent", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		body := newUpload(strings.NewReader("text"))
		err := e.fail(e.client(), e.request("POST", s.URL, body).WithContext(ctx))
		assert.Equal(t, context.Canceled, err)
		receive(t, "Close of the upload", body.closed.done)
		assert.Zero(t, s.conns.count().total)
	}},
	{name: "a deadline that has passed already sends nothing", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		ctx, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
		defer cancel()
		err := e.fail(e.client(), e.request("GET", s.URL, nil).WithContext(ctx))
		assert.Equal(t, context.DeadlineExceeded, err)
		assert.Zero(t, s.conns.count().total)
	}},
	{name: "in a dial that heeds the context", run: func(t *testing.T, e *env) {
		begun := newLatch()
		client := e.client(func(base *http.Transport) {
			base.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				begun.set()
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		u := e.send(client, e.request("GET", e.scheme()+"://host.test", nil))
		receive(t, "the dial", begun.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
		client.CloseIdleConnections() // which ends a dial that nobody waits for
	}},
	{name: "in a dial that heeds nothing", run: func(t *testing.T, e *env) {
		dial := newHangs()
		defer dial.end.set()
		client := e.client(dial.base)
		u := e.send(client, e.request("GET", e.scheme()+"://host.test", nil))
		receive(t, "the dial", dial.begun.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
	}},
	{name: "a connection that comes too late serves the next request", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		dial := newHangs()
		client := e.client(dial.base)
		u := e.send(client, e.request("GET", s.URL, nil))
		receive(t, "the dial", dial.begun.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
		dial.end.set()
		e.get(client, s.URL)
		s.closeIdle(t, client)
	}},
	{name: "in the TLS handshake", modes: overTLS, run: func(t *testing.T, e *env) {
		begun := newLatch()
		silent := listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			begun.set()
			_, _ = io.Copy(io.Discard, c)
		})
		client := e.client()
		u := e.send(client, e.request("GET", "https://"+silent, nil))
		receive(t, "the handshake", begun.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
		client.CloseIdleConnections()
	}},
	{name: "in the queue", modes: overHTTP1, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		s := e.serve(h)
		client := e.client(maxConns(1))
		first := e.send(client, e.request("GET", s.URL, nil))
		receive(t, "the first request", begin.done)
		second := e.send(client, e.request("GET", s.URL, nil))
		assert.ErrorIs(t, second.cancelled(), context.Canceled)
		assert.ErrorIs(t, first.cancelled(), context.Canceled)
	}},
	{name: "in the queue for a stream", modes: overHTTP2, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				h(w, r)
			}
		}, maxStreams(1))
		client := e.client(maxConns(1))
		e.get(client, s.URL) // which tells of the limit
		first := e.send(client, e.request("GET", s.URL+"/hold", nil))
		receive(t, "the first request", begin.done)
		second := e.send(client, e.request("GET", s.URL, nil))
		assert.ErrorIs(t, second.cancelled(), context.Canceled)
		assert.ErrorIs(t, first.cancelled(), context.Canceled)
		if e.ours { // http.Transport may dial again while the first stream is being ended
			assert.Equal(t, 1, s.conns.count().total)
		}
	}},
	{name: "while the request is written", run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		body := newUpload(endless{})
		u := e.send(e.client(), e.request("POST", e.serve(h).URL, body))
		receive(t, "the request", begin.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
		receive(t, "Close of the upload", body.closed.done)
	}},
	{name: "while the request's body waits for its source", run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		in, out := io.Pipe()
		u := e.send(e.client(), e.request("POST", e.serve(h).URL, in))
		receive(t, "the request", begin.done)
		u.cancel(nil)
		for {
			if _, err := io.WriteString(out, "too late"); err != nil {
				assert.ErrorIs(t, err, io.ErrClosedPipe)
				break
			}
		}
		assert.ErrorIs(t, u.ended(), context.Canceled)
	}},
	{name: "while the body waits for 100", run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		body := newUpload(strings.NewReader("text"))
		u := e.send(e.client(continues), e.expecting(e.serve(h).URL, body))
		receive(t, "the request", begin.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
		receive(t, "Close of the upload", body.closed.done)
		assert.Zero(t, body.reads.Load())
	}},
	{name: "before the response", run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		u := e.send(e.client(), e.request("GET", e.serve(h).URL, nil))
		receive(t, "the request", begin.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
	}},
	{name: "the server learns of it", run: func(t *testing.T, e *env) {
		h, begin, end := e.began()
		u := e.send(e.client(), e.request("GET", e.serve(h).URL, nil))
		receive(t, "the request", begin.done)
		require.Error(t, u.cancelled())
		receive(t, "the handler's end", end.done)
	}},
	{name: "with a reason before the response", modes: overHTTP1, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		u := e.send(e.client(), e.request("GET", e.serve(h).URL, nil))
		receive(t, "the request", begin.done)
		own := errors.New("the reason")
		u.cancel(own)
		assert.ErrorIs(t, u.ended(), own)
	}},
	{name: "by a deadline before the response", run: func(t *testing.T, e *env) {
		ctx, cancel := context.WithTimeout(e.ctx, 30*time.Millisecond)
		defer cancel()
		err := e.fail(e.client(), e.request("GET", e.serve(e.stalls).URL, nil).WithContext(ctx))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
	}},
}
