package realtest

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/testnet"
)

// each are all kinds, as they serve without a backend.
func each(timeout time.Duration) []Kind {
	return []Kind{
		Apache{KeepAliveTimeout: timeout},
		Apache{KeepAliveTimeout: timeout, Prefork: true},
		Nginx{KeepAliveTimeout: timeout},
		HAProxy{KeepAliveTimeout: timeout},
		Lighttpd{KeepAliveTimeout: timeout},
		Gunicorn{KeepAliveTimeout: timeout},
		Tomcat{KeepAliveTimeout: timeout},
		Node{KeepAliveTimeout: timeout},
		Go{KeepAliveTimeout: timeout},
	}
}

// proxies are all kinds, as they serve with one.
func proxies(timeout time.Duration, backend string) []Kind {
	return []Kind{
		Apache{KeepAliveTimeout: timeout, Backend: backend},
		Apache{KeepAliveTimeout: timeout, Backend: backend, BackendTTL: time.Second},
		Apache{KeepAliveTimeout: timeout, Backend: backend, BackendNoReuse: true},
		Apache{KeepAliveTimeout: timeout, Backend: backend, BackendPools: 3},
		Nginx{KeepAliveTimeout: timeout, Backend: backend},
		Nginx{KeepAliveTimeout: timeout, Backend: backend, BackendIdle: 1, BackendPools: 3},
		Nginx{KeepAliveTimeout: timeout, Backend: backend, BackendIdle: 16, BackendIdleTimeout: time.Second},
		HAProxy{KeepAliveTimeout: timeout, Backend: backend},
		Varnish{KeepAliveTimeout: timeout, Backend: backend},
		Squid{KeepAliveTimeout: timeout, Backend: backend},
	}
}

func secure(t *testing.T, c *Certificate) []Kind {
	return []Kind{
		Apache{Certificate: c}, Apache{Certificate: c, HTTP2: true},
		Nginx{Certificate: c}, Nginx{Certificate: c, HTTP2: true},
		HAProxy{Certificate: c}, HAProxy{Certificate: c, HTTP2: true},
		Gunicorn{Certificate: c}, Node{Certificate: c},
		Go{Certificate: c}, Go{Certificate: c, HTTP2: true},
	}
}

// forEach runs a test of each kind, side by side: they mostly wait.
func forEach(t *testing.T, kinds []Kind, test func(*testing.T, Kind)) {
	for _, kind := range kinds {
		t.Run(kind.facts().name, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

func clientOf(t *testing.T, config *tls.Config, http2 bool) *http.Transport {
	tr := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func send(t *testing.T, tr http.RoundTripper, s *Server, method, id, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+pathOf(s.Kind), strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Request-Id", id)
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	assert.Equal(t, id, resp.Header.Get("X-Request-Id"))
	return resp
}

// pathOf is a path at which a server can be asked.
func pathOf(kind Kind) string {
	switch k := kind.(type) {
	case Apache:
		return backendPaths(k.BackendPools)[0]
	case Nginx:
		return backendPaths(k.BackendPools)[0]
	}
	return "/"
}

// sendAll sends requests of all sorts, and returns how often the server must say
// that it has processed each.
func sendAll(t *testing.T, tr http.RoundTripper, s *Server) map[string]int {
	send(t, tr, s, "GET", "a", "")
	send(t, tr, s, "POST", "b", "with a body")
	send(t, tr, s, "PUT", "b", strings.Repeat("x", 10_000))
	send(t, tr, s, "DELETE", "c", "")
	return map[string]int{"a": 1, "b": 2, "c": 1}
}

func TestAServerCountsWhatItProcesses(t *testing.T) {
	forEach(t, each(2*time.Second), func(t *testing.T, kind Kind) {
		s := Start(t, kind)
		require.NotNil(t, s)
		t.Log(s.Name())
		assert.Regexp(t, `\d`, s.Name())
		sent := sendAll(t, clientOf(t, nil, false), s)
		require.NoError(t, s.Stop())
		assert.NoError(t, s.Stop(), "twice is no error")
		_, err := net.Dial("tcp", s.Address)
		assert.Error(t, err, "it is stopped")
		times, err := s.Processed()
		require.NoError(t, err)
		assert.Equal(t, sent, times)
	})
}

// A host of a network has an address of its own, that nobody outside reaches. The
// others are told their address as these are, and take long to start.
func TestAServerRunsAtAnotherPlace(t *testing.T) {
	n := testnet.Require(t, testnet.Config{})
	place := Place{Listen: n.Server().Listen, Start: n.Server().Start, Dial: n.Client().DialContext, Host: n.Server().Addr().String()}
	forEach(t, []Kind{Apache{Processes: 1}, Nginx{}, Lighttpd{}, Go{}}, func(t *testing.T, kind Kind) {
		s := StartAt(t, place, kind)
		require.NotNil(t, s)
		host, _, err := net.SplitHostPort(s.Address)
		require.NoError(t, err)
		assert.Equal(t, n.Server().Addr().String(), host)
		tr := clientOf(t, nil, false)
		tr.DialContext = place.Dial
		sent := sendAll(t, tr, s)
		require.NoError(t, s.Stop())
		times, err := s.Processed()
		require.NoError(t, err)
		assert.Equal(t, sent, times)
	})
}

func TestAProxyPassesOnWhatItGets(t *testing.T) {
	for _, kind := range proxies(2*time.Second, "placeholder") {
		t.Run(kind.facts().name, func(t *testing.T) {
			t.Parallel()
			backend := Start(t, Go{})
			s := Start(t, withBackend(kind, backend.Address))
			require.NotNil(t, s)
			sent := sendAll(t, clientOf(t, nil, false), s)
			times, err := backend.Processed()
			require.NoError(t, err)
			assert.Equal(t, sent, times)
		})
	}
}

func withBackend(kind Kind, backend string) Kind {
	switch k := kind.(type) {
	case Apache:
		k.Backend = backend
		return k
	case Nginx:
		k.Backend = backend
		return k
	case HAProxy:
		k.Backend = backend
		return k
	case Varnish:
		k.Backend = backend
		return k
	case Squid:
		k.Backend = backend
		return k
	}
	panic("no proxy")
}

func TestServersSpeakTLS(t *testing.T) {
	c, err := NewCertificate()
	require.NoError(t, err)
	forEach(t, secure(t, c), func(t *testing.T, kind Kind) {
		s := Start(t, kind)
		require.NotNil(t, s)
		tr := clientOf(t, c.ClientConfig(), true)
		sent := sendAll(t, tr, s)
		resp := send(t, tr, s, "GET", "", "")
		assert.NotNil(t, resp.TLS)
		assert.Equal(t, asksForHTTP2(kind), resp.ProtoMajor == 2)
		require.NoError(t, s.Stop())
		times, err := s.Processed()
		require.NoError(t, err)
		assert.Equal(t, sent, times)
	})
}

func asksForHTTP2(kind Kind) bool {
	switch k := kind.(type) {
	case Apache:
		return k.HTTP2
	case Nginx:
		return k.HTTP2
	case HAProxy:
		return k.HTTP2
	case Go:
		return k.HTTP2
	}
	return false
}
