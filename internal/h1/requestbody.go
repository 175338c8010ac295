package h1

import (
	"errors"
	"io"
	"net/http/httptrace"
	"sync"
	"time"
)

// requestBody stands between the codec and a request's body: it can be told
// not to begin another Read, holds the first Read back until "100 Continue",
// closes the source once, and remembers what its Read said.
type requestBody struct {
	source     io.ReadCloser
	permission *continuation // or nil: nothing to wait for
	hold       *hold         // of the head; or nil: it goes out at once
	flush      func() error  // sends what was written before a Read that may take long

	mu      sync.Mutex // guards the rest; the source is not touched under it
	begun   int        // Reads that have not returned
	active  int        // those of them that are reading the source
	over    bool       // the codec has done with it
	aborted bool
	closed  bool
	err     error // of the source, but for io.EOF
}

var (
	errAborted = errors.New("the exchange was given up")
	// errUnreadable stands for the source's error on the way through the codec,
	// which compares errors: one whose type does not allow that would panic.
	errUnreadable = errors.New("the request's body could not be read")
)

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.begin() {
		return 0, errAborted
	}
	defer b.end()
	if b.flush != nil {
		if err := b.flush(); err != nil {
			return 0, err
		}
		defer b.hold.end()
	}
	if err := b.await(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	if b.aborted || b.closed {
		b.mu.Unlock()
		return 0, errAborted
	}
	b.active++
	b.mu.Unlock()

	n, err := b.source.Read(p)

	b.mu.Lock()
	defer b.mu.Unlock()
	b.active--
	if err == nil || err == io.EOF {
		return n, err
	}
	if b.err == nil && !b.aborted {
		b.err = err
	}
	return n, comparisonSafe(err, errUnreadable)
}

// begin says that a Read has begun; false means that it comes too late.
func (b *requestBody) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.begun++
	}
	return !b.over
}

func (b *requestBody) end() {
	b.mu.Lock()
	b.begun--
	b.mu.Unlock()
}

// done is called when the codec has returned, and reports whether it has let go:
// the goroutine in which it finds out whether there is a body may be in a Read
// still, or only begin one. What that would flush may belong to another request by
// then.
func (b *requestBody) done() (letGo bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	return b.begun == 0
}

// await waits until the body may be sent. A file is then read by the connection
// itself, and not by Read.
func (b *requestBody) await() error {
	if b.permission != nil && !b.permission.wait() {
		return errRefused
	}
	return nil
}

// Close closes the source, once.
func (b *requestBody) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if !first {
		return nil
	}
	return b.source.Close()
}

// abort lets no further Read begin, nor wait for "100 Continue".
func (b *requestBody) abort() {
	b.mu.Lock()
	b.aborted = true
	b.mu.Unlock()
	if b.permission != nil {
		b.permission.decide(false)
	}
}

// reading reports whether a Read of the source has not returned.
func (b *requestBody) reading() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.active > 0
}

func (b *requestBody) readError() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// refused reports whether the server answered without wanting the body.
func (b *requestBody) refused() bool {
	return b.permission != nil && b.permission.refused()
}

// awaitContinue makes the first Read wait for a decision, or for the timeout,
// after which the body is sent (RFC 9110, 10.1.1).
func (b *requestBody) awaitContinue(timeout time.Duration, trace *httptrace.ClientTrace) {
	b.permission = &continuation{decided: make(chan struct{}), timeout: timeout, trace: trace}
}

// continuation is the decision whether to send a body.
type continuation struct {
	timeout time.Duration
	trace   *httptrace.ClientTrace
	began   sync.Once // the wait
	once    sync.Once // the decision
	decided chan struct{}
	send    bool // read after decided is closed
	got     bool // "100 Continue" has come, for the caller of Do only
}

func (c *continuation) decide(send bool) {
	c.once.Do(func() {
		c.send = send
		close(c.decided)
	})
}

// begin tells that the body waits, once: even if the decision is there already, and
// before anybody tells of that.
func (c *continuation) begin() {
	c.began.Do(func() {
		if c.trace != nil && c.trace.Wait100Continue != nil {
			c.trace.Wait100Continue()
		}
	})
}

// wait returns whether to send the body.
func (c *continuation) wait() bool {
	c.begin()
	select {
	case <-c.decided:
		return c.send
	default:
	}
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	select {
	case <-c.decided:
	case <-timer.C:
		c.decide(true)
	}
	<-c.decided
	return c.send
}

func (c *continuation) refused() bool {
	select {
	case <-c.decided:
		return !c.send
	default:
		return false
	}
}
