package behaviour

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answers is a handler that writes a text.
func answers(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// tellsConn is a handler that answers with the connection's name.
func tellsConn(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }

// answer is what a handler makes of a GET.
func (e *env) answer(h http.HandlerFunc) reply {
	e.t.Helper()
	return e.get(e.client(), e.serve(h).URL)
}

// large is text of no use but its size.
func large(size int) string { return strings.Repeat("0123456789abcde\n", size/16) }

func flush(w http.ResponseWriter) { w.(http.Flusher).Flush() }

var responses = []behaviour{
	{name: "status, fields and body arrive", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Field", "value")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "short and stout")
		})
		assert.Equal(t, "418 I'm a teapot", got.Status)
		assert.Equal(t, "value", got.Header.Get("X-Field"))
		assert.Equal(t, "short and stout", got.body)
	}},
	{name: "the protocol is named", run: func(t *testing.T, e *env) {
		got := e.answer(ok)
		want := "HTTP/1.1"
		if e.mode.http2() {
			want = "HTTP/2.0"
		}
		assert.Equal(t, want, got.Proto)
		assert.Equal(t, want, fmt.Sprintf("HTTP/%d.%d", got.ProtoMajor, got.ProtoMinor))
	}},
	{name: "a status that nobody knows is passed on", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(799) })
		assert.Equal(t, 799, got.StatusCode)
	}},
	{name: "several values of a field keep their order", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) { w.Header()["X-Many"] = []string{"b", "a", "", "c"} })
		assert.Equal(t, []string{"b", "a", "", "c"}, got.Header["X-Many"])
	}},
	{name: "a field of 100 KB arrives whole", run: func(t *testing.T, e *env) {
		long := strings.Repeat("x", 100<<10)
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", long) })
		assert.Len(t, got.Header.Get("X-Long"), len(long))
	}},
	{name: "a length that is stated is known", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "four")
		})
		assert.EqualValues(t, 4, got.ContentLength)
		assert.Equal(t, "4", got.Header.Get("Content-Length"))
	}},
	{name: "a length that is not stated is -1", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			flush(w)
			_, _ = io.WriteString(w, "text")
		})
		assert.EqualValues(t, -1, got.ContentLength)
		assert.Equal(t, "text", got.body)
	}},
	{name: "nothing has the length 0 and a body all the same", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(ok).URL, nil))
		assert.Zero(t, resp.ContentLength)
		require.NotNil(t, resp.Body)
		_, err := resp.Body.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err)
	}},
	{name: "no status text of the server's own survives HTTP/2", modes: overHTTP2, run: func(t *testing.T, e *env) {
		assert.Equal(t, "200 OK", e.answer(ok).Status)
	}},
	{name: "a body of 2 MB arrives whole", run: func(t *testing.T, e *env) {
		sent := large(2 << 20)
		resp := e.open(e.client(), e.request("GET", e.serve(answers(sent)).URL, nil))
		sum := crc32.NewIEEE()
		n, err := io.Copy(sum, resp.Body)
		require.NoError(t, err)
		assert.EqualValues(t, len(sent), n)
		assert.Equal(t, crc32.ChecksumIEEE([]byte(sent)), sum.Sum32())
	}},
	{name: "a thousand small pieces arrive in order", run: func(t *testing.T, e *env) {
		var want strings.Builder
		for i := range 1000 {
			fmt.Fprintln(&want, i)
		}
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				fmt.Fprintln(w, i)
				flush(w)
			}
		})
		assert.Equal(t, want.String(), got.body)
	}},
	{name: "the response is there before its body", run: func(t *testing.T, e *env) {
		seen := newLatch()
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			flush(w)
			<-seen.done
			_, _ = io.WriteString(w, "late")
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		seen.set()
		assert.Equal(t, "late", e.readAll(resp).body)
	}},
	{name: "each piece is handed on as it comes", run: func(t *testing.T, e *env) {
		next := make(chan struct{})
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "piece")
				flush(w)
				select {
				case <-next:
				case <-r.Context().Done():
				}
			}
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		for range 3 {
			piece := make([]byte, 5)
			_, err := io.ReadFull(resp.Body, piece)
			require.NoError(t, err)
			assert.Equal(t, "piece", string(piece))
			next <- struct{}{}
		}
		assert.Empty(t, e.readAll(resp).body)
	}},
	{name: "the end of a body can be read again", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(answers("text")).URL, nil))
		_, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		for range 2 {
			n, err := resp.Body.Read(make([]byte, 1))
			assert.Zero(t, n)
			assert.Equal(t, io.EOF, err)
		}
	}},
	{name: "a closed body cannot be read", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(answers(large(1<<20))).URL, nil))
		require.NoError(t, resp.Body.Close())
		n, err := resp.Body.Read(make([]byte, 1))
		assert.Zero(t, n)
		assert.Error(t, err)
		assert.NotEqual(t, io.EOF, err)
	}},
	{name: "a body can be closed twice", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(answers(large(1<<20))).URL, nil))
		assert.NoError(t, resp.Body.Close())
		assert.NoError(t, resp.Body.Close())
	}},
	{name: "closing a body that somebody reads ends the read", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "x")
			flush(w)
			<-r.Context().Done()
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		_, err := io.ReadFull(resp.Body, make([]byte, 1))
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := resp.Body.Read(make([]byte, 1))
			ended <- err
		}()
		require.NoError(t, resp.Body.Close())
		assert.Error(t, receive(t, "the end of the read", ended))
	}},
	{name: "closing a body tells the server", run: func(t *testing.T, e *env) {
		gone := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-r.Context().Done()
			gone.set()
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		require.NoError(t, resp.Body.Close())
		receive(t, "the handler's end", gone.done)
	}},
	{name: "a body closed before its end does not harm the next request", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, large(1<<20)) })
		client := e.client()
		for range 3 {
			resp := e.open(client, e.request("GET", s.URL, nil))
			_, err := io.ReadFull(resp.Body, make([]byte, 100))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		}
		assert.Len(t, e.get(client, s.URL).body, 1<<20)
	}},
	{name: "the answer to HEAD has a length and no body", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1234")
			_, _ = io.WriteString(w, "which is dropped")
		})
		got := e.do(e.client(), e.request("HEAD", s.URL, nil))
		assert.EqualValues(t, 1234, got.ContentLength)
		assert.Empty(t, got.body)
	}},
	{name: "204 and 304 have no body", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			code := map[string]int{"/204": 204, "/304": 304}[r.URL.Path]
			w.Header().Set("Etag", `"tag"`)
			w.WriteHeader(code)
		})
		client := e.client()
		for _, code := range []int{204, 304, 204} {
			got := e.get(client, fmt.Sprint(s.URL, "/", code))
			assert.Equal(t, code, got.StatusCode)
			assert.Equal(t, `"tag"`, got.Header.Get("Etag"))
			assert.Empty(t, got.body)
		}
		assert.Equal(t, 1, s.conns.count().total, "of connections")
	}},
	{name: "the response names its request", run: func(t *testing.T, e *env) {
		req := e.request("GET", e.serve(ok).URL, nil)
		resp, err := e.transport().RoundTrip(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.Same(t, req, resp.Request)
	}},
	{name: "the state of TLS comes with the response", modes: overTLS, run: func(t *testing.T, e *env) {
		got := e.answer(ok)
		require.NotNil(t, got.TLS)
		assert.True(t, got.TLS.HandshakeComplete)
		assert.NotEmpty(t, got.TLS.PeerCertificates)
		assert.Equal(t, e.mode == h2, got.TLS.NegotiatedProtocol == "h2")
	}},
	{name: "without TLS there is no state of it", modes: inTheClear, run: func(t *testing.T, e *env) {
		assert.Nil(t, e.answer(ok).TLS)
	}},
	{name: "a header within the limit is taken", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 60<<10)) })
		client := e.client(func(base *http.Transport) { base.MaxResponseHeaderBytes = 64 << 10 })
		assert.Equal(t, 200, e.get(client, s.URL).StatusCode)
	}},
	{name: "a header over the limit is an error", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 60<<10)) })
		client := e.client(func(base *http.Transport) { base.MaxResponseHeaderBytes = 32 << 10 })
		err := e.fail(client, e.request("GET", s.URL, nil)) // HTTP/2 words it in many ways
		if !e.mode.http2() {
			assert.ErrorContains(t, err, "server response headers exceeded 32768 bytes")
		}
	}},
}
