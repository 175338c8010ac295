package h1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	// inlineLimit is the size up to which a request, head and body, is written by
	// the caller's goroutine: little enough for a socket's buffer, so that a server
	// that answers without reading it does not stop us.
	inlineLimit = 16 << 10

	// writeGrace is how long a response may still take after the request could
	// not be written: a server that has answered early and closed makes our
	// write fail before we have read its answer.
	writeGrace = 100 * time.Millisecond

	// readGrace is how long a failed exchange waits for a Read of the request's
	// body to return.
	readGrace = 50 * time.Millisecond

	// endGrace is how long a failed read waits for the write to fail as well.
	endGrace = 5 * time.Millisecond

	// reuseGrace is how long the end of a response waits for the end of its
	// request, which normally came long before.
	reuseGrace = 50 * time.Millisecond
)

// prepareBody decides how the request will be written, with its body: inline means
// by the caller's goroutine.
func (x *Exchange) prepareBody() (inline bool) {
	body := x.req.Body
	if body == nil || body == http.NoBody {
		return isShort(x.req)
	}
	expects := x.Settings.ContinueTimeout > 0 &&
		httpguts.HeaderValuesContainsToken(x.req.Header["Expect"], "100-continue")
	if !expects && x.req.ContentLength > 0 && inMemory(body) && isShort(x.req) {
		return true
	}
	x.body = &requestBody{source: body}
	if expects {
		x.body.awaitContinue(x.Settings.ContinueTimeout, x.trace)
	} else {
		x.body.hold = x.newHold()
	}
	return false
}

// isShort reports whether a request is within the limit, by its body and by what its
// caller can make long of the head.
func isShort(req *http.Request) bool {
	left := inlineLimit - req.ContentLength
	left -= int64(len(req.URL.Opaque) + len(req.URL.Path) + len(req.URL.RawQuery))
	for name, values := range req.Header {
		for _, value := range values {
			left -= int64(len(name) + len(": ") + len(value) + len(crlf))
		}
	}
	return left >= 0
}

// writeRequest writes the request and sees to what follows.
func (x *Exchange) writeRequest() {
	w := x.Settings.getWriter(x)
	err := x.send(w)
	if x.body == nil || x.body.done() {
		w.putBack()
	}
	if x.body != nil && x.body.refused() {
		err = errRefused
	}
	x.writeErr = err
	switch {
	case err == nil:
		x.expectHead(x.Settings.HeaderTimeout, ErrHeaderTimeout)
	case err == errRefused:
	case x.connErr != nil:
		x.expectHead(writeGrace, x.connErr)
	default:
		x.breakOff(x.requestError(err))
	}
}

// send writes the request through w.
func (x *Exchange) send(w *writer) error {
	x.addHeaders(w)
	if x.writePlain(w) {
		return w.buf.Flush()
	}
	out := &w.request
	*out = *x.req
	if x.body != nil {
		out.Body = x.body
		x.body.flush = w.flushBody
	}
	write := out.Write
	if x.ViaProxy {
		write = out.WriteProxy
	}
	if err := write(w); err != nil {
		if w.headDone.Load() {
			_ = w.buf.Flush() // whether a head goes out whose body fails must not depend on how soon
		}
		return err
	}
	return w.buf.Flush()
}

// requestError tells what was wrong with the request. A failed Read of its
// body is reported as what Read returned.
func (x *Exchange) requestError(err error) error {
	if x.body != nil {
		if own := x.body.readError(); own != nil {
			err = own
		}
	}
	return &RequestError{err}
}

// addHeaders adds what the caller left to us, sorted by name as http.Transport does.
func (x *Exchange) addHeaders(w *writer) {
	if x.asksForGzip() {
		w.extra = append(w.extra, field{"Accept-Encoding", "gzip"})
	}
	if x.Settings.NoKeepAlive && !wantsClose(x.req) && !switchesProtocol(x.req.Header) {
		w.extra = append(w.extra, field{"Connection", "close"})
	}
	if x.ProxyAuthorization != "" {
		w.extra = append(w.extra, field{"Proxy-Authorization", x.ProxyAuthorization})
	}
}

// asksForGzip reports whether compression is our own idea. It is not for HEAD,
// whose answer would then describe another representation, nor for a range,
// which could not be decoded by itself.
func (x *Exchange) asksForGzip() bool {
	return !x.Settings.NoCompression && x.req.Method != http.MethodHead &&
		x.req.Header.Get("Accept-Encoding") == "" && x.req.Header.Get("Range") == ""
}

func wantsClose(req *http.Request) bool {
	return req.Close || httpguts.HeaderValuesContainsToken(req.Header["Connection"], "close")
}

func switchesProtocol(h http.Header) bool {
	return h.Get("Upgrade") != "" && httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade")
}

// expectHead interrupts the exchange if the response's head has not come after
// d; zero means that it may take for ever.
func (x *Exchange) expectHead(d time.Duration, cause error) {
	if d <= 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.headDone || x.finished {
		return
	}
	x.headerTimer = time.AfterFunc(d, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if !x.headDone {
			x.interruptLocked(cause)
		}
	})
}

// finishedWriting reports whether all of the request has been written. It
// gives the writing goroutine a moment to come to its end.
func (x *Exchange) finishedWriting() bool {
	if x.writerEnded() {
		return x.writeErr == nil
	}
	timer := time.NewTimer(reuseGrace)
	defer timer.Stop()
	select {
	case <-x.wrote:
		return x.writeErr == nil
	case <-timer.C:
		return false
	}
}

// writerEnded reports whether the request has been written, or could not be.
func (x *Exchange) writerEnded() bool {
	if x.wrote == nil {
		return true
	}
	select {
	case <-x.wrote:
		return true
	default:
		return false
	}
}

// letWriterEnd gives a writer that is about to end, because its connection has
// failed as well, the time to find out by itself: after an interruption nobody
// knows how much was written.
func (x *Exchange) letWriterEnd() {
	if x.wrote == nil || x.body != nil && x.body.reading() || x.interruption() != nil {
		return
	}
	timer := time.NewTimer(endGrace)
	defer timer.Stop()
	select {
	case <-x.wrote:
	case <-timer.C:
	}
}

// awaitWriter waits for the writing goroutine after an interruption, and
// reports whether it has ended. It does not wait for ever for a Read of the
// request's body, which only the caller can end.
func (x *Exchange) awaitWriter() bool {
	if x.wrote == nil {
		return true
	}
	if x.body == nil || !x.body.reading() {
		<-x.wrote
		return true
	}
	timer := time.NewTimer(readGrace)
	defer timer.Stop()
	select {
	case <-x.wrote:
		return true
	case <-timer.C:
		return false
	}
}

// inMemory reports whether reading a body cannot block: it is one of the
// standard library's in-memory readers, as http.NewRequest wraps them.
func inMemory(body io.ReadCloser) bool {
	switch unwrapped(body).(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}

// io.NopCloser has two types, with WriteTo and without.
var (
	nopCloser         = reflect.TypeOf(io.NopCloser(struct{ io.Reader }{}))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(&bytes.Buffer{}))
)

// unwrapped returns what is below io.NopCloser.
func unwrapped(r io.Reader) io.Reader {
	if t := reflect.TypeOf(r); t == nopCloser || t == nopCloserWriterTo {
		return reflect.ValueOf(r).Field(0).Interface().(io.Reader)
	}
	return r
}

var errRefused = errors.New("the server did not want the request's body")
