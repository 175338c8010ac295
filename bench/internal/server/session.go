package server

import (
	"bytes"
	"net"
	"strconv"
)

// session is one connection. It allocates nothing once it is made,
// unless requests gather.
type session struct {
	conn      net.Conn
	gathering *gathering
	buf       []byte
	n         int // bytes of buf that have been read and not used
}

var (
	headEnd    = []byte("\r\n\r\n")
	chunkedEnd = []byte("0\r\n\r\n")
	bodyLength = []byte("Content-Length: ")
	chunkedSay = []byte("Transfer-Encoding: chunked")
)

// serve answers requests until one is not understood, or the connection ends.
func (s *session) serve() {
	for {
		head, ok := s.readHead()
		if !ok {
			return
		}
		path, ok := pathOf(head)
		if !ok {
			return
		}
		made := answers[string(path)] // which is not copied for that
		if made == nil {
			if !s.gathering.await(string(path)) {
				return
			}
			made = answers[Small]
		}
		if !s.skipBody(head) {
			return
		}
		if _, err := s.conn.Write(made().wire); err != nil {
			return
		}
	}
}

// readHead reads to the end of a request's head. What was read beyond it stays
// behind it in the buffer.
func (s *session) readHead() (head []byte, ok bool) {
	for {
		if i := bytes.Index(s.buf[:s.n], headEnd); i >= 0 {
			return s.buf[:i+len(headEnd)], true
		}
		if !s.fill() {
			return nil, false
		}
	}
}

func (s *session) fill() bool {
	if s.n == len(s.buf) {
		return false // a head larger than any of these clients sends
	}
	n, err := s.conn.Read(s.buf[s.n:])
	s.n += n
	return err == nil
}

func pathOf(head []byte) (path []byte, ok bool) {
	_, rest, ok := bytes.Cut(head, []byte(" "))
	if !ok {
		return nil, false
	}
	path, _, ok = bytes.Cut(rest, []byte(" "))
	return path, ok
}

// skipBody reads the request's body, and throws it away with the head.
func (s *session) skipBody(head []byte) bool {
	if bytes.Contains(head, chunkedSay) {
		s.take(len(head))
		return s.skipChunked()
	}
	length, ok := lengthOf(head)
	if !ok {
		return false
	}
	return s.skip(len(head) + length)
}

// lengthOf returns the length of the body that a head announces.
func lengthOf(head []byte) (length int, ok bool) {
	_, rest, found := bytes.Cut(head, bodyLength)
	if !found {
		return 0, true
	}
	digits, _, _ := bytes.Cut(rest, []byte("\r"))
	length, err := strconv.Atoi(string(digits))
	return length, err == nil
}

// skip throws away so many bytes.
func (s *session) skip(length int) bool {
	for length > s.n {
		length -= s.n
		s.n = 0
		if !s.fill() {
			return false
		}
	}
	s.take(length)
	return true
}

// skipChunked throws away a chunked body. None of these clients sends anything
// behind it before it has the answer, so that its end is the end of what comes.
func (s *session) skipChunked() bool {
	for !bytes.HasSuffix(s.buf[:s.n], chunkedEnd) {
		s.take(max(0, s.n-len(chunkedEnd)))
		if !s.fill() {
			return false
		}
	}
	s.n = 0
	return true
}

// take removes so many bytes from the front of the buffer.
func (s *session) take(length int) {
	s.n = copy(s.buf, s.buf[length:s.n])
}
