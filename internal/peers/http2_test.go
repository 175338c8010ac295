package peers

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// http2Peer is a server that speaks HTTP/2 in front of the backend.
type http2Peer struct {
	name     string
	trailers bool // it passes those of the backend on
	duplex   bool // it begins to answer while the request still comes
	hints    hints
	kind     func(settings) realtest.Kind
}

func (p http2Peer) String() string { return p.name }

// hints is what a peer does with 103 of the backend.
type hints int

const (
	passed   hints = iota
	dropped        // it keeps them to itself
	mistaken       // it takes 103 for the answer, and the rest for its body
)

// settings are what the tests need of such a server.
type settings struct {
	backend     string
	certificate *realtest.Certificate
	idle        time.Duration
	requests    int // on a connection, in all
}

var http2Peers = []http2Peer{
	{"nginx", false, false, mistaken, func(s settings) realtest.Kind {
		return realtest.Nginx{Backend: s.backend, Certificate: s.certificate, HTTP2: true,
			KeepAliveTimeout: s.idle, MaxRequests: s.requests, Unbuffered: true}
	}},
	{"Apache httpd", true, false, dropped, func(s settings) realtest.Kind {
		return realtest.Apache{Backend: s.backend, Certificate: s.certificate, HTTP2: true,
			KeepAliveTimeout: s.idle, MaxRequests: s.requests, Processes: 1}
	}},
	{"HAProxy", true, true, passed, func(s settings) realtest.Kind {
		return realtest.HAProxy{Backend: s.backend, Certificate: s.certificate, HTTP2: true, KeepAliveTimeout: s.idle}
	}},
}

// rig is a transport in front of a peer in front of a backend.
type rig struct {
	t         *testing.T
	ctx       context.Context // of all requests: ends with the test, or when patience does
	transport http.RoundTripper
	peer      *realtest.Server
	counts    *realtest.Server // the backend
	backend   *backend
	dials     *dials
}

func newRig(t *testing.T, p http2Peer, c contestant, s settings) *rig {
	var err error
	s.certificate, err = realtest.NewCertificate()
	require.NoError(t, err)
	r := &rig{t: t, backend: &backend{}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r.ctx = ctx
	r.counts = realtest.Start(t, realtest.Go{Handler: r.backend})
	s.backend = r.counts.Address
	r.peer = realtest.Start(t, p.kind(s))
	require.NotNil(t, r.peer)
	r.dials = &dials{to: r.peer.Address}
	config := s.certificate.ClientConfig()
	config.ServerName = "localhost" // whatever host is asked for
	r.transport = c.make(t, &http.Transport{
		DialContext: r.dials.dial, TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConns: 0,
	})
	return r
}

// patience bounds every wait. It is never waited out where all is well.
const patience = 120 * time.Second

func (r *rig) request(method, path, id string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx, method, "https://peer.test"+path, body)
	require.NoError(r.t, err)
	req.Header.Set("X-Request-Id", id)
	return req
}

// reply is a response that has been read to its end.
type reply struct {
	*http.Response
	body string
}

// send sends a request and reads its response.
func (r *rig) send(req *http.Request) (reply, error) {
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp, string(body)}, err
}

func (r *rig) do(req *http.Request) reply {
	r.t.Helper()
	got, err := r.send(req)
	require.NoError(r.t, err)
	return got
}

// processed is how often the backend has processed a request.
func (r *rig) processed() map[string]int {
	r.t.Helper()
	times, err := r.counts.Processed()
	require.NoError(r.t, err)
	return times
}

func TestRequestsOverHTTP2(t *testing.T) {
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{})
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			var body io.Reader
			if method[0] == 'P' {
				body = strings.NewReader("text")
			}
			got := r.do(r.request(method, "/", method, body))
			assert.Equal(t, http.StatusOK, got.StatusCode, method)
			assert.Equal(t, 2, got.ProtoMajor)
			assert.Equal(t, "h2", got.TLS.NegotiatedProtocol)
			if method != "HEAD" {
				assert.Equal(t, method, got.body)
			}
			assert.Equal(t, 1, r.processed()[method])
		}
		assert.EqualValues(t, 1, r.dials.count.Load())
	})
}

func TestLargeBodiesOverHTTP2(t *testing.T) {
	up, down := digest(largeBody), sha256.New()
	_, _ = io.Copy(down, pattern(largeBody))
	want := fmt.Sprintf("%x", down.Sum(nil))
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{})
		r.do(r.request("GET", "/", "first", nil))
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				got, err := r.send(r.request("POST", "/digest", fmt.Sprint("up", i), pattern(largeBody)))
				if assert.NoError(t, err) {
					assert.Equal(t, up, got.body)
				}
			})
			all.Go(func() {
				got, err := r.send(r.request("GET", "/download", fmt.Sprint("down", i), nil))
				if assert.NoError(t, err) {
					assert.Equal(t, want, fmt.Sprintf("%x", sha256.Sum256([]byte(got.body))))
				}
			})
		}
		all.Wait()
		assert.EqualValues(t, 1, r.dials.count.Load(), "all of it shares a connection")
	})
}

func TestBothSidesStreamOverHTTP2(t *testing.T) {
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		if !p.duplex {
			return
		}
		r := newRig(t, p, c, settings{})
		in, out := io.Pipe()
		resp, err := r.transport.RoundTrip(r.request("POST", "/echo", "echo", in))
		require.NoError(t, err)
		defer resp.Body.Close()
		for _, word := range []string{"ping", "pong", "once more"} {
			_, err := io.WriteString(out, word)
			require.NoError(t, err)
			answer := make([]byte, len(word))
			_, err = io.ReadFull(resp.Body, answer)
			require.NoError(t, err)
			assert.Equal(t, word, string(answer))
		}
		require.NoError(t, out.Close())
		rest, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		assert.Empty(t, rest)
	})
}

func TestMoreStreamsThanAConnectionTakes(t *testing.T) {
	const requests = 300
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{})
		r.do(r.request("GET", "/", "first", nil))
		var all sync.WaitGroup
		for i := range requests {
			all.Go(func() {
				id := fmt.Sprint(i)
				got, err := r.send(r.request("POST", "/slow", id, nil))
				if assert.NoError(t, err) {
					assert.Equal(t, id, got.body)
				}
			})
		}
		all.Wait()
		connections := int(r.dials.count.Load())
		t.Logf("%d requests at once: %d connections, %d at once at the backend", requests, connections, r.backend.most.Load())
		if c.ours { // of those refused before the limit is known, each may get one of its own
			assert.LessOrEqual(t, connections, requests/5)
		}
		for id, times := range r.processed() {
			assert.Equal(t, 1, times, id)
		}
	})
}

func TestTrailersOverHTTP2(t *testing.T) {
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		got := newRig(t, p, c, settings{}).get("/trailers")
		assert.Equal(t, "body", got.body)
		want := ""
		if p.trailers {
			want = "trailer"
		}
		assert.Equal(t, want, got.Trailer.Get("X-Trailer"))
	})
}

func (r *rig) get(path string) reply {
	r.t.Helper()
	return r.do(r.request("GET", path, "", nil))
}

func TestEarlyHintsOverHTTP2(t *testing.T) {
	forEach(t, http2Peers, func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{})
		var links []string
		req := r.request("GET", "/hints", "", nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				links = append(links, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
		}))
		got, err := r.send(req)
		if p.hints == mistaken {
			assert.ErrorContains(t, err, "PROTOCOL_ERROR")
			return
		}
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, "body", got.body)
		if p.hints == passed {
			assert.Equal(t, []string{"103 </style.css>; rel=preload"}, links)
		} else {
			assert.Empty(t, links)
		}
	})
}

// TestWrongCertificateOverHTTP2 is for a server that is not who it should be.
func TestWrongCertificateOverHTTP2(t *testing.T) {
	forEach(t, http2Peers[:1], func(t *testing.T, p http2Peer, c contestant) {
		r := newRig(t, p, c, settings{})
		other, err := realtest.NewCertificate()
		require.NoError(t, err)
		r.transport = c.make(t, &http.Transport{
			DialContext: r.dials.dial, TLSClientConfig: other.ClientConfig(), ForceAttemptHTTP2: true,
		})
		_, err = r.send(r.request("GET", "/", "", nil))
		var unknown *tls.CertificateVerificationError
		assert.ErrorAs(t, err, &unknown)
	})
}
