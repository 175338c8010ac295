package behaviour

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var laterCancellations = []behaviour{
	{name: "within the body", run: func(t *testing.T, e *env) {
		gone := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			flush(w)
			defer gone.set()
			e.stalls(w, r)
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
	{name: "the server learns of it though nobody reads or closes the body", run: func(t *testing.T, e *env) {
		gone := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-r.Context().Done()
			gone.set()
		})
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		e.open(e.client(), e.request("GET", s.URL, nil).WithContext(ctx))
		cancel()
		receive(t, "the handler's end", gone.done)
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
		s.closeIdle(t, client)
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
