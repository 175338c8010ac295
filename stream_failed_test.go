package ttlpool_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"golang.org/x/net/http2"
)

// A connection has served before, a long response goes on over it, and there may be no other: then one more request fails.
// None of them has to do with the others.
func TestAStreamThatFailsLeavesItsConnectionToTheOthers(t *testing.T) {
	for _, row := range []struct {
		name  string
		path  string
		own   bool // the request's own fault
		times int  // that its handler runs
		alter func(*http.Request)
	}{
		{name: "the handler breaks off", path: "/abort", times: 1},
		{name: "the handler breaks off after hints", path: "/hints", times: 1},
		{name: "the response's head is too large", path: "/large", times: 1},
		{name: "an upgrade cannot be asked for", path: "/answered", own: true, alter: func(r *http.Request) {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "foo")
		}},
		{name: "the request's head is too large", path: "/answered", own: true, alter: func(r *http.Request) {
			r.Header.Set("X", strings.Repeat("x", 3<<20))
		}},
		{name: "the body is longer than stated", path: "/read", own: true, times: 1, alter: func(r *http.Request) {
			r.Method, r.ContentLength = "PUT", 5
			r.Body = io.NopCloser(strings.NewReader("ten bytes!"))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, ran := newMemNet(), new(atomic.Int32)
				startHTTP2(t, network, nil, faulty(ran))
				tr := newTransport(t, ttlpool.WithMaxConnsPerHost(1), ttlpool.WithBase(&http.Transport{
					DialContext: network.Dial, Protocols: unencrypted(), MaxResponseHeaderBytes: 10 << 10,
				}))
				get(t, tr, "http://hub/")
				long, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/long", nil))
				require.NoError(t, err)
				defer long.Body.Close()

				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				req := newRequest(t, ctx, "GET", "http://hub"+row.path, nil)
				if row.alter != nil {
					row.alter(req)
				}
				_, err = tr.RoundTrip(req)
				require.Error(t, err)
				var wrapped *ttlpool.ExchangeError
				if errors.As(err, &wrapped) {
					assert.False(t, wrapped.Stale)
					assert.Contains(t, wrapped.NotRetried, "only its stream has failed")
				}
				assert.Equal(t, row.own, wrapped == nil, "%v", err)
				synctest.Wait()
				assert.EqualValues(t, row.times, ran.Load())
				get(t, tr, "http://hub/")
				stats := tr.Stats()
				assert.EqualValues(t, 1, stats.Dials)
				assert.Zero(t, stats.Stale)
				assert.Zero(t, stats.Retries)
			})
		})
	}
}

// faulty is a handler that does what the path says, and counts.
func faulty(ran *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			return
		case "/long":
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		ran.Add(1)
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
			panic(http.ErrAbortHandler)
		case "/large":
			for _, name := range strings.Split("abcdef", "") {
				w.Header().Set("X-"+name, strings.Repeat("x", 2<<10))
			}
		case "/read":
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}
}

func TestAHookThatRefusesHintsOverHTTP2IsCalledOnceAndItsErrorIsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, ran := newMemNet(), new(atomic.Int32)
		startHTTP2(t, network, nil, faulty(ran))
		tr := newTransport(t, overHTTP2(network))
		get(t, tr, "http://hub/")
		mine, calls := errors.New("no hints for me"), 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error { calls++; return mine },
		})
		_, err := tr.RoundTrip(newRequest(t, ctx, "GET", "http://hub/hints", nil))
		assert.Equal(t, mine, err)
		assert.Equal(t, 1, calls)
		assert.EqualValues(t, 1, ran.Load())
		synctest.Wait()
		assert.Equal(t, 1, tr.Stats().Open)
	})
}

// The connection had served before, and dies with the second request.
func TestNothingIsSentAgainOverHTTP2OnceAResponseHasBegun(t *testing.T) {
	for name, begin := range map[string]func(f *framer, id uint32){
		"by hints":                    func(f *framer, id uint32) { f.head(id, false, ":status", "103") },
		"by what is no HTTP/2":        func(f *framer, id uint32) { _ = f.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, nil) },
		"not, but the request is due": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, asked := newMemNet(), new(atomic.Int32)
				startFrames(t, network.Listen("hub:80"), func(f *framer) {
					for {
						id, path := f.request()
						switch {
						case id == 0:
							return
						case path == "/" || asked.Add(1) > 1:
							f.head(id, true, ":status", "200")
							continue
						case begin != nil:
							begin(f, id)
						}
						return
					}
				})
				tr := newTransport(t, overHTTP2(network))
				get(t, tr, "http://hub/")
				resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/dies", nil))
				if begin == nil {
					require.NoError(t, err)
					assert.Equal(t, 200, resp.StatusCode)
					assert.EqualValues(t, 1, tr.Stats().Stale)
					return
				}
				assert.ErrorContains(t, err, "part of a response had arrived")
				assert.EqualValues(t, 1, asked.Load())
				assert.Zero(t, tr.Stats().Stale)
			})
		})
	}
}

// No exchange has ended well on it, were it used by as many as you like.
func TestASharedConnectionIsFreshUntilAnExchangeHasEndedWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, asked := newMemNet(), new(atomic.Int32)
		startFrames(t, network.Listen("hub:80"), func(f *framer) {
			for {
				switch id, path := f.request(); path {
				case "/long":
					f.head(id, false, ":status", "200")
				case "/abort":
					_ = f.WriteRSTStream(id, http2.ErrCodeInternal)
				default:
					asked.Add(1)
					return
				}
			}
		})
		tr := newTransport(t, overHTTP2(network))
		long, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/long", nil))
		require.NoError(t, err)
		defer long.Body.Close()
		_, err = tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/abort", nil))
		require.ErrorContains(t, err, "INTERNAL_ERROR")
		_, err = tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/", nil))
		assert.ErrorContains(t, err, "not retried: the connection was fresh")
		assert.EqualValues(t, 1, asked.Load())
		assert.Zero(t, tr.Stats().Stale)
	})
}

// The only connection that there may be runs a long response; the next request is refused.
func TestARefusedStreamIsSentAgainAtOnceAndOnce(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		for refusals, result := range map[int]string{1: "", 2: "REFUSED_STREAM"} {
			t.Run(method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network, asked := newMemNet(), 0
					startFrames(t, network.Listen("hub:80"), func(f *framer) {
						for {
							id, path := f.request()
							switch {
							case id == 0:
								return
							case path == "/long":
								f.head(id, false, ":status", "200")
								continue
							}
							if asked++; asked > refusals {
								f.head(id, true, ":status", "200")
								continue
							}
							_ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
						}
					})
					tr := newTransport(t, overHTTP2(network), ttlpool.WithMaxConnsPerHost(1))
					long, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/long", nil))
					require.NoError(t, err)
					defer long.Body.Close()

					begun := time.Now()
					_, err = tr.RoundTrip(newRequest(t, t.Context(), method, "http://hub/", stream("x")))
					if result == "" {
						assert.NoError(t, err)
					} else {
						assert.ErrorContains(t, err, result)
						assert.ErrorContains(t, err, "this was the second try")
					}
					assert.Zero(t, time.Since(begun))
					synctest.Wait()
					assert.Equal(t, 2, asked)
					get(t, tr, "http://hub/")
					stats := tr.Stats()
					assert.EqualValues(t, 1, stats.Dials)
					assert.EqualValues(t, 1, stats.Retries)
					assert.EqualValues(t, 1, stats.RetriesBy[ttlpool.RetryUnseen])
					assert.Zero(t, stats.Stale)
				})
			})
		}
	}
}

// The server says that it takes one stream at a time when two have begun.
func TestARefusedStreamDoesNotWaitForThoseThatRunOnItsConnection(t *testing.T) {
	for _, limited := range []bool{false, true} {
		t.Run(map[bool]string{false: "but takes another", true: "unless there may be no other"}[limited], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemNet()
				startFrames(t, network.Listen("hub:80"), func(f *framer) {
					long, _ := f.request()
					f.head(long, f.index > 1, ":status", "200")
					for id, _ := f.request(); id != 0; id, _ = f.request() {
						if f.index == 1 && id == long+2 {
							_ = f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
							_ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
							continue
						}
						f.head(id, true, ":status", "200")
					}
				})
				options := []ttlpool.Option{overHTTP2(network)}
				if limited {
					options = append(options, ttlpool.WithMaxConnsPerHost(1))
				}
				tr := newTransport(t, options...)
				long, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/long", nil))
				require.NoError(t, err)

				served := make(chan string, 1)
				go func() { served <- get(t, tr, "http://hub/") }()
				synctest.Wait()
				assert.Equal(t, limited, len(served) == 0)
				if limited {
					assert.Equal(t, 1, tr.Stats().Waiting)
				} else {
					require.Zero(t, tr.Stats().Waiting)
					assert.Equal(t, 2, tr.Stats().Open)
				}
				assert.NoError(t, long.Body.Close())
				<-served
				assert.Zero(t, tr.Stats().Stale)
				assert.Zero(t, tr.Stats().InUse)
			})
		})
	}
}

// A response that nobody reads keeps its connection, but not the place of one that has died.
func TestASessionThatIsOverGivesItsPlaceUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startFrames(t, network.Listen("hub:80"), func(f *framer) {
			for id, path := f.request(); id != 0; id, path = f.request() {
				if path == "/last" {
					return
				}
				f.head(id, path != "/long", ":status", "200")
			}
		})
		tr := newTransport(t, overHTTP2(network), ttlpool.WithMaxConnsPerHost(1))
		long, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/long", nil))
		require.NoError(t, err)
		_, err = tr.RoundTrip(newRequest(t, t.Context(), "POST", "http://hub/last", nil))
		require.Error(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = tr.RoundTrip(newRequest(t, ctx, "GET", "http://hub/", nil))
		assert.NoError(t, err)
		assertClosed(t, tr, ttlpool.ClosedHungUp, 1)
		assert.NoError(t, long.Body.Close())
		assert.Equal(t, 1, tr.Stats().Open)
	})
}
