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
		e.stalls(w, r)
		end.set()
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
		client.CloseIdleConnections()
		s.conns.awaitOpen(t, 0)
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
	{name: "within the body", run: func(t *testing.T, e *env) {
		gone := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			flush(w)
			e.stalls(w, r)
			gone.set()
		})
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		resp := e.open(e.client(), e.request("GET", s.URL, nil).WithContext(ctx))
		_, err := io.ReadFull(resp.Body, make([]byte, 5))
		require.NoError(t, err)
		cancel()
		_, err = resp.Body.Read(make([]byte, 1))
		assert.ErrorIs(t, err, context.Canceled)
		receive(t, "the handler's end", gone.done)
	}},
	{name: "while a read of the body waits", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			e.stalls(w, r)
		})
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		resp := e.open(e.client(), e.request("GET", s.URL, nil).WithContext(ctx))
		ended := make(chan error, 1)
		go func() {
			_, err := resp.Body.Read(make([]byte, 1))
			ended <- err
		}()
		cancel()
		assert.ErrorIs(t, receive(t, "the end of the read", ended), context.Canceled)
	}},
	{name: "after the end it does no harm", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		first := e.get(client, s.URL).body
		for range 5 {
			ctx, cancel := context.WithCancel(e.ctx)
			assert.Equal(t, first, e.do(client, e.request("GET", s.URL, nil).WithContext(ctx)).body)
			cancel()
		}
	}},
	{name: "the next request goes well", run: func(t *testing.T, e *env) {
		begun := make(chan struct{})
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				begun <- struct{}{}
				e.stalls(w, r)
			}
		})
		client := e.client()
		for range 3 {
			u := e.send(client, e.request("POST", s.URL, nil))
			receive(t, "the request", begun)
			assert.ErrorIs(t, u.cancelled(), context.Canceled)
			assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
		}
	}},
	{name: "the other streams of the connection go on", modes: overHTTP2, run: func(t *testing.T, e *env) {
		begun, answer := make(chan struct{}), newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			begun <- struct{}{}
			select {
			case <-r.Context().Done():
			case <-answer.done:
			}
		})
		client := e.client()
		var all []*underway
		for range 4 {
			all = append(all, e.send(client, e.request("GET", s.URL, nil)))
			receive(t, "the request", begun)
		}
		assert.ErrorIs(t, all[1].cancelled(), context.Canceled)
		answer.set()
		for _, i := range []int{0, 2, 3} {
			assert.NoError(t, all[i].ended())
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
	{name: "of fifty requests at once none remains", run: func(t *testing.T, e *env) {
		s := e.serve(e.stalls)
		client := e.client(maxConns(10))
		ctx, cancel := context.WithCancel(e.ctx)
		time.AfterFunc(20*time.Millisecond, cancel)
		e.atOnce(50, func() error {
			_, err := client.Do(e.request("GET", s.URL, nil).WithContext(ctx))
			if !errors.Is(err, context.Canceled) {
				return errors.Join(errors.New("not cancelled"), err)
			}
			return nil
		})
		s.conns.await(t, "no connection", func(n count) bool {
			client.CloseIdleConnections()
			return n.open == 0
		})
	}},
	{name: "by Request.Cancel before the request", run: func(t *testing.T, e *env) {
		cancel := make(chan struct{})
		close(cancel)
		err := e.fail(e.client(), withCancel(e.request("GET", e.serve(e.stalls).URL, nil), cancel))
		assert.ErrorContains(t, err, "request canceled")
	}},
	{name: "by Request.Cancel before the response", run: func(t *testing.T, e *env) {
		h, begin, end := e.began()
		cancel := make(chan struct{})
		u := e.send(e.client(), withCancel(e.request("GET", e.serve(h).URL, nil), cancel))
		receive(t, "the request", begin.done)
		close(cancel)
		assert.ErrorContains(t, u.ended(), "request canceled")
		receive(t, "the handler's end", end.done)
	}},
	{name: "by Request.Cancel within the body", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			e.stalls(w, r)
		})
		cancel := make(chan struct{})
		resp := e.open(e.client(), withCancel(e.request("GET", s.URL, nil), cancel))
		close(cancel)
		_, err := resp.Body.Read(make([]byte, 1))
		assert.ErrorContains(t, err, "request canceled")
	}},
	{name: "by Request.Cancel after the end it does no harm", run: func(t *testing.T, e *env) {
		s := e.serve(tellsConn)
		client := e.client()
		cancel := make(chan struct{})
		first := e.do(client, withCancel(e.request("GET", s.URL, nil), cancel)).body
		close(cancel)
		assert.Equal(t, first, e.get(client, s.URL).body)
	}},
}

// withCancel gives a request the deprecated channel that http.Client still uses for its Timeout.
func withCancel(req *http.Request, cancel <-chan struct{}) *http.Request {
	//lint:ignore SA1019 it is what the test is about
	req.Cancel = cancel
	return req
}

func maxConns(n int) func(*http.Transport) {
	return func(base *http.Transport) { base.MaxConnsPerHost = n }
}
