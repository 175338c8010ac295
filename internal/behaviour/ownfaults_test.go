package behaviour

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

var robust = []behaviour{
	{name: "a request whose body hangs for ever can be cancelled", modes: overHTTP1, run: func(t *testing.T, e *env) {
		h, begin, _ := e.began()
		source := newStalled()
		defer source.end.set()
		_, client := e.own()
		u := e.send(client, e.request("POST", e.serve(h).URL, newUpload(source)))
		receive(t, "the request", begin.done)
		assert.ErrorIs(t, u.cancelled(), context.Canceled)
	}},
	{name: "a dialer that panics does so where it can be caught", run: func(t *testing.T, e *env) {
		_, client := e.own(ttlpool.WithBase(e.base(func(base *http.Transport) {
			base.DialContext = func(context.Context, string, string) (net.Conn, error) { panic("the dialer's own") }
		})))
		assert.PanicsWithValue(t, "the dialer's own", func() {
			_, _ = client.Do(e.request("GET", e.scheme()+"://host.test", nil))
		})
	}},
	{name: "a request that is cancelled by Request.Cancel already is not sent", run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		cancel := make(chan struct{})
		close(cancel)
		_, client := e.own()
		_ = e.fail(client, withCancel(e.request("GET", s.URL, nil), cancel))
		assert.Zero(t, s.conns.count().total)
	}},
	{name: "an internationalised host in capitals is reached in HTTP/2 too", modes: overHTTP2, run: func(t *testing.T, e *env) {
		var dialled record
		s := e.serve(ok)
		_, client := e.own(ttlpool.WithBase(e.base(dialsTo(s.addr, &dialled), trustAnyName)))
		e.get(client, e.scheme()+"://BÜCHER.example:8123/")
		assert.Equal(t, []string{"xn--bcher-kva.example:8123"}, dialled.list())
	}},
	{name: "a setting that cannot be honoured is refused", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		for name, adjust := range map[string]func(*http.Transport){
			"TLSNextProto": func(base *http.Transport) {
				base.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{"own/1": nil}
			},
			"StrictMaxConcurrentRequests": func(base *http.Transport) {
				base.HTTP2 = &http.HTTP2Config{StrictMaxConcurrentRequests: true}
			},
			"Protocols": func(base *http.Transport) { base.Protocols = new(http.Protocols) },
		} {
			_, err := ttlpool.NewTransport(ttlpool.WithBase(e.base(adjust)))
			assert.ErrorContains(t, err, name)
		}
	}},
	{name: "the body with which HEAD was answered is never taken for the next answer", modes: overHTTP1, run: func(t *testing.T, e *env) {
		url := e.serveRaw(func(r raw) {
			for req := r.head(); req != nil; req = r.head() {
				r.sends("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Method: " + req.Method + "\r\n\r\nbody")
			}
		})
		client := e.client()
		for range 3 {
			assert.Empty(t, e.do(client, e.request("HEAD", url, nil)).body)
			got := e.get(client, url)
			assert.Equal(t, "GET", got.Header.Get("X-Method"))
			assert.Equal(t, "body", got.body)
		}
	}},
	{name: "an error names address, age and what went out", run: func(t *testing.T, e *env) {
		s := e.serve(aborts(""))
		_, client := e.own()
		err := e.fail(client, e.request("POST", s.URL, strings.NewReader("text")))
		var wrapped *ttlpool.ExchangeError
		require.ErrorAs(t, err, &wrapped)
		assert.Equal(t, s.addr, wrapped.Conn.Address)
		assert.False(t, wrapped.Stale)
		assert.NotEmpty(t, wrapped.NotRetried)
		assert.ErrorContains(t, err, s.addr)
	}},
}
