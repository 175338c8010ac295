package h1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
)

// receive reads the head of the final response and prepares its body.
func (x *Exchange) receive() (*http.Response, error) {
	if err := x.awaitHead(); err != nil {
		return nil, err
	}
	resp, err := x.readHead()
	x.mu.Lock()
	x.headDone = true
	x.mu.Unlock()
	if err != nil {
		if x.in.exceeded {
			err = headerTooLarge(x.Settings.MaxHeaderBytes)
		}
		return nil, err
	}
	x.in.limited = false
	if x.Reused && !x.leavesHTTP(resp) && x.answeredTwice(resp) {
		return nil, ErrPremature
	}
	if x.body == nil || x.body.permission == nil {
		x.letWriterEnd() // it may be about to say that the request was at fault
	}
	return resp, x.deliver(resp)
}

// deliver makes the response the caller's, unless an interruption comes before.
func (x *Exchange) deliver(resp *http.Response) error {
	switches := resp.StatusCode == http.StatusSwitchingProtocols && switchesProtocol(resp.Header)
	cause := x.interruption()
	if switches {
		cause = x.finish() // the request's context does not concern the new protocol
	}
	if cause != nil {
		return cause
	}
	x.Owner.Answered(resp)
	x.decideContinue(resp)
	switch {
	case switches:
		resp.Body = x.upgrade()
	case x.req.Method == http.MethodHead || resp.ContentLength == 0:
		x.end(x.outcome(resp)) // first, so that the next request finds the connection
	default:
		x.response = responseBody{x: x, resp: resp, source: resp.Body}
		resp.Body = &x.response
		x.decompress(resp)
		x.handOut()
	}
	return nil
}

// handOut says that the body is the caller's now. If an interruption has come just
// before, it has found no response to break off.
func (x *Exchange) handOut() {
	x.mu.Lock()
	late := x.cause
	x.handedOut = late == nil
	x.mu.Unlock()
	if late != nil {
		x.response.endAt(Unmarked(late), Failed)
	}
}

// leavesHTTP reports whether what follows the head is of another protocol, which
// may look like anything.
func (x *Exchange) leavesHTTP(resp *http.Response) bool {
	return resp.StatusCode == http.StatusSwitchingProtocols ||
		x.req.Method == http.MethodConnect && resp.StatusCode >= 200 && resp.StatusCode < 300
}

// answeredTwice reports whether another response follows at once: the one that
// was sent unasked came first, and ours is the second. The second may have come
// since the first was read, and with it the acknowledgement by which the Owner
// took the first for an answer. One that says that the server closes is not of a server
// that goes on: what follows it may be a complaint of a body that was not read.
func (x *Exchange) answeredTwice(resp *http.Response) bool {
	const version = "HTTP/1."
	length := resp.ContentLength // of any size that a server may state
	if x.req.Method == http.MethodHead {
		length = min(length, 0)
	}
	beyond := int64(x.in.buf.Buffered()) - length
	if length < 0 || beyond < 0 || beyond == 0 && (resp.Close || !x.Owner.Followed()) {
		return false
	}
	if beyond == 0 {
		_, _ = x.in.buf.Peek(int(length) + 1) // reads, which does not wait
	}
	if x.in.buf.Buffered() < int(length)+len(version) {
		return false
	}
	ahead, _ := x.in.buf.Peek(int(length) + len(version))
	return string(ahead[length:]) == version
}

// readHead reads responses until a final one. Informational ones go to the
// request's trace; those that nobody looks at share one limit of size.
func (x *Exchange) readHead() (*http.Response, error) {
	x.limitHead()
	if _, err := x.in.buf.Peek(1); err != nil {
		return nil, err
	}
	if x.Reused && x.nothingTaken() || x.Owner.Premature(nil) {
		return nil, ErrPremature
	}
	if x.trace != nil && x.trace.GotFirstResponseByte != nil {
		x.trace.GotFirstResponseByte()
	}
	for first := true; ; first = false {
		resp, err := http.ReadResponse(x.in.buf, x.req)
		if err != nil {
			return nil, err
		}
		if first && resp.StatusCode == http.StatusRequestTimeout && x.Owner.Premature(resp) {
			return nil, ErrPremature
		}
		if !informational(resp) {
			return resp, nil
		}
		if resp.StatusCode == http.StatusContinue {
			x.gotContinue()
		}
		if x.trace != nil && x.trace.Got1xxResponse != nil {
			if err := x.trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, &RequestError{err}
			}
			x.limitHead()
		}
	}
}

// nothingTaken reports whether the connection has failed to take any of the request,
// so that what it gives is no answer.
//
// Whether the writer has ended is asked first: else it may write and end in between,
// and a peer in this process have answered already.
func (x *Exchange) nothingTaken() bool { return x.writerEnded() && x.sent.Load() == 0 }

// limitHead begins to count the size of headers.
func (x *Exchange) limitHead() {
	x.in.limited, x.in.left = true, x.Settings.MaxHeaderBytes
}

// informational reports whether another response follows (RFC 9110, 15.2).
// After 101 the connection speaks another protocol.
func informational(resp *http.Response) bool {
	return resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols
}

// gotContinue lets the body go, and tells of it once, however often the server says so.
func (x *Exchange) gotContinue() {
	if x.body == nil || x.body.permission == nil || x.body.permission.got {
		return
	}
	x.body.permission.got = true
	x.body.permission.begin()
	if x.trace != nil && x.trace.Got100Continue != nil {
		x.trace.Got100Continue()
	}
	x.body.permission.decide(true)
}

// decideContinue settles whether a body that still waits for "100 Continue" is
// sent, now that the final response is here. It is, if the connection shall
// live on: the server expects it there.
func (x *Exchange) decideContinue(resp *http.Response) {
	if x.body != nil && x.body.permission != nil {
		x.body.permission.decide(!resp.Close && !wantsClose(x.req))
	}
}

// outcome is what the complete response leaves of the connection.
func (x *Exchange) outcome(resp *http.Response) Outcome {
	if resp.Close || wantsClose(x.req) || x.Settings.NoKeepAlive || resp.StatusCode < 200 {
		return NotKept
	}
	return Reusable
}

// responseBody is the body of a response. Its end ends the exchange.
type responseBody struct {
	x    *Exchange
	resp *http.Response

	// reading is held through each Read, so that the buffers are not given
	// away under it. Close interrupts the Read first.
	reading sync.Mutex
	source  io.ReadCloser // nil: ended
	err     error         // what reads return after the end

	mu     sync.Mutex // guards closed
	closed bool
}

var errReadAfterClose = errors.New("http: read on closed response body")

// Read reads the body. The read that reaches the end ends the exchange before
// it returns, so that the connection is there for the next request.
func (b *responseBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.isClosed() {
		return 0, errReadAfterClose
	}
	if b.source == nil {
		return 0, b.err
	}
	n, err := b.source.Read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		b.endAt(err, b.x.outcome(b.resp))
	case b.isClosed():
		err = errReadAfterClose
	default:
		err = b.x.explain(err)
		b.endAt(err, Failed)
	}
	return n, err
}

// Close ends the exchange. Unless the body has been read to its end, the
// connection is closed.
func (b *responseBody) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if !first {
		return nil
	}
	b.x.interrupt(errReadAfterClose)
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.source != nil {
		b.endAt(errReadAfterClose, Unread)
	}
	return nil
}

func (b *responseBody) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (b *responseBody) endAt(err error, outcome Outcome) {
	b.source, b.err = nil, err
	b.x.end(outcome)
}

// upgrade hands the connection over to the caller, after "101 Switching
// Protocols": the body reads from it and writes to it until it is closed. What is
// left of the request's body goes out all the same, as with http.Transport.
func (x *Exchange) upgrade() io.ReadCloser {
	early, _ := x.in.buf.Peek(x.in.buf.Buffered())
	u := &upgraded{x: x, early: bytes.NewReader(bytes.Clone(early))}
	x.Settings.putReader(x.in)
	x.in = nil
	return u
}

// upgraded is the body of a response that has switched protocols.
type upgraded struct {
	x     *Exchange
	early *bytes.Reader // what came together with the head
	once  sync.Once
}

func (u *upgraded) Read(p []byte) (int, error) {
	if u.early.Len() > 0 {
		return u.early.Read(p)
	}
	return u.x.Conn.Read(p)
}

func (u *upgraded) Write(p []byte) (int, error) { return u.x.Conn.Write(p) }

// CloseWrite half-closes the connection. If it cannot be, the error is
// http.ErrNotSupported.
func (u *upgraded) CloseWrite() error {
	half, ok := u.x.Conn.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	err := half.CloseWrite()
	if errors.Is(err, errors.ErrUnsupported) {
		return http.ErrNotSupported
	}
	return err
}

func (u *upgraded) Close() error {
	u.once.Do(func() { u.x.release(NotKept) })
	return nil
}

// decompress undoes a compression that was our own idea.
func (x *Exchange) decompress(resp *http.Response) {
	if !x.asksForGzip() || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Uncompressed = true
	resp.Body = &gzipBody{body: &x.response}
}
