package behaviour

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// offered makes a server note what protocols are offered to it by ALPN.
func offered(to chan<- []string) func(*httptest.Server) {
	return func(s *httptest.Server) {
		s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			to <- hello.SupportedProtos
			return nil, nil
		}}
	}
}

// http2Too lets a server of HTTP/2 speak HTTP/1.1 as well.
func http2Too(s *httptest.Server) { s.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}} }

var settings = []behaviour{
	{name: "TLSClientConfig names the server", modes: overTLS, run: func(t *testing.T, e *env) {
		s := e.serve(ok)
		client := e.client(dialsTo(s.addr, nil), func(base *http.Transport) { base.TLSClientConfig.ServerName = "example.com" })
		assert.Equal(t, "example.com", e.get(client, "https://other.test").TLS.ServerName)
	}},
	{name: "TLSClientConfig has the client's certificate", modes: overTLS, run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) == 0 {
				w.WriteHeader(http.StatusForbidden)
			}
		}, func(s *httptest.Server) { s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert} })
		client := e.client(func(base *http.Transport) { base.TLSClientConfig.Certificates = serverTLS().Certificates })
		assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
	}},
	{name: "TLSClientConfig limits the version", modes: overTLS, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.TLSClientConfig.MaxVersion = tls.VersionTLS12 })
		assert.EqualValues(t, tls.VersionTLS12, e.get(client, e.serve(ok).URL).TLS.Version)
	}},
	{name: "TLSClientConfig may refuse a connection by a function", modes: overTLS, run: func(t *testing.T, e *env) {
		own := errors.New("not this one")
		client := e.client(func(base *http.Transport) {
			base.TLSClientConfig.VerifyConnection = func(tls.ConnectionState) error { return own }
		})
		assert.ErrorIs(t, e.fail(client, e.request("GET", e.serve(ok).URL, nil)), own)
	}},
	{name: "the caller's own protocols of ALPN are offered", modes: overTLS, run: func(t *testing.T, e *env) {
		hello := make(chan []string, 1)
		s := e.serve(ok, offered(hello))
		e.get(e.client(func(base *http.Transport) { base.TLSClientConfig.NextProtos = []string{"own/1", "http/1.1"} }), s.URL)
		protocols := receive(t, "the handshake", hello)
		assert.Contains(t, protocols, "own/1")
		assert.Equal(t, e.mode == h2, slices.Contains(protocols, "h2"))
	}},
	{name: "WriteBufferSize is how much is gathered before it is written", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		var reads, writes atomic.Int64
		client := e.client(meddled(&reads, &writes), func(base *http.Transport) { base.WriteBufferSize = 256 << 10 })
		req := e.request("POST", e.serve(readsAll).URL, io.MultiReader(strings.NewReader(large(128<<10))))
		req.ContentLength = 128 << 10
		req.Header.Set("X-Long", strings.Repeat("x", 40<<10))
		e.do(client, req)
		assert.Greater(t, writes.Load(), int64(40<<10), "header and first piece of the body at once")
	}},
	{name: "ReadBufferSize is how much is read at once", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		var reads, writes atomic.Int64
		client := e.client(meddled(&reads, &writes), func(base *http.Transport) { base.ReadBufferSize = 77 << 10 })
		e.get(client, e.serve(ok).URL)
		assert.EqualValues(t, 77<<10, reads.Load())
	}},
	{name: "a scheme that was registered is served by whom it was registered for", run: func(t *testing.T, e *env) {
		base := e.base()
		base.RegisterProtocol("own", roundTripper(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 299, Body: http.NoBody, Request: req}, nil
		}))
		client := &http.Client{Transport: e.make(t, base)}
		assert.Equal(t, 299, e.get(client, "own://anything/at/all").StatusCode)
		assert.Equal(t, 200, e.get(client, e.serve(ok).URL).StatusCode)
	}},
	{name: "a scheme that was registered for files serves files", run: func(t *testing.T, e *env) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte("text"), 0o600))
		base := e.base()
		base.RegisterProtocol("file", http.NewFileTransport(http.Dir(dir)))
		assert.Equal(t, "text", e.get(&http.Client{Transport: e.make(t, base)}, "file:///f").body)
	}},
	{name: "a scheme that nobody registered is an error", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		err := e.fail(e.client(), e.request("POST", "gopher://host.test", body))
		assert.ErrorContains(t, err, `unsupported protocol scheme "gopher"`)
		receive(t, "Close of the upload", body.closed.done)
	}},
	{name: "settings of a transport that has been used can be taken over", run: func(t *testing.T, e *env) {
		s, used := e.serve(ok), e.base()
		defer used.CloseIdleConnections()
		require.Equal(t, 200, e.get(&http.Client{Transport: used}, s.URL).StatusCode)
		assert.Equal(t, 200, e.get(&http.Client{Transport: e.make(t, used)}, s.URL).StatusCode)
		assert.Equal(t, 200, e.get(&http.Client{Transport: e.make(t, used.Clone())}, s.URL).StatusCode)
	}},
}

var protocols = []behaviour{
	{name: "a server that speaks HTTP/1.1 only is spoken to so", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		assert.Equal(t, 1, e.get(e.client(), e.serveIn(https, ok).URL).ProtoMajor)
	}},
	{name: "a client that speaks HTTP/1.1 only is spoken to so", modes: []mode{https}, run: func(t *testing.T, e *env) {
		assert.Equal(t, 1, e.get(e.client(), e.serveIn(h2, ok, http2Too).URL).ProtoMajor)
	}},
	{name: "one of HTTP/2 only and one of HTTP/1.1 only find no words", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.Protocols.SetHTTP1(false) })
		_ = e.fail(client, e.request("GET", e.serveIn(https, ok).URL, nil))
	}},
	{name: "a configuration of TLS alone means HTTP/1.1", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.Protocols = nil })
		assert.Equal(t, 1, e.get(client, e.serve(ok, http2Too).URL).ProtoMajor)
	}},
	{name: "a dialer of one's own alone means HTTP/1.1", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		s := e.serve(ok, http2Too)
		client := e.client(dialsTo(s.addr, nil), func(base *http.Transport) { base.Protocols = nil })
		assert.Equal(t, 1, e.get(client, s.URL).ProtoMajor)
	}},
	{name: "ForceAttemptHTTP2 means HTTP/2 all the same", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		s := e.serve(ok, http2Too)
		client := e.client(dialsTo(s.addr, nil), func(base *http.Transport) { base.Protocols, base.ForceAttemptHTTP2 = nil, true })
		assert.Equal(t, 2, e.get(client, s.URL).ProtoMajor)
	}},
	{name: "an empty TLSNextProto means HTTP/1.1", modes: []mode{h2}, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) {
			base.Protocols, base.ForceAttemptHTTP2 = nil, true
			base.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		})
		assert.Equal(t, 1, e.get(client, e.serve(ok, http2Too).URL).ProtoMajor)
	}},
	{name: "HTTP/1.1 goes before prior knowledge", modes: []mode{plain}, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.Protocols.SetUnencryptedHTTP2(true) })
		assert.Equal(t, 1, e.get(client, e.serve(ok).URL).ProtoMajor)
	}},
	{name: "HTTP/2 with TLS and without may both be spoken", modes: overHTTP2, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) {
			base.Protocols = new(http.Protocols)
			base.Protocols.SetHTTP2(true)
			base.Protocols.SetUnencryptedHTTP2(true)
		})
		assert.Equal(t, 2, e.get(client, e.serveIn(h2, ok).URL).ProtoMajor)
		assert.Equal(t, 2, e.get(client, e.serveIn(h2c, ok).URL).ProtoMajor)
	}},
	{name: "prior knowledge of HTTP/2 meets a server of HTTP/1.1", modes: []mode{h2c}, run: func(t *testing.T, e *env) {
		_ = e.fail(e.client(), e.request("GET", e.serveIn(plain, ok).URL, nil))
	}},
	{name: "prior knowledge is for requests in the clear only", modes: []mode{h2c}, run: func(t *testing.T, e *env) {
		client := e.client(func(base *http.Transport) { base.Protocols.SetHTTP2(false); base.Protocols.SetHTTP1(true) })
		assert.Equal(t, 1, e.get(client, e.serveIn(https, ok).URL).ProtoMajor)
	}},
}
