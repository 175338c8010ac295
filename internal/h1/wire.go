package h1

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"sync"
)

// sink is the connection as a request is written to it.
type sink struct{ x *Exchange }

// Write writes to the connection.
func (s *sink) Write(p []byte) (int, error) {
	if !s.begin() {
		return 0, s.failed(ErrUnfit)
	}
	n, err := s.x.Conn.Write(p)
	s.x.sent.Add(int64(n))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.x.sent.Add(int64(len(p) - n)) // it was given up, and may have been taken, or be taken yet
	}
	return n, s.failed(err)
}

// begin is called before each write, and reports whether the request may go out.
// Before the first byte of one that has a goroutine to write it, it asks whether the
// connection is still good: it has been a while since somebody looked, for the
// goroutine had to begin. The caller of Do reads nothing before.
func (s *sink) begin() bool {
	x := s.x
	if x.wrote == nil || x.hasBegun() {
		return true
	}
	if x.Reused && !x.Owner.Fit() {
		return false
	}
	close(x.begun)
	return true
}

// hasBegun reports whether any of a request that a goroutine writes may be out.
func (x *Exchange) hasBegun() bool {
	select {
	case <-x.begun:
		return true
	default:
		return false
	}
}

// failed keeps the connection's error and returns one that stands for it, for
// the reason given at errUnreadable.
func (s *sink) failed(err error) error {
	if err == nil {
		return nil
	}
	s.x.connErr = err
	return comparisonSafe(err, errUnwritable)
}

// comparisonSafe returns err, or what stands for it if it cannot be compared.
func comparisonSafe(err, standIn error) error {
	if reflect.ValueOf(err).Comparable() {
		return err
	}
	return standIn
}

var errUnwritable = errors.New("the connection could not be written to")

// ReadFrom lets a file reach the connection's own ReadFrom, which may be
// sendfile. Anything else is copied in pieces of the same size; the
// connection's ReadFrom would allocate a buffer for each request.
func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	file := fileBehind(r)
	conn, ok := s.x.Conn.(io.ReaderFrom)
	if file == nil || !ok {
		buf := copyBuffers.Get().(*[]byte)
		defer copyBuffers.Put(buf)
		return io.CopyBuffer(writerOnly{s}, r, *buf)
	}
	n, err := conn.ReadFrom(file)
	s.x.sent.Add(n)
	if unreadable := (*fs.PathError)(nil); errors.As(err, &unreadable) {
		return n, err
	}
	return n, s.failed(err)
}

// writerOnly hides ReadFrom.
type writerOnly struct{ io.Writer }

const copySize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copySize); return &b }}

// fileBehind finds the file that a request of known length is read from. It is a
// regular one: a Read of a pipe may wait, and only the body knows of that.
func fileBehind(r io.Reader) io.Reader {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return nil
	}
	body, ok := limited.R.(*requestBody)
	if !ok {
		return nil
	}
	file, ok := unwrapped(body.source).(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return &io.LimitedReader{R: file, N: limited.N}
}
