package behaviour

import (
	"crypto/tls"
	"crypto/x509"
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

// aborts is a handler that breaks off, after some text.
func aborts(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if text != "" {
			_, _ = io.WriteString(w, text)
			flush(w)
		}
		panic(http.ErrAbortHandler)
	}
}

// stalls is a handler that never answers, nor ends an answer. With an upload that nobody reads, an HTTP/1 server does not
// notice that the client is gone.
func (e *env) stalls(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-e.ctx.Done():
	}
	panic(http.ErrAbortHandler)
}

var faults = []behaviour{
	{name: "a handler that breaks off before its answer is an error", run: func(t *testing.T, e *env) {
		_ = e.fail(e.client(), e.request("POST", e.serve(aborts("")).URL, nil))
	}},
	{name: "a handler that breaks off within a body of known length is an error", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			aborts("part")(w, r)
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		got, err := io.ReadAll(resp.Body)
		assert.Equal(t, "part", string(got))
		assert.Error(t, err)
		if !e.mode.http2() {
			assert.Equal(t, io.ErrUnexpectedEOF, err)
		}
	}},
	{name: "a handler that breaks off within a body of unknown length is an error", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(aborts("part")).URL, nil))
		got, err := io.ReadAll(resp.Body)
		assert.Equal(t, "part", string(got))
		assert.Error(t, err)
	}},
	{name: "a body shorter than was said is an error", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		_, err := io.ReadAll(resp.Body)
		assert.Error(t, err)
	}},
	{name: "an error of the body stays", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(aborts("part")).URL, nil))
		_, first := io.ReadAll(resp.Body)
		require.Error(t, first)
		n, second := resp.Body.Read(make([]byte, 1))
		assert.Zero(t, n)
		assert.Equal(t, first, second)
	}},
	{name: "after a handler that broke off the next request goes well", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/abort" {
				aborts("")(w, r)
			}
		})
		client := e.client()
		for range 3 {
			_ = e.fail(client, e.request("POST", s.URL+"/abort", nil))
			assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
		}
	}},
	{name: "nobody listens", run: func(t *testing.T, e *env) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		failure := e.fail(e.client(), e.request("GET", e.scheme()+"://"+l.Addr().String(), nil))
		var op *net.OpError
		require.ErrorAs(t, failure, &op)
		assert.Equal(t, "dial", op.Op)
	}},
	{name: "a dialer's error comes back as it is", run: func(t *testing.T, e *env) {
		own := errors.New("the dialer's own")
		client := e.client(failsToDial(own))
		assert.Same(t, own, e.fail(client, e.request("GET", e.scheme()+"://host.test", nil)))
	}},
	{name: "a certificate that nobody vouches for is refused", modes: overTLS, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.TLSClientConfig.RootCAs = x509.NewCertPool() })
		err := e.fail(client, e.request("GET", e.serve(ok).URL, nil))
		var unknown x509.UnknownAuthorityError
		assert.ErrorAs(t, err, &unknown)
		var verification *tls.CertificateVerificationError
		assert.ErrorAs(t, err, &verification)
	}},
	{name: "a certificate for another name is refused", modes: overTLS, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client(dialsTo(s.addr, nil))
		var mismatch x509.HostnameError
		assert.ErrorAs(t, e.fail(client, e.request("GET", "https://other.test", nil)), &mismatch)
	}},
	{name: "a server in the clear is told from one with TLS", modes: overTLS, run: func(t *testing.T, e *env) {
		s := e.serveIn(plain, ok)
		err := e.fail(e.client(), e.request("GET", "https://"+s.addr, nil))
		assert.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
	}},
	{name: "a server that does not begin its answer runs into the header timeout", run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.ResponseHeaderTimeout = 20 * time.Millisecond })
		err := e.fail(client, e.request("GET", e.serve(e.stalls).URL, nil))
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.ErrorContains(t, err, "timeout awaiting response headers")
	}},
	{name: "the header timeout does not count the upload", modes: []mode{plain, h2}, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.ResponseHeaderTimeout = 250 * time.Millisecond })
		in, out := io.Pipe()
		time.AfterFunc(300*time.Millisecond, func() { _ = out.Close() })
		assert.Equal(t, 200, e.post(client, e.serve(readsAll).URL, in).StatusCode)
	}},
	{name: "the header timeout does not count the body", modes: []mode{plain, h2}, run: func(t *testing.T, e *env) {
		late := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-late.done
			_, _ = io.WriteString(w, "late")
		})
		client := e.client(func(base *http.Transport) { base.ResponseHeaderTimeout = 250 * time.Millisecond })
		resp := e.open(client, e.request("GET", s.URL, nil))
		time.AfterFunc(300*time.Millisecond, late.set)
		assert.Equal(t, "late", e.readAll(resp).body)
	}},
	{name: "a handshake that takes too long is given up", modes: overTLS, run: func(t *testing.T, e *env) {
		silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		client := e.client(func(base *http.Transport) { base.TLSHandshakeTimeout = 20 * time.Millisecond })
		err := e.fail(client, e.request("GET", "https://"+silent, nil))
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.ErrorContains(t, err, "TLS handshake timeout")
	}},
	{name: "a server that closes during the handshake is an error", modes: overTLS, run: func(t *testing.T, e *env) {
		closing := listen(t, func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 10)) })
		_ = e.fail(e.client(), e.request("GET", "https://"+closing, nil))
	}},
	{name: "a server that speaks no HTTP is an error", run: func(t *testing.T, e *env) {
		smtp := e.listenTLS(func(c net.Conn) { _, _ = io.WriteString(c, "220 mail.test ESMTP\r\n"); _, _ = io.Copy(io.Discard, c) })
		_ = e.fail(e.client(), e.request("POST", e.scheme()+"://"+smtp, strings.NewReader("text")))
	}},
	{name: "a server that closes without a word is an error", run: func(t *testing.T, e *env) {
		mute := e.listenTLS(func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
		_ = e.fail(e.client(), e.request("POST", e.scheme()+"://"+mute, strings.NewReader("text")))
	}},
}
