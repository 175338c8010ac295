package h1

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// writer is what the codec writes a request to. It adds our own header fields
// behind the caller's, which the codec offers no way to do but a copy of the
// whole header, sorted; and it flushes where the body may let us wait, which the
// codec does with nothing but a bufio.Writer. It is pooled.
type writer struct {
	home    *sync.Pool
	buf     *bufio.Writer
	sink    sink
	request http.Request // as it is sent
	trace   *httptrace.ClientTrace
	extra   []field

	lineEnd  bool        // the last thing written was the end of a line
	headDone atomic.Bool // so was the empty line; the body's Read looks at it, which may be early
}

type field struct{ name, value string }

const crlf = "\r\n"

// WriteString watches for the empty line that ends the head: the codec writes
// each end of line by itself.
func (w *writer) WriteString(s string) (int, error) {
	if w.headDone.Load() {
		return w.buf.WriteString(s)
	}
	if s == crlf && w.lineEnd {
		return len(s), w.endHead()
	}
	w.lineEnd = len(s) >= len(crlf) && s[len(s)-len(crlf):] == crlf
	return w.buf.WriteString(s)
}

func (w *writer) Write(p []byte) (int, error) {
	if !w.headDone.Load() {
		w.lineEnd = len(p) >= len(crlf) && string(p[len(p)-len(crlf):]) == crlf
	}
	return w.buf.Write(p)
}

// WriteByte keeps the codec from wrapping the writer in another buffer.
func (w *writer) WriteByte(b byte) error {
	w.lineEnd = false
	return w.buf.WriteByte(b)
}

// ReadFrom copies a body of known length. While the head waits in the buffer, that
// must not be read into: the head may be sent meanwhile.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	if fileBehind(r) == nil {
		n, err := w.readBehindHead(r)
		if err != nil {
			return n, ignoreEOF(err)
		}
		m, err := w.buf.ReadFrom(r)
		return n + m, err
	}
	if err := w.buf.Flush(); err != nil {
		return 0, err
	}
	if err := w.sink.x.body.await(); err != nil {
		return 0, err
	}
	return w.sink.ReadFrom(r)
}

// readBehindHead sends the first of a body along with the head, if that waits.
func (w *writer) readBehindHead(r io.Reader) (n int64, err error) {
	if w.buf.Buffered() == 0 {
		return 0, nil
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	m, err := r.Read(*buf)
	if _, wrong := w.buf.Write((*buf)[:m]); wrong != nil {
		return int64(m), wrong
	}
	if err == nil {
		err = w.buf.Flush()
	}
	return int64(m), err
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// endHead adds our own fields and the empty line. The server may want the head
// before there is any of a body that has yet to be read.
func (w *writer) endHead() error {
	if err := w.writeExtra(); err != nil {
		return err
	}
	if _, err := w.buf.WriteString(crlf); err != nil {
		return err
	}
	if body := w.sink.x.body; body != nil && body.hold == nil {
		if err := w.buf.Flush(); err != nil {
			return err
		}
	}
	w.headDone.Store(true) // not before: a Read of the body that comes now flushes as well, in another goroutine
	return nil
}

func (w *writer) writeExtra() error {
	for _, f := range w.extra {
		for _, s := range [...]string{f.name, ": ", f.value, crlf} {
			if _, err := w.buf.WriteString(s); err != nil {
				return err
			}
		}
		if w.trace != nil && w.trace.WroteHeaderField != nil {
			w.trace.WroteHeaderField(f.name, []string{f.value})
		}
	}
	return nil
}

// flushBody sends what is there before a Read of the body, which may take
// long, unless it is the head, and waits for that. A Read before the head is complete is the codec's probe whether there
// is a body at all, in a goroutine of its own.
func (w *writer) flushBody() error {
	if !w.headDone.Load() || w.sink.x.body.hold.begin(w) {
		return nil
	}
	return w.buf.Flush()
}

func (s *Settings) getWriter(x *Exchange) *writer {
	pool, size := &s.writers, s.writeSize
	if x.body != nil {
		pool, size = &s.streamers, s.streamSize
	}
	w, _ := pool.Get().(*writer)
	if w == nil {
		w = &writer{home: pool}
		w.buf = bufio.NewWriterSize(&w.sink, size)
	}
	w.sink.x = x
	w.trace = x.trace
	return w
}

func (w *writer) putBack() {
	w.sink.x, w.trace, w.extra = nil, nil, w.extra[:0]
	w.request = http.Request{}
	w.lineEnd = false
	w.headDone.Store(false)
	w.buf.Reset(&w.sink)
	w.home.Put(w)
}
