// Package h1 runs one HTTP/1.1 exchange on one connection. Requests are
// serialised and responses parsed by net/http's own codecs, but for the heads of
// plain requests; what is here is the order of events between them, and who may
// interrupt whom.
//
// Goroutines: the caller of Do writes a request that is short and without a body, or
// with one in memory, and then reads the response. Any other gets a second
// goroutine, because the server may answer before it has read it all. That does not
// outlive the exchange, unless the caller's own Read hangs. The caller of Do reads
// nothing before it begins to write, and may send the head for it.
package h1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Settings hold for every exchange of a transport.
type Settings struct {
	MaxHeaderBytes  int64         // of all response headers together
	HeaderTimeout   time.Duration // from the request's end to the response's head; 0: none
	ContinueTimeout time.Duration // how long a body waits for "100 Continue"; 0: not at all
	NoCompression   bool          // do not ask for gzip by ourselves
	NoKeepAlive     bool          // ask the server to close after each response

	readers    sync.Pool
	writers    sync.Pool // of requests that are written in one go
	streamers  sync.Pool // of requests whose bodies are sent as they are read
	timers     sync.Pool
	readSize   int
	writeSize  int
	streamSize int
}

// NewSettings returns settings whose buffers have the given sizes. Where a size
// is 0 it is 4 KiB, but a body that streams gets room for a head and all that the
// codec reads of it at once, with the framing of a chunk: four writes are four
// system calls, and four segments for the server to wake up for.
func NewSettings(readBuffer, writeBuffer int) *Settings {
	const (
		usual     = 4 << 10
		wholeRead = usual + copySize + 16
	)
	s := &Settings{readSize: readBuffer, writeSize: writeBuffer, streamSize: writeBuffer}
	if s.readSize <= 0 {
		s.readSize = usual
	}
	if s.writeSize <= 0 {
		s.writeSize, s.streamSize = usual, wholeRead
	}
	return s
}

// Outcome is what became of the connection.
type Outcome int

// What an exchange can leave behind.
const (
	Reusable Outcome = iota // the exchange is complete, and nothing is left over
	NotKept                 // complete, but the connection must not serve another
	Unread                  // the response was not read to its end
	Failed                  // the response broke off, or was interrupted
	Stray                   // complete, but there were bytes beyond the response
)

// Owner decides what the exchange cannot know, and is told of its end.
type Owner interface {
	// Fit is asked on a reused connection just before the first byte of a request
	// that a goroutine writes, before anything is read: false means that the request
	// shall not go out.
	Fit() bool

	// Premature is asked when the first byte of a response has arrived, with
	// nil, and again before a 408 is returned, with that, if no informational
	// response has come before it: true means that it was sent before the server
	// had the request, or says that the server does not have it, so that it is no
	// answer to it.
	Premature(timedOut *http.Response) bool

	// Followed is asked on a reused connection when a whole response has been read
	// that does not end it, and nothing beyond: true means that more can be read at
	// once.
	Followed() bool

	// Answered is called with the head of the final response, before its body
	// is read.
	Answered(*http.Response)

	// Ended is called once for an exchange whose Do has succeeded, when its
	// response has ended, which may be before Do returns, or was broken off: then
	// it is called from a goroutine that is not the caller's.
	Ended(Outcome)
}

// Exchange is one request and its response. Fields in capitals are set before
// Do; it serves once.
type Exchange struct {
	Settings *Settings
	Conn     net.Conn // a deadline in the past must make its calls return
	// Reused says that the connection has run another exchange before, so that
	// what comes may be no answer to this one.
	Reused bool
	// MayBlock says that a write may wait until the peer reads, so that even a
	// request without a body needs a goroutine of its own.
	MayBlock bool
	// ViaProxy says that the request line shall carry the absolute URL.
	ViaProxy           bool
	ProxyAuthorization string // for a proxy that wants credentials
	Owner              Owner

	req   *http.Request
	trace *httptrace.ClientTrace // or nil

	in       *reader
	received int64 // bytes

	body     *requestBody  // or nil: the body is in memory, or there is none
	begun    chan struct{} // closed when the request is about to be written; nil: no goroutine writes
	wrote    chan struct{} // closed when it is written, or could not be; nil likewise
	writeErr error         // why it was not written; read after wrote is closed
	connErr  error         // of that, the part of the connection
	sent     atomic.Int64  // bytes the connection has accepted

	headerTimer *time.Timer
	unwatch     func() bool
	response    responseBody

	// mu guards the rest. Under it only deadlines are set, which does not block.
	mu        sync.Mutex
	finished  bool          // nothing can be interrupted any more
	headDone  bool          // the response's head has arrived
	handedOut bool          // the response is the caller's, with its body
	cause     error         // of the first interruption
	brokenOff chan struct{} // closed when breakOff has told the owner; nil: it does not
}

// Do sends the request and returns the response, whose body must be read or
// closed. It closes the request's body in any case, perhaps later than it
// returns if a Read of it hangs. After an error the connection is unusable.
//
// Errors: the context's cause; a *RequestError if the request itself was at
// fault, its body included; ErrHeaderTimeout; or what the connection or the
// parser said.
func (x *Exchange) Do(req *http.Request) (*http.Response, error) {
	returned := false
	defer func() {
		if !returned {
			x.unwind()
		}
	}()
	x.req = req
	x.trace = httptrace.ContextClientTrace(req.Context())
	x.in = x.Settings.getReader(x)
	inline := x.prepareBody()
	if ctx := req.Context(); ctx.Done() != nil {
		x.unwatch = context.AfterFunc(ctx, func() { x.breakOff(context.Cause(ctx)) })
	}
	if inline && !x.MayBlock {
		x.writeRequest()
	} else {
		x.begun, x.wrote = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(x.wrote)
			x.writeRequest()
		}()
	}
	resp, err := x.receive()
	if err != nil {
		resp, err = nil, x.abandon(err)
	}
	returned = true
	return resp, err
}

// unwind ends an exchange in which a hook has panicked: who writes the request comes
// to an end soon, and closes its body.
func (x *Exchange) unwind() {
	x.interrupt(errAborted)
	_ = x.finish()
}

// Sent is how many bytes of the request the connection has accepted.
func (x *Exchange) Sent() int64 { return x.sent.Load() }

// Received is how many bytes of a response have arrived. It is known once Do
// has failed.
func (x *Exchange) Received() int64 { return x.received }

// interrupt makes the calls on the connection fail, now and from now on. After
// the exchange has finished it does nothing: the connection may be running
// another one by then, and a late cancellation must not hurt it. It reports
// whether it was the first; only the first cause stands.
func (x *Exchange) interrupt(cause error) (first bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.interruptLocked(cause)
}

func (x *Exchange) interruptLocked(cause error) (first bool) {
	if x.finished || x.cause != nil {
		return false
	}
	x.cause = cause
	_ = x.Conn.SetDeadline(longAgo) // a failure means that it is closed
	if x.body != nil {
		x.body.abort()
	}
	return true
}

var longAgo = time.Unix(1, 0)

// breakOff is an interruption that leaves nothing to the caller, who may have
// forgotten a response that is out: its connection is given up. What has come can
// still be read, as with http.Transport.
func (x *Exchange) breakOff(cause error) {
	x.mu.Lock()
	out := x.interruptLocked(cause) && x.handedOut
	if out {
		x.brokenOff = make(chan struct{})
	}
	x.mu.Unlock()
	if out {
		defer close(x.brokenOff)
		_ = x.finish()
		x.release(Failed)
	}
}

// interruption returns the cause of the first interruption, or nil.
func (x *Exchange) interruption() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cause
}

// explain replaces an error that an interruption has brought about by its
// cause. Who reads a response gets what the request's body has said, as it is.
func (x *Exchange) explain(err error) error {
	if cause := x.interruption(); cause != nil {
		err = cause
	}
	return Unmarked(err)
}

// finish ends the time in which the exchange can be interrupted, and gives its
// buffers back. It returns the cause of an interruption that came before.
func (x *Exchange) finish() error {
	x.mu.Lock()
	x.finished = true
	cause := x.cause
	x.mu.Unlock()
	if x.unwatch != nil {
		x.unwatch()
	}
	if x.headerTimer != nil {
		x.headerTimer.Stop()
	}
	return cause
}

// abandon ends an exchange without a response, and waits for its writer: the
// caller may change the request afterwards. Of the errors it returns the one
// that came first.
func (x *Exchange) abandon(err error) error {
	writeFailedFirst := x.writerEnded() || isLocal(err)
	x.letWriterEnd()
	if first, written := x.interrupt(err), x.awaitWriter(); !first {
		err = x.interruption()
	} else if written && (writeFailedFirst || x.resetWasTold(err)) && x.connErr != nil && !errors.Is(x.connErr, os.ErrDeadlineExceeded) {
		err = x.connErr // the read failed because the write had
	}
	_ = x.finish()
	x.Settings.putReader(x.in)
	x.in = nil
	return err
}

// resetWasTold reports whether the write was told of a reset. The kernel tells of it
// once, and a read then comes to an ordinary end.
func (x *Exchange) resetWasTold(err error) bool {
	return (err == io.EOF || err == io.ErrUnexpectedEOF) && errors.Is(x.connErr, syscall.ECONNRESET)
}

// isLocal reports whether a read failed because this side had closed the
// connection, as some do when a write fails.
func isLocal(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// end ends an exchange with a response.
func (x *Exchange) end(outcome Outcome) {
	if outcome == Reusable && x.in.buf.Buffered() > 0 {
		outcome = Stray
	}
	if outcome == Reusable && !x.finishedWriting() {
		outcome = NotKept
	}
	if x.finish() != nil && outcome == Reusable {
		outcome = Failed // interrupted after the last byte: deadlines are set
	}
	x.Settings.putReader(x.in)
	x.in = nil
	if x.brokenOff != nil {
		<-x.brokenOff // so that after the Read that fails the connection is given up
		return
	}
	x.release(outcome)
}

// release tells the owner of the end.
func (x *Exchange) release(outcome Outcome) {
	x.Owner.Ended(outcome) // closes the connection, unless it is reusable
	if outcome != Reusable && x.body != nil {
		x.body.abort()
	}
}

// reader is a buffered reader and what it reads from. It is pooled.
type reader struct {
	buf *bufio.Reader
	x   *Exchange
	// left is how much may be read before headers are too large; only reads
	// of the head count.
	left     int64
	limited  bool
	exceeded bool
}

// Read reads from the connection.
func (r *reader) Read(p []byte) (int, error) {
	if r.limited {
		if r.left <= 0 {
			r.exceeded = true // the parser may make another error of this one
			return 0, ErrHeaderTooLarge
		}
		p = p[:min(int64(len(p)), r.left)]
	}
	n, err := r.x.Conn.Read(p)
	r.left -= int64(n)
	r.x.received += int64(n)
	return n, err
}

func (s *Settings) getReader(x *Exchange) *reader {
	r, _ := s.readers.Get().(*reader)
	if r == nil {
		r = &reader{}
		r.buf = bufio.NewReaderSize(r, s.readSize)
	}
	r.x = x
	return r
}

// putReader keeps a reader for another exchange. Whatever it may still hold is
// thrown away: its connection is not reused then.
func (s *Settings) putReader(r *reader) {
	r.x, r.limited, r.exceeded = nil, false, false
	r.buf.Reset(r)
	s.readers.Put(r)
}
