package ttlpool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// proxied is a reverse proxy over a transport, in front of a backend.
type proxied struct {
	*httptest.Server
	client *http.Client
	tr     *ttlpool.Transport
	failed chan error // what the proxy answered 502 for
}

// startProxy starts a proxy in front of the address.
func startProxy(t *testing.T, backend string, opts ...ttlpool.Option) *proxied {
	t.Helper()
	to, err := url.Parse(backend)
	require.NoError(t, err)
	p := &proxied{tr: newTransport(t, opts...), failed: make(chan error, 10)}
	proxy := &httputil.ReverseProxy{
		Transport: p.tr,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Trailer = r.In.Trailer // the clone would not see their values come
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			p.failed <- err
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, req)
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(p.Server.Close)
	p.client = &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, MaxIdleConnsPerHost: 10}}
	t.Cleanup(p.client.CloseIdleConnections)
	return p
}

func (p *proxied) do(t *testing.T, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := p.client.Do(req)
	require.NoError(t, err)
	return resp.StatusCode, readBody(t, resp)
}

// requireIdle requires that no connection to the backend is in use any more.
func (p *proxied) requireIdle(t *testing.T) {
	t.Helper()
	eventually(t, func() bool { return p.tr.Stats().InUse == 0 }, "a connection to the backend is still in use")
}

func TestReverseProxyStreamsUploads(t *testing.T) {
	backend := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(flusher{w}, req.Body)
	})
	p := startProxy(t, backend.URL)
	for _, size := range []int{0, 1, 5000, 1 << 20} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			text := strings.Repeat("x", size)
			status, body := p.do(t, newRequest(t, t.Context(), method, p.URL, stream(text)))
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, len(text), len(body), "%s of %d bytes", method, size)
		}
	}
	p.requireIdle(t)
	assert.EqualValues(t, 1, p.tr.Stats().Dials)
}

type flusher struct{ http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	f.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

// Each piece of an upload is answered before the next one is sent.
func TestReverseProxyIsFullDuplex(t *testing.T) {
	backend := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(flusher{w}, req.Body)
	})
	p := startProxy(t, backend.URL)
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: hub.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	var body io.Reader
	for i := range 3 {
		_, err = fmt.Fprintf(conn, "5\r\npart%d\r\n", i)
		require.NoError(t, err)
		if body == nil {
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			body = resp.Body
		}
		piece := make([]byte, 5)
		_, err = io.ReadFull(body, piece)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("part%d", i), string(piece))
	}
	_, err = io.WriteString(conn, "0\r\n\r\n")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, body)
	assert.NoError(t, err)
	p.requireIdle(t)
}

// staleBackend lets the second request of its first connection find it stale,
// once it has the head, and echoes all others.
func staleBackend(t *testing.T, ledger *ledger) *rawServer {
	return startRaw(t, listenTCP(t), func(c *rawConn) {
		for n := 1; ; n++ {
			req := c.head()
			if req == nil {
				return
			}
			ledger.receive(req)
			if c.index == 1 && n == 2 {
				c.halfClose()
				c.awaitEnd()
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			ledger.answer(req)
			c.answer(string(body))
		}
	})
}

func TestReverseProxyRescuesWhatMayBeSentAgain(t *testing.T) {
	for _, row := range []struct {
		method, header, body string
		rescued              bool
	}{
		{method: "GET", rescued: true},
		{method: "DELETE", rescued: true},
		{method: "PUT", body: "<x/>", rescued: true},
		{method: "POST", body: "<methodCall/>", header: "Idempotency-Key", rescued: true},
		{method: "POST", body: "<methodCall/>"},
	} {
		t.Run(row.method+" "+row.header, func(t *testing.T) {
			ledger := newLedger()
			backend := staleBackend(t, ledger)
			p := startProxy(t, backend.url())
			p.do(t, newRequest(t, t.Context(), "GET", p.URL, nil))
			p.requireIdle(t)
			var body io.Reader
			if row.body != "" {
				body = stream(row.body)
			}
			req := newRequest(t, t.Context(), row.method, p.URL, body)
			req.Header.Set(idHeader, staleID)
			if row.header != "" {
				req.Header.Set(row.header, "a key")
			}
			status, text := p.do(t, req)
			received, answered := ledger.counts(staleID)
			if row.rescued {
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, row.body, text)
				assert.Equal(t, []int{2, 1}, []int{received, answered})
				return
			}
			assert.Equal(t, http.StatusBadGateway, status)
			assert.Equal(t, []int{1, 0}, []int{received, answered})
			requireNamedHop(t, <-p.failed, backend.address)
		})
	}
}

// requireNamedHop requires what the operator of a proxy needs to know.
func requireNamedHop(t *testing.T, err error, address string) {
	t.Helper()
	var failed *ttlpool.ExchangeError
	require.ErrorAs(t, err, &failed)
	assert.True(t, failed.Stale)
	assert.Regexp(t, `^`+address+`: stale connection: EOF after \S+ idle \(age \S+, 1 use; \d+ bytes written,.* 0 read\); not retried: POST is not idempotent$`, err.Error())
}

// What a slow client has yet to send must reach the second try, in order.
func TestReverseProxyHandsTheRestOfABodyOn(t *testing.T) {
	ledger := newLedger()
	backend := staleBackend(t, ledger)
	p := startProxy(t, backend.url())
	p.do(t, newRequest(t, t.Context(), "GET", p.URL, nil))
	p.requireIdle(t)
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, firstHalf)
		// The client waits, as if it were slow, until the second try is under way.
		for begun, received := time.Now(), 0; received < 2 && time.Since(begun) < 10*time.Second; received, _ = ledger.counts(staleID) {
			time.Sleep(time.Millisecond)
		}
		_, _ = io.WriteString(w, secondHalf)
		_ = w.Close()
	}()
	req := newRequest(t, t.Context(), "PUT", p.URL, r)
	req.Header.Set(idHeader, staleID)
	status, body := p.do(t, req)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, wholeBody, body)
}

func TestReverseProxyUpgrades(t *testing.T) {
	type end struct {
		name  string
		close func(t *testing.T, client *net.TCPConn, backend *rawConn)
	}
	for _, e := range []end{
		{"the client closes", func(t *testing.T, client *net.TCPConn, backend *rawConn) {
			require.NoError(t, client.Close())
			_, err := backend.in.ReadByte()
			assert.Equal(t, io.EOF, err)
			require.NoError(t, backend.Close())
		}},
		{"the backend closes", func(t *testing.T, client *net.TCPConn, backend *rawConn) {
			require.NoError(t, backend.Close())
			_, err := client.Read(make([]byte, 1))
			assert.Equal(t, io.EOF, err)
			require.NoError(t, client.Close())
		}},
		{"the client closes its half", func(t *testing.T, client *net.TCPConn, backend *rawConn) {
			require.NoError(t, client.CloseWrite())
			_, err := backend.in.ReadByte()
			assert.Equal(t, io.EOF, err)
			backend.say("goodbye")
			require.NoError(t, backend.Close())
			text, err := io.ReadAll(client)
			require.NoError(t, err)
			assert.Equal(t, "goodbye", string(text), "the other half goes on")
		}},
	} {
		t.Run(e.name, func(t *testing.T) {
			upgraded, finished := make(chan *rawConn, 1), make(chan struct{})
			backend := startRaw(t, listenTCP(t), func(c *rawConn) {
				req := c.head()
				if req == nil || req.Header.Get("Upgrade") != "echo" {
					return
				}
				c.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome")
				upgraded <- c
				<-finished
			})
			defer close(finished)
			p := startProxy(t, backend.url(), ttlpool.WithTTL(time.Minute))
			conn, err := net.Dial("tcp", p.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: hub.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			require.NoError(t, err)
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			requireText(t, in, "welcome")
			backendConn := <-upgraded
			for i := range 3 { // both ways
				ping, pong := fmt.Sprintf("ping %d", i), fmt.Sprintf("pong %d", i)
				_, err = io.WriteString(conn, ping)
				require.NoError(t, err)
				requireText(t, backendConn.in, ping)
				backendConn.say(pong)
				requireText(t, in, pong)
			}
			e.close(t, conn.(*net.TCPConn), backendConn)
			p.requireIdle(t)
			eventually(t, func() bool { return p.tr.Stats().Closed[ttlpool.ClosedNotKept] == 1 }, "closed for another reason")
		})
	}
}

func requireText(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(r, got)
	require.NoError(t, err)
	assert.Equal(t, want, string(got))
}

func TestReverseProxyPassesInformationalResponsesOn(t *testing.T) {
	backend := serverOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	p := startProxy(t, backend.URL)
	var codes []int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			codes = append(codes, code)
			assert.Equal(t, "</style.css>; rel=preload", header.Get("Link"))
			return nil
		},
	})
	status, _ := p.do(t, newRequest(t, ctx, "GET", p.URL, nil))
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, []int{http.StatusEarlyHints}, codes)
}

func TestReverseProxyAndExpectContinue(t *testing.T) {
	backend := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/refused" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		_, _ = io.Copy(w, req.Body) // its first Read sends 100 Continue
	})
	p := startProxy(t, backend.URL, ttlpool.WithBase(&http.Transport{ExpectContinueTimeout: time.Minute}))
	for path, want := range map[string]int{"/": http.StatusOK, "/refused": http.StatusExpectationFailed} {
		req := newRequest(t, t.Context(), "POST", p.URL+path, stream("body"))
		req.Header.Set("Expect", "100-continue")
		status, body := p.do(t, req)
		assert.Equal(t, want, status)
		if status == http.StatusOK {
			assert.Equal(t, "body", body)
		}
	}
	p.requireIdle(t)
}

// Each event must arrive before the next one is sent.
func TestReverseProxyFlushesEvents(t *testing.T) {
	next := make(chan struct{})
	backend := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(flusher{w}, "data: %d\n\n", i)
			select {
			case <-next:
			case <-req.Context().Done():
				return
			}
		}
	})
	p := startProxy(t, backend.URL)
	resp, err := p.client.Get(p.URL)
	require.NoError(t, err)
	in := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = in.ReadString('\n')
		require.NoError(t, err)
		next <- struct{}{}
	}
	_, err = in.ReadByte()
	assert.Equal(t, io.EOF, err)
	require.NoError(t, resp.Body.Close())
}

func TestReverseProxyPassesTrailersOn(t *testing.T) {
	received := make(chan http.Header, 1)
	backend := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		received <- req.Trailer
		w.Header().Set("Trailer", "Announced")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("Announced", "yes")
		w.Header().Set(http.TrailerPrefix+"Unannounced", "yes")
	})
	p := startProxy(t, backend.URL)
	req := newRequest(t, t.Context(), "POST", p.URL, stream("body"))
	req.Trailer = http.Header{"Checksum": {"abc"}}
	resp, err := p.client.Do(req)
	require.NoError(t, err)
	assert.Equal(t, "body", readBody(t, resp))
	assert.Equal(t, http.Header{"Announced": {"yes"}, "Unannounced": {"yes"}}, resp.Trailer)
	assert.Equal(t, "abc", (<-received).Get("Checksum"))
	p.requireIdle(t)
}

func TestReverseProxyWhenTheClientGoesAway(t *testing.T) {
	left := make(chan struct{}, 1)
	backend := serverOf(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(flusher{w}, "the beginning")
		<-req.Context().Done() // when the proxy closes the connection
		left <- struct{}{}
	})
	p := startProxy(t, backend.URL)
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := p.client.Do(newRequest(t, ctx, "GET", p.URL, nil))
	require.NoError(t, err)
	requireText(t, resp.Body, "the beginning")
	cancel()
	<-left
	_ = resp.Body.Close()
	p.requireIdle(t)
	assert.Zero(t, p.tr.Stats().Open)
}

func TestReverseProxyWhenTheClientGoesAwayWhileSending(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	backend := serverOf(t, func(_ http.ResponseWriter, req *http.Request) {
		_, _ = req.Body.Read(make([]byte, 1))
		close(begun)
		_, err := io.Copy(io.Discard, req.Body)
		ended <- err
	})
	p := startProxy(t, backend.URL)
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 100\r\n\r\nhalf")
	require.NoError(t, err)
	<-begun
	require.NoError(t, conn.Close())
	assert.Error(t, <-ended, "half a body is no body")
	assert.Error(t, <-p.failed)
	p.requireIdle(t)
	assert.Zero(t, p.tr.Stats().Open)
	assert.Zero(t, p.tr.Stats().Stale)
}

func TestReverseProxyWhenTheBackendGoesAway(t *testing.T) {
	backend := startRaw(t, listenTCP(t), func(c *rawConn) {
		c.next()
		c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	})
	p := startProxy(t, backend.url())
	resp, err := p.client.Get(p.URL)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	assert.True(t, errors.Is(err, io.ErrUnexpectedEOF), "got %v: the client must not take it for complete", err)
	_ = resp.Body.Close()
	p.requireIdle(t)
	assertClosed(t, p.tr, ttlpool.ClosedFailed, 1)
}

func TestReverseProxyWhenThereIsNoBackend(t *testing.T) {
	l := listenTCP(t)
	require.NoError(t, l.Close())
	p := startProxy(t, "http://"+l.Addr().String())
	status, body := p.do(t, newRequest(t, t.Context(), "POST", p.URL, stream("body")))
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Contains(t, body, l.Addr().String())
	<-p.failed
}
