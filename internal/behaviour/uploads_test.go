package behaviour

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// upload is a request's body that says what became of it.
type upload struct {
	io.Reader
	closes atomic.Int32
	reads  atomic.Int32
	closed *latch
}

func newUpload(r io.Reader) *upload { return &upload{Reader: r, closed: newLatch()} }

func (u *upload) Read(p []byte) (int, error) {
	u.reads.Add(1)
	return u.Reader.Read(p)
}

func (u *upload) Close() error {
	u.closes.Add(1)
	u.closed.set()
	return nil
}

// stalled is a reader that gives nothing until it is told to end.
type stalled struct{ begun, end *latch }

func newStalled() *stalled { return &stalled{newLatch(), newLatch()} }

func (s *stalled) Read([]byte) (int, error) {
	s.begun.set()
	<-s.end.done
	return 0, io.EOF
}

// endless is a reader without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// uploads returns what the server saw of a POST.
func (e *env) uploads(body io.Reader) arrived {
	e.t.Helper()
	s, seen := e.serveOne()
	e.post(e.client(), s.URL, body)
	return receive(e.t, "the request", seen)
}

var uploads = []behaviour{
	{name: "a body in memory arrives with its length", run: func(t *testing.T, e *env) {
		for _, body := range []io.Reader{strings.NewReader("text"), bytes.NewBufferString("text"), bytes.NewReader([]byte("text"))} {
			r := e.uploads(body)
			assert.Equal(t, "text", r.body)
			assert.EqualValues(t, 4, r.ContentLength)
		}
	}},
	{name: "a stream arrives without a length", run: func(t *testing.T, e *env) {
		r := e.uploads(io.MultiReader(strings.NewReader("te"), strings.NewReader("xt")))
		assert.Equal(t, "text", r.body)
		assert.EqualValues(t, -1, r.ContentLength)
	}},
	{name: "a stream whose length is known arrives with it", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		req := e.request("PUT", s.URL, io.MultiReader(strings.NewReader("text")))
		req.ContentLength = 4
		e.do(e.client(), req)
		r := receive(t, "the request", seen)
		assert.Equal(t, "text", r.body)
		assert.EqualValues(t, 4, r.ContentLength)
	}},
	{name: "a stream of nothing arrives as nothing", run: func(t *testing.T, e *env) {
		r := e.uploads(io.MultiReader())
		assert.Empty(t, r.body)
	}},
	{name: "no body has the length 0", run: func(t *testing.T, e *env) {
		assert.Zero(t, e.uploads(nil).ContentLength)
		assert.Zero(t, e.uploads(http.NoBody).ContentLength)
		assert.Zero(t, e.uploads(strings.NewReader("")).ContentLength)
	}},
	{name: "a GET may have a body", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		e.do(e.client(), e.request("GET", s.URL, strings.NewReader("text")))
		assert.Equal(t, "text", receive(t, "the request", seen).body)
	}},
	{name: "a body of 2 MB arrives whole", run: func(t *testing.T, e *env) {
		sent := large(2 << 20)
		sum := crc32.NewIEEE()
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(sum, r.Body) })
		e.post(e.client(), s.URL, strings.NewReader(sent))
		assert.Equal(t, crc32.ChecksumIEEE([]byte(sent)), sum.Sum32())
	}},
	{name: "a file arrives whole", run: func(t *testing.T, e *env) {
		sent := large(1 << 20)
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, []byte(sent), 0o600))
		file, err := os.Open(path)
		require.NoError(t, err)
		s, seen := e.serveOne()
		req := e.request("PUT", s.URL, file)
		req.ContentLength = int64(len(sent))
		e.do(e.client(), req)
		assert.Equal(t, sent, receive(t, "the request", seen).body)
	}},
	{name: "a body that comes byte by byte arrives whole", run: func(t *testing.T, e *env) {
		assert.Equal(t, "byte by byte", e.uploads(iotest.OneByteReader(strings.NewReader("byte by byte"))).body)
	}},
	{name: "a body that ends with its last bytes arrives whole", run: func(t *testing.T, e *env) {
		assert.Equal(t, "at once", e.uploads(iotest.DataErrReader(strings.NewReader("at once"))).body)
	}},
	{name: "the request is on its way before its body is there", run: func(t *testing.T, e *env) {
		begun := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			begun.set()
			_, _ = io.Copy(w, r.Body)
		})
		in, out := io.Pipe()
		go func() {
			<-begun.done
			_, _ = io.WriteString(out, "late")
			_ = out.Close()
		}()
		assert.Equal(t, "late", e.post(e.client(), s.URL, in).body)
	}},
	{name: "each piece is sent as it is read", run: func(t *testing.T, e *env) {
		got := make(chan string)
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) {
			piece := make([]byte, 5)
			for {
				if _, err := io.ReadFull(r.Body, piece); err != nil {
					return
				}
				got <- string(piece)
			}
		})
		in, out := io.Pipe()
		done := make(chan int, 1)
		client := e.client()
		go func() {
			resp, err := client.Do(e.request("POST", s.URL, in))
			if err != nil {
				done <- 0
				return
			}
			_ = resp.Body.Close()
			done <- resp.StatusCode
		}()
		for range 3 {
			_, err := io.WriteString(out, "piece")
			require.NoError(t, err)
			assert.Equal(t, "piece", receive(t, "the piece", got))
		}
		require.NoError(t, out.Close())
		assert.Equal(t, 200, receive(t, "the response", done))
	}},
	{name: "a body is closed once when it has been sent", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		s, _ := e.serveOne()
		e.post(e.client(), s.URL, body)
		receive(t, "Close", body.closed.done)
		assert.EqualValues(t, 1, body.closes.Load())
	}},
	{name: "a body is closed when its connection cannot be made", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		client := e.client(failsToDial(errors.New("no way")))
		_ = e.fail(client, e.request("POST", e.scheme()+"://host.test", body))
		receive(t, "Close", body.closed.done)
		assert.Zero(t, body.reads.Load())
	}},
	{name: "a body's own error comes back as it is", run: func(t *testing.T, e *env) {
		own := errors.New("the body's own")
		body := newUpload(io.MultiReader(strings.NewReader("text"), iotest.ErrReader(own)))
		s, _ := e.serveOne()
		assert.Same(t, own, e.fail(e.client(), e.request("POST", s.URL, body)))
		receive(t, "Close", body.closed.done)
	}},
	{name: "a server does not take the part of a broken body for the whole", run: func(t *testing.T, e *env) {
		ended := make(chan error, 1)
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		})
		body := io.MultiReader(strings.NewReader("text"), iotest.ErrReader(errors.New("broken")))
		_ = e.fail(e.client(), e.request("POST", s.URL, body))
		assert.Error(t, receive(t, "the handler's error", ended))
	}},
	{name: "a body shorter than was said is an error", modes: overHTTP1, run: func(t *testing.T, e *env) {
		req := e.request("POST", e.serve(readsAll).URL, io.MultiReader(strings.NewReader("text")))
		req.ContentLength = 5
		assert.Error(t, e.fail(e.client(), req))
	}},
	{name: "a server does not take a body shorter than was said for whole", run: func(t *testing.T, e *env) {
		ended := make(chan error, 1)
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		})
		req := e.request("POST", s.URL, io.MultiReader(strings.NewReader("text")))
		req.ContentLength = 5
		if resp, err := e.client().Do(req); err == nil { // the server's affair in HTTP/2
			_ = resp.Body.Close()
		}
		assert.Error(t, receive(t, "the handler's error", ended))
	}},
	{name: "a body longer than was said is cut, and does no harm to the next request", run: func(t *testing.T, e *env) {
		s, seen := e.serveOne()
		client := e.client()
		req := e.request("POST", s.URL+"/long", io.MultiReader(strings.NewReader("text")))
		req.ContentLength = 3
		if resp, err := client.Do(req); err == nil { // which depends on who is faster
			e.readAll(resp)
		}
		e.get(client, s.URL+"/next")
		s.Close()
		for len(seen) > 0 {
			r := receive(t, "the request", seen)
			assert.LessOrEqual(t, len(r.body), 3, r.RequestURI)
		}
	}},
	{name: "GetBody is left alone where all goes well", run: func(t *testing.T, e *env) {
		s, _ := e.serveOne()
		req := e.request("POST", s.URL, strings.NewReader("text"))
		req.GetBody = func() (io.ReadCloser, error) {
			t.Error("GetBody was called")
			return nil, errors.New("no")
		}
		e.do(e.client(), req)
	}},
	{name: "fifty uploads at once arrive whole", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		})
		client := e.client()
		sent := large(64 << 10)
		e.atOnce(50, func() error {
			resp, err := client.Do(e.request("POST", s.URL, io.MultiReader(strings.NewReader(sent))))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err == nil && string(got) != sent {
				err = errors.New("what came back is not what was sent")
			}
			return err
		})
	}},
	{name: "an upload of 32 MB is never held in memory", run: func(t *testing.T, e *env) {
		var taken atomic.Int64
		s := e.serve(func(_ http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 32<<10)
			for {
				n, err := r.Body.Read(buf)
				taken.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		body := &meter{left: 32 << 20, taken: &taken}
		e.post(e.client(), s.URL, body)
		assert.EqualValues(t, 32<<20, taken.Load())
		assert.Less(t, body.ahead, int64(16<<20), "the most that was on the way at once")
	}},
}

// readsAll is a handler that reads the request's body.
func readsAll(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// meter is a body that notes how far it is ahead of who takes it.
type meter struct {
	left, given, ahead int64
	taken              *atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	m.ahead = max(m.ahead, m.given-m.taken.Load())
	if m.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), m.left)
	m.left -= n
	m.given += n
	return int(n), nil
}
