package h1

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
)

var gzipReaders sync.Pool

// gzipBody decompresses a response body. Nothing is read before the first
// Read, and reading to the end of the compressed stream reaches the end of the
// body, so that the connection can be reused.
type gzipBody struct {
	body *responseBody

	mu  sync.Mutex // held through each Read; guards the rest
	zip *gzip.Reader
	err error // sticky
}

func (g *gzipBody) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	if g.zip == nil {
		if g.zip, g.err = newGzipReader(g.body); g.err != nil {
			return 0, g.err
		}
	}
	n, err := g.zip.Read(p)
	if err != nil {
		g.endAt(err)
	}
	return n, err
}

// Close closes the body, which ends a Read in progress first.
func (g *gzipBody) Close() error {
	err := g.body.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endAt(errReadAfterClose)
	return err
}

// endAt gives the decompressor back.
func (g *gzipBody) endAt(err error) {
	g.err = err
	if g.zip != nil {
		_ = g.zip.Reset(bytes.NewReader(nil)) // drops the body; fails, as nothing is no gzip
		gzipReaders.Put(g.zip)
		g.zip = nil
	}
}

func newGzipReader(r io.Reader) (*gzip.Reader, error) {
	zip, _ := gzipReaders.Get().(*gzip.Reader)
	if zip == nil {
		return gzip.NewReader(r)
	}
	if err := zip.Reset(r); err != nil {
		gzipReaders.Put(zip)
		return nil, err
	}
	return zip, nil
}
