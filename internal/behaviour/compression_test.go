package behaviour

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// zip compresses texts, each to a member of its own.
func zip(members ...string) []byte {
	var out bytes.Buffer
	for _, text := range members {
		w := gzip.NewWriter(&out)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
	}
	return out.Bytes()
}

// zipped is a handler that sends bytes as gzip, whether it was asked for or not.
func zipped(raw []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Asked-For", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		_, _ = w.Write(raw)
	}
}

func noCompression(base *http.Transport) { base.DisableCompression = true }

var compression = []behaviour{
	{name: "gzip is asked for and undone", run: func(t *testing.T, e *env) {
		got := e.answer(zipped(zip("text")))
		assert.Equal(t, "gzip", got.Header.Get("X-Asked-For"))
		assert.Equal(t, "text", got.body)
	}},
	{name: "what was undone leaves no trace but a mark", run: func(t *testing.T, e *env) {
		got := e.answer(zipped(zip("text")))
		assert.True(t, got.Uncompressed)
		assert.EqualValues(t, -1, got.ContentLength)
		assert.NotContains(t, got.Header, "Content-Encoding")
		assert.NotContains(t, got.Header, "Content-Length")
	}},
	{name: "a response without a coding has no mark", run: func(t *testing.T, e *env) {
		assert.False(t, e.answer(answers("text")).Uncompressed)
	}},
	{name: "two members are one text", run: func(t *testing.T, e *env) {
		assert.Equal(t, "onetwo", e.answer(zipped(zip("one", "two"))).body)
	}},
	{name: "gzip within gzip is undone once", run: func(t *testing.T, e *env) {
		inner := zip("text")
		assert.Equal(t, string(inner), e.answer(zipped(zip(string(inner)))).body)
	}},
	{name: "one's own Accept-Encoding gets what comes", run: func(t *testing.T, e *env) {
		raw := zip("text")
		req := e.request("GET", e.serve(zipped(raw)).URL, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		got := e.do(e.client(), req)
		assert.False(t, got.Uncompressed)
		assert.Equal(t, string(raw), got.body)
		assert.Equal(t, "gzip", got.Header.Get("Content-Encoding"))
	}},
	{name: "identity is passed on as one's own wish", run: func(t *testing.T, e *env) {
		req := e.request("GET", e.serve(zipped(zip("text"))).URL, nil)
		req.Header.Set("Accept-Encoding", "identity")
		assert.Equal(t, "identity", e.do(e.client(), req).Header.Get("X-Asked-For"))
	}},
	{name: "a range is not asked for in gzip", run: func(t *testing.T, e *env) {
		req := e.request("GET", e.serve(zipped(zip("text"))).URL, nil)
		req.Header.Set("Range", "bytes=0-9")
		got := e.do(e.client(), req)
		assert.Empty(t, got.Header.Get("X-Asked-For"))
		assert.False(t, got.Uncompressed)
	}},
	{name: "HEAD is not asked for in gzip", run: func(t *testing.T, e *env) {
		req := e.request("HEAD", e.serve(zipped(zip("text"))).URL, nil)
		got := e.do(e.client(), req)
		assert.Empty(t, got.Header.Get("X-Asked-For"))
		assert.Equal(t, "gzip", got.Header.Get("Content-Encoding"))
		assert.False(t, got.Uncompressed)
	}},
	{name: "without compression nothing is asked for nor undone", run: func(t *testing.T, e *env) {
		raw := zip("text")
		got := e.get(e.client(noCompression), e.serve(zipped(raw)).URL)
		assert.Empty(t, got.Header.Get("X-Asked-For"))
		assert.Equal(t, string(raw), got.body)
	}},
	{name: "the coding's name may be in capitals", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "GZIP")
			_, _ = w.Write(zip("text"))
		})
		assert.Equal(t, "text", got.body)
	}},
	{name: "another coding is the caller's business", run: func(t *testing.T, e *env) {
		got := e.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "zstd")
			_, _ = io.WriteString(w, "raw")
		})
		assert.Equal(t, "raw", got.body)
		assert.Equal(t, "zstd", got.Header.Get("Content-Encoding"))
	}},
	{name: "gzip with a flush in the middle is handed on as it comes", run: func(t *testing.T, e *env) {
		half := newLatch()
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "first,")
			_ = z.Flush()
			flush(w)
			<-half.done
			_, _ = io.WriteString(z, "second")
			_ = z.Close()
		})
		resp := e.open(e.client(), e.request("GET", s.URL, nil))
		first := make([]byte, 6)
		_, err := io.ReadFull(resp.Body, first)
		require.NoError(t, err)
		half.set()
		assert.Equal(t, "first,second", string(first)+e.readAll(resp).body)
	}},
	{name: "gzip cut short is an error", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(zipped(zip(large(1 << 10))[:30])).URL, nil))
		_, err := io.ReadAll(resp.Body)
		assert.Equal(t, io.ErrUnexpectedEOF, err)
	}},
	{name: "gzip that is none is an error of the body, not of the response", run: func(t *testing.T, e *env) {
		resp := e.open(e.client(), e.request("GET", e.serve(zipped([]byte("no gzip at all"))).URL, nil))
		_, err := io.ReadAll(resp.Body)
		assert.Equal(t, gzip.ErrHeader, err)
	}},
	{name: "gzip of nothing is nothing", run: func(t *testing.T, e *env) {
		assert.Empty(t, e.answer(zipped(zip(""))).body)
	}},
	{name: "a response in gzip gives its connection back at its end", run: func(t *testing.T, e *env) {
		s := e.serve(zipped(zip(large(1 << 16))))
		client := e.client()
		for range 3 {
			resp := e.open(client, e.request("GET", s.URL, nil))
			_, err := io.Copy(io.Discard, resp.Body) // and no Close
			require.NoError(t, err)
		}
		assert.Equal(t, 1, s.conns.count().total)
	}},
}
