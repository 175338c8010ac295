package h1

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

// read reads from the connection, until it is interrupted.
func (x *Exchange) read(p []byte) (int, error) {
	if x.Interruptible {
		return x.Conn.Read(p)
	}
	into := make([]byte, len(p)) // not p: the call may outlive this one
	n, err := x.detached(func() (int, error) { return x.Conn.Read(into) })
	return copy(p, into[:n]), err
}

// write writes to the connection, until it is interrupted.
func (x *Exchange) write(p []byte) (n int, err error) {
	if x.Interruptible {
		n, err = x.Conn.Write(p)
	} else {
		from := bytes.Clone(p)
		n, err = x.detached(func() (int, error) { return x.Conn.Write(from) })
	}
	x.sent.Add(int64(n))
	x.connErr = err
	return n, err
}

// detached makes a call in a goroutine of its own, which is left behind by an
// interruption. It is for connections of which nothing is known: their
// deadlines may do nothing, and closing them may not end their calls.
func (x *Exchange) detached(call func() (int, error)) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := call()
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-x.stop:
		return 0, os.ErrDeadlineExceeded
	}
}

// sink is where a request is written to: the connection, with ReadFrom.
type sink struct{ x *Exchange }

func (s *sink) Write(p []byte) (int, error) { return s.x.write(p) }

// ReadFrom lets a file reach the connection's own ReadFrom, which may be
// sendfile. Anything else is copied in pieces as large as the codec's; the
// connection's ReadFrom would allocate a buffer for each request.
func (s *sink) ReadFrom(r io.Reader) (int64, error) {
	if file := fileBehind(r); file != nil && s.x.Interruptible {
		if conn, ok := s.x.Conn.(io.ReaderFrom); ok {
			n, err := conn.ReadFrom(file)
			s.x.sent.Add(n)
			if unreadable := (*fs.PathError)(nil); !errors.As(err, &unreadable) {
				s.x.connErr = err
			}
			return n, err
		}
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(writerOnly{s}, r, *buf)
}

// writerOnly hides ReadFrom.
type writerOnly struct{ io.Writer }
