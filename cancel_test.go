package ttlpool_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A stage is a point at which a request can hang.
type stage struct {
	name   string
	secure bool
	queued bool                                             // the only place is taken by another request
	dial   func(s *scene, address string) (net.Conn, error) // the first dial; nil: as usual
	serve  func(s *scene, c *rawConn)                       // the first connection; nil: it is not used
	body   func(s *scene) io.Reader                         // of the request; nil: none
	expect bool                                             // 100-continue
	deaf   bool                                             // the server does not notice the end of a connection
}

// scene is one run of a stage.
type scene struct {
	stage
	listener net.Listener
	connect  func(ctx context.Context, network, address string) (net.Conn, error)
	once     sync.Once
	arrived  chan struct{} // closed when the request hangs
	release  chan struct{} // closed at the end, for what ignores all else
	dials    chan int      // holds the number of dials
	closed   chan struct{} // closed when the server has seen the end of the first connection
}

func (s *scene) arrive() { s.once.Do(func() { close(s.arrived) }) }

func stages() []stage {
	return []stage{
		{name: "dial", dial: func(s *scene, address string) (net.Conn, error) {
			s.arrive()
			<-s.release
			return s.connect(context.Background(), "tcp", address)
		}},
		{name: "TLS handshake", secure: true, serve: func(s *scene, c *rawConn) {
			_, _ = c.in.ReadByte()
			s.arrive()
		}},
		{name: "queue", queued: true},
		{name: "write to a peer that does not read", deaf: true, body: func(s *scene) io.Reader {
			total := 0
			return readerFunc(func(p []byte) (int, error) {
				if total += len(p); total > 32<<10 {
					s.arrive()
				}
				return len(p), nil
			})
		}, serve: func(s *scene, _ *rawConn) { <-s.release }},
		{name: "read of the request's body", body: func(s *scene) io.Reader {
			return readerFunc(func([]byte) (int, error) {
				s.arrive()
				<-s.release
				return 0, io.EOF
			})
		}, serve: func(*scene, *rawConn) {}},
		{name: "wait for 100 Continue", expect: true, body: func(*scene) io.Reader { return stream("body") },
			serve: func(s *scene, c *rawConn) { c.head(); s.arrive() }},
		{name: "wait for the response", serve: func(s *scene, c *rawConn) { c.next(); s.arrive() }},
		{name: "wait for the response to an upload", body: func(*scene) io.Reader { return stream("body") },
			serve: func(s *scene, c *rawConn) { c.next(); s.arrive() }},
		{name: "within the head", serve: func(s *scene, c *rawConn) {
			c.next()
			c.say("HTTP/1.1 200 OK\r\nX-Half")
			s.arrive()
		}},
		{name: "within the body", serve: func(s *scene, c *rawConn) {
			c.next()
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			s.arrive()
		}},
		{name: "within a chunk", serve: func(s *scene, c *rawConn) {
			c.next()
			c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf")
			s.arrive()
		}},
		{name: "within a compressed body", serve: func(s *scene, c *rawConn) {
			c.next()
			c.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n\x1f\x8b\x08\x00")
			s.arrive()
		}},
		{name: "within a body over TLS", secure: true, serve: func(s *scene, c *rawConn) {
			secure := tls.Server(c, s.identity())
			defer secure.Close()
			if _, err := secure.Read(make([]byte, 4096)); err == nil {
				_, _ = io.WriteString(secure, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
				s.arrive()
				_, _ = secure.Read(make([]byte, 1))
			}
		}},
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

var (
	stageIdentity     *tls.Config
	stageIdentityOnce sync.Once
)

// identity is made outside of any bubble, by the first test.
func (*scene) identity() *tls.Config { return stageIdentity }

func newScene(t testing.TB, st stage, l net.Listener, connect func(context.Context, string, string) (net.Conn, error)) *scene {
	s := &scene{
		stage: st, listener: l, connect: connect, arrived: make(chan struct{}), release: make(chan struct{}),
		dials: make(chan int, 1), closed: make(chan struct{}),
	}
	s.dials <- 0
	startRaw(t, l, func(c *rawConn) {
		switch {
		case c.index > 1 || st.serve == nil:
			s.serveAsUsual(c)
		default:
			st.serve(s, c)
			c.awaitEnd()
			close(s.closed)
		}
	})
	return s
}

func (s *scene) serveAsUsual(c *rawConn) {
	if s.secure {
		secure := tls.Server(c, s.identity())
		c = &rawConn{Conn: secure, in: c.in, index: c.index}
		c.in.Reset(secure)
	}
	c.answerAll()
}

func (s *scene) transport(t testing.TB) *ttlpool.Transport {
	opts := []ttlpool.Option{ttlpool.WithBase(&http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			n := <-s.dials
			s.dials <- n + 1
			if n == 0 && s.dial != nil {
				return s.stage.dial(s, address)
			}
			return s.connect(context.WithoutCancel(ctx), network, address)
		},
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: true},
		ExpectContinueTimeout: time.Hour,
	})}
	if s.queued {
		opts = append(opts, ttlpool.WithMaxConnsPerHost(1))
	}
	return newTransport(t, opts...)
}

func (s *scene) request(t testing.TB, ctx context.Context, path string) *http.Request {
	scheme := "http://"
	if s.secure {
		scheme = "https://"
	}
	return newRequest(t, ctx, "GET", scheme+s.listener.Addr().String()+path, nil)
}

// hang starts the request that will hang. The returned function ends what holds
// it, where that is another request.
func (s *scene) hang(t testing.TB, tr *ttlpool.Transport, request armed) (<-chan error, func()) {
	req := request.req
	unblock := func() {}
	if s.queued {
		holder, err := tr.RoundTrip(s.request(t, t.Context(), "/holder"))
		require.NoError(t, err)
		unblock = func() { readBody(t, holder) }
	}
	if s.body != nil {
		req.Method, req.Body, req.ContentLength = "POST", io.NopCloser(s.body(s)), -1
	}
	if s.expect {
		req.Header.Set("Expect", "100-continue")
	}
	done := make(chan error, 1)
	go func() {
		resp, err := request.do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		done <- err
	}()
	if s.queued {
		eventually(t, func() bool { return tr.Stats().Waiting == 1 }, "the request does not queue")
		s.arrive()
	}
	<-s.arrived
	return done, unblock
}

// aftermath requires that nothing is left of the hanging request, and that the
// transport still works.
func (s *scene) aftermath(t testing.TB, tr *ttlpool.Transport, unblock func()) {
	unblock()
	tr.CloseIdleConnections() // stops a handshake that nobody waits for
	if s.serve != nil && !s.deaf {
		<-s.closed
	}
	get := func() { send(t, tr, s.request(t, t.Context(), "/after")) }
	get()
	close(s.release)
	get()
	requireNothingLeft(t, tr)
}

// An ending is a way in which a request is ended from outside.
type ending struct {
	name string
	arm  func(t testing.TB, tr *ttlpool.Transport, req *http.Request) armed
}

// armed is a request with the means to end it.
type armed struct {
	req    *http.Request
	do     func(*http.Request) (*http.Response, error)
	finish func()
	check  func(error) // what it must come to
}

var errUserLeft = errors.New("the user has left")

func endings() []ending {
	return []ending{
		{"context", func(t testing.TB, tr *ttlpool.Transport, req *http.Request) armed {
			ctx, cancel := context.WithCancelCause(req.Context())
			return armed{req.WithContext(ctx), tr.RoundTrip, func() { cancel(errUserLeft) },
				func(err error) { assert.Equal(t, errUserLeft, err) }}
		}},
		{"Request.Cancel", func(t testing.TB, tr *ttlpool.Transport, req *http.Request) armed {
			cancel := make(chan struct{})
			req.Cancel = cancel //lint:ignore SA1019 it must be honoured
			return armed{req, tr.RoundTrip, func() { close(cancel) },
				func(err error) { assert.EqualError(t, err, "net/http: request canceled") }}
		}},
	}
}

// clientTimeout is an ending that comes by itself.
func clientTimeout(limit time.Duration) ending {
	return ending{"http.Client.Timeout", func(t testing.TB, tr *ttlpool.Transport, req *http.Request) armed {
		begun := time.Now()
		client := &http.Client{Transport: tr, Timeout: limit}
		return armed{req, client.Do, func() { time.Sleep(limit - time.Since(begun)) }, func(err error) {
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			assert.True(t, timeout.Timeout())
		}}
	}}
}

// In a bubble, prompt means: at the same instant, but for the moment that a
// hanging Read of the caller's own body is given.
const promptly = 50 * time.Millisecond

func TestP8CancellationIsPromptAtEveryStage(t *testing.T) {
	stageIdentityOnce.Do(func() { stageIdentity, _ = identity(t) })
	for _, st := range stages() {
		for _, end := range append(endings(), clientTimeout(time.Minute)) {
			t.Run(st.name+", "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := newMemNet()
					s := newScene(t, st, network.Listen("example.com:80"), network.Dial)
					tr := s.transport(t)
					request := end.arm(t, tr, s.request(t, t.Context(), "/"))
					done, unblock := s.hang(t, tr, request)
					synctest.Wait()
					request.finish()
					begun := time.Now()
					request.check(<-done)
					assert.LessOrEqual(t, time.Since(begun), promptly)
					s.aftermath(t, tr, unblock)
				})
			})
		}
	}
}

func TestP8CancellationIsPromptOnSockets(t *testing.T) {
	stageIdentityOnce.Do(func() { stageIdentity, _ = identity(t) })
	for _, st := range stages() {
		for _, end := range endings() {
			t.Run(st.name+", "+end.name, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, st, listenTCP(t), new(net.Dialer).DialContext)
				tr := s.transport(t)
				request := end.arm(t, tr, s.request(t, t.Context(), "/"))
				done, unblock := s.hang(t, tr, request)
				request.finish()
				select {
				case err := <-done:
					request.check(err)
				case <-time.After(5 * time.Second):
					t.Fatal("the request still hangs")
				}
				s.aftermath(t, tr, unblock)
			})
		}
	}
}

// Who has forgotten a response may have ended its context all the same.
func TestP8AResponseThatIsNeitherReadNorClosedIsGivenUpWithItsContext(t *testing.T) {
	for _, end := range append(endings(), clientTimeout(time.Minute)) {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, heard := newMemNet(), make(chan struct{})
				server := startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
					c.next()
					c.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
					c.awaitEnd()
					close(heard)
				})
				tr := newTransport(t, over(network), ttlpool.WithMaxConnsPerHost(1))
				request := end.arm(t, tr, newRequest(t, t.Context(), "GET", server.url(), nil))
				resp, err := request.do(request.req)
				require.NoError(t, err)
				request.finish()
				<-heard
				synctest.Wait()
				assertClosed(t, tr, ttlpool.ClosedFailed, 1)
				assert.Zero(t, tr.Stats().Open)
				assert.NoError(t, tr.Shutdown(t.Context()))
				_, err = io.ReadAll(resp.Body)
				request.check(err)
				assert.NoError(t, resp.Body.Close())
			})
		})
	}
}

func TestP8CloseEndsRequestsAtEveryStage(t *testing.T) {
	stageIdentityOnce.Do(func() { stageIdentity, _ = identity(t) })
	for _, st := range stages() {
		t.Run(st.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemNet()
				s := newScene(t, st, network.Listen("example.com:80"), network.Dial)
				tr := s.transport(t)
				done, _ := s.hang(t, tr, armed{req: s.request(t, t.Context(), "/"), do: tr.RoundTrip})
				synctest.Wait()
				begun := time.Now()
				require.NoError(t, tr.Close())
				assert.Error(t, <-done)
				assert.LessOrEqual(t, time.Since(begun), promptly)
				_, err := tr.RoundTrip(s.request(t, t.Context(), "/after"))
				assert.Equal(t, ttlpool.ErrClosed, err)
				close(s.release)
				synctest.Wait()
				stats := tr.Stats()
				assert.Zero(t, stats.Open+stats.Dialing+stats.Waiting)
				assert.NoError(t, tr.Close(), "again")
			})
		})
	}
}

func TestP8ShutdownWaitsForRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
			c.next()
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
			time.Sleep(time.Hour)
			c.say(" half")
			c.awaitEnd()
		})
		tr := newTransport(t, over(network))
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, tr.Shutdown(ctx), "as long as its context allows")
		_, err = tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		assert.Equal(t, ttlpool.ErrClosed, err)

		shut := make(chan error, 1)
		go func() { shut <- tr.Shutdown(t.Context()) }()
		synctest.Wait()
		assert.Empty(t, shut)
		assert.Equal(t, "first half", readBody(t, resp))
		assert.NoError(t, <-shut)
		assert.Zero(t, tr.Stats().Open)
	})
}

// Users test with synctest: a bubble in which a goroutine is left deadlocks.
// Close is not called here.
func TestP8CloseIdleConnectionsLeavesNoGoroutine(t *testing.T) {
	for _, limited := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			network := newMemNet()
			startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
			opts := []ttlpool.Option{over(network)}
			if limited {
				opts = append(opts, ttlpool.WithTTL(time.Minute), ttlpool.WithMaxConnsPerHost(3))
			}
			tr, err := ttlpool.NewTransport(opts...)
			require.NoError(t, err)
			client := &http.Client{Transport: tr, Timeout: time.Hour}
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					resp, err := client.Post("http://hub.test/", "text/plain", stream("body"))
					if assert.NoError(t, err) {
						readBody(t, resp)
					}
				})
			}
			all.Wait()
			client.CloseIdleConnections()
		})
	}
}

// A done context fails the request before anything is dialled, with its cause.
func TestADoneContextFailsBeforeTheDial(t *testing.T) {
	tr := newTransport(t, ttlpool.WithBase(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, io.EOF
	}}))
	for _, end := range endings() {
		body := &closeCounter{Reader: bytes.NewReader(nil)}
		request := end.arm(t, tr, newRequest(t, t.Context(), "POST", "http://hub.test/", body))
		request.finish()
		_, err := request.do(request.req)
		request.check(err)
		assert.Equal(t, 1, body.closes())
	}
}

// closeCounter is a request body that counts its closes.
type closeCounter struct {
	io.Reader
	mu sync.Mutex
	n  int
}

func (c *closeCounter) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return nil
}

func (c *closeCounter) closes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func TestACancelledRequestDoesNotHurtTheNextOnItsConnection(t *testing.T) {
	server := startRaw(t, listenTCP(t), (*rawConn).answerAll)
	tr := newTransport(t)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		send(t, tr, newRequest(t, ctx, "GET", server.url(), nil))
		go cancel() // late
		get(t, tr, server.url())
	}
	assert.Equal(t, 1, server.accepted())
}

func TestTheHandshakeTimeoutOfTheBase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:443"), (*rawConn).awaitEnd)
		tr := newTransport(t, ttlpool.WithBase(&http.Transport{DialContext: network.Dial, TLSHandshakeTimeout: time.Minute}))
		begun := time.Now()
		_, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "https://hub.test/", nil))
		assert.EqualError(t, err, "net/http: TLS handshake timeout")
		assert.Equal(t, time.Minute, time.Since(begun))
	})
}

func TestTheAcquireTimeoutIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startRaw(t, network.Listen("hub.test:80"), (*rawConn).answerAll)
		tr := newTransport(t, over(network), ttlpool.WithMaxConnsPerHost(1), ttlpool.WithAcquireTimeout(time.Minute))
		holder, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub.test/", nil))
		require.NoError(t, err)
		begun := time.Now()
		_, err = (&http.Client{Transport: tr}).Get("http://hub.test/")
		assert.Equal(t, time.Minute, time.Since(begun))
		assert.ErrorIs(t, err, ttlpool.ErrAcquireTimeout)
		var failed *url.Error
		require.ErrorAs(t, err, &failed)
		assert.True(t, failed.Timeout())
		readBody(t, holder)
		assert.Equal(t, "1.2", get(t, tr, "http://hub.test/"))
	})
}
