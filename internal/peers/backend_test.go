package peers

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// backend is what answers behind a peer.
type backend struct {
	now, most atomic.Int32 // requests for /slow at once
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/digest":
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "%d %x", n, hash.Sum(nil))
	case "/download":
		_, _ = io.Copy(w, pattern(largeBody))
	case "/echo":
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(flushing{w}, r.Body)
	case "/slow":
		b.slow(w, r)
	case "/trailers":
		w.Header().Set("Trailer", "X-Trailer")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Trailer", "trailer")
	case "/hints":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "body")
	default:
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Header.Get("X-Request-Id"))
	}
}

// slow answers after a while, so that others come meanwhile.
func (b *backend) slow(w http.ResponseWriter, r *http.Request) {
	now := b.now.Add(1)
	defer b.now.Add(-1)
	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); {
		most = b.most.Load()
	}
	time.Sleep(50 * time.Millisecond)
	_, _ = io.WriteString(w, r.Header.Get("X-Request-Id"))
}

// flushing flushes what is written.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

const largeBody = 4 << 20

// pattern returns a reader of so many bytes, of which no two blocks are alike. It has no other method.
func pattern(size int64) io.Reader { return io.LimitReader(&counting{}, size) }

type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n>>3 ^ c.n>>11)
		c.n++
	}
	return len(p), nil
}

// digest is what /digest answers to the pattern.
func digest(size int64) string {
	hash := sha256.New()
	n, _ := io.Copy(hash, pattern(size))
	return fmt.Sprintf("%d %x", n, hash.Sum(nil))
}
