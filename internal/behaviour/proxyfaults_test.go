package behaviour

import (
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var reverseProxyFaults = []behaviour{
	{name: "a server that cannot be reached is 502", run: func(t *testing.T, e *env) {
		failure := make(chan error, 1)
		f := e.proxyTo(e.scheme()+"://127.0.0.1:1", func(p *httputil.ReverseProxy) {
			handle := func(w http.ResponseWriter, _ *http.Request, err error) {
				failure <- err
				w.WriteHeader(http.StatusBadGateway)
			}
			p.ErrorHandler = handle
			p.Transport = e.transport(failsToDial(errors.New("no way")))
		})
		assert.Equal(t, http.StatusBadGateway, e.post(f.client, f.URL, strings.NewReader("text")).StatusCode)
		assert.EqualError(t, receive(t, "the error", failure), "no way")
	}},
	{name: "a server that breaks off before its answer is 502", run: func(t *testing.T, e *env) {
		f := e.proxied(aborts(""))
		assert.Equal(t, http.StatusBadGateway, e.post(f.client, f.URL, strings.NewReader("text")).StatusCode)
	}},
	{name: "a server that breaks off within its answer breaks it off for the client", run: func(t *testing.T, e *env) {
		f := e.proxied(aborts("part"))
		_, err := io.ReadAll(e.open(f.client, e.request("GET", f.URL, nil)).Body)
		assert.Error(t, err)
	}},
	{name: "a client that goes away before the answer is gone for the server too", run: func(t *testing.T, e *env) {
		h, begin, end := e.began()
		f := e.proxied(h)
		u := e.send(f.client, e.request("GET", f.URL, nil))
		receive(t, "the request", begin.done)
		require.Error(t, u.cancelled())
		receive(t, "the handler's end", end.done)
	}},
	{name: "a client that goes away within the answer is gone for the server too", run: func(t *testing.T, e *env) {
		end := newLatch()
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			flush(w)
			defer end.set()
			e.stalls(w, r)
		})
		resp := e.open(f.client, e.request("GET", f.URL, nil))
		_, err := io.ReadFull(resp.Body, make([]byte, 5))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		receive(t, "the handler's end", end.done)
	}},
	{name: "a client that goes away within its upload breaks it off for the server", run: func(t *testing.T, e *env) {
		ended := make(chan error, 1)
		begun := newLatch()
		f := e.proxied(func(_ http.ResponseWriter, r *http.Request) {
			begun.set()
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		})
		in, out := io.Pipe()
		u := e.send(f.client, e.request("POST", f.URL, in))
		_, err := io.WriteString(out, "begin")
		require.NoError(t, err)
		receive(t, "the request", begun.done)
		u.cancel(nil)
		_ = out.CloseWithError(errors.New("gone"))
		require.Error(t, u.ended())
		assert.Error(t, receive(t, "the handler's error", ended))
	}},
	{name: "413 during the upload reaches the client", run: func(t *testing.T, e *env) {
		f := e.proxied(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		})
		got := e.post(f.client, f.URL, newUpload(io.LimitReader(endless{}, 4<<20)))
		assert.Equal(t, http.StatusRequestEntityTooLarge, got.StatusCode)
	}},
}
