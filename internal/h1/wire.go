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
	n, err := x.detached(func() (int64, error) { n, err := x.Conn.Read(into); return int64(n), err })
	return copy(p, into[:n]), err
}

// write writes to the connection, until it is interrupted.
func (x *Exchange) write(p []byte) (n int, err error) {
	if x.Interruptible {
		n, err = x.Conn.Write(p)
	} else {
		from := bytes.Clone(p)
		var sent int64
		sent, err = x.detached(func() (int64, error) { n, err := x.Conn.Write(from); return int64(n), err })
		n = int(sent)
	}
	x.sent.Add(int64(n))
	x.connErr = err
	return n, err
}

// detached makes a call in a goroutine of its own, which is left behind by an
// interruption. It is for connections of which nothing is known: their
// deadlines may do nothing, and closing them may not end their calls.
func (x *Exchange) detached(call func() (int64, error)) (int64, error) {
	type result struct {
		n   int64
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
	file := fileBehind(r)
	conn, ok := s.x.Conn.(io.ReaderFrom)
	if file != nil && ok {
		return s.x.sendFile(conn, file)
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(writerOnly{s}, r, *buf)
}

// sendFile is write for a file.
func (x *Exchange) sendFile(conn io.ReaderFrom, file io.Reader) (n int64, err error) {
	if x.Interruptible {
		n, err = conn.ReadFrom(file)
	} else {
		n, err = x.detached(func() (int64, error) { return conn.ReadFrom(file) })
	}
	x.sent.Add(n)
	if unreadable := (*fs.PathError)(nil); !errors.As(err, &unreadable) {
		x.connErr = err
	}
	return n, err
}

// writerOnly hides ReadFrom.
type writerOnly struct{ io.Writer }
