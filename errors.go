package ttlpool

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed is returned for every request that comes after Close or Shutdown, and for
// those that Close interrupts.
var ErrClosed = errors.New("ttlpool: closed")

// ErrAcquireTimeout is matched by the error of a request that waited for a
// connection as long as [WithAcquireTimeout] allows. That error is also a
// [net.Error] whose Timeout is true.
var ErrAcquireTimeout = errors.New("ttlpool: timeout waiting for a connection")

// acquireTimeoutError is ErrAcquireTimeout with its circumstances.
type acquireTimeoutError struct {
	address string
	waited  time.Duration
}

func (e *acquireTimeoutError) Error() string {
	return fmt.Sprintf("%s: no connection became free within %v", e.address, e.waited)
}
func (e *acquireTimeoutError) Is(target error) bool { return target == ErrAcquireTimeout }
func (e *acquireTimeoutError) Timeout() bool        { return true }
func (e *acquireTimeoutError) Temporary() bool      { return true }

// ExchangeError is the error of a request that failed on an established
// connection. It unwraps to the cause, so that errors.Is(err, io.EOF) and the
// like hold.
//
// A failed request body, a cancellation and a failed dial are not
// ExchangeErrors: these come back as they are.
type ExchangeError struct {
	// Conn is the connection as it was when the exchange failed. Idle is how
	// long it had been idle when this request took it.
	Conn ConnInfo
	// Stale is true if the connection had served before and failed without a
	// byte of a response: the peer has most likely closed it while it was idle.
	// A stream of HTTP/2 that fails alone is not stale.
	Stale bool
	// Written and Read count the bytes of this exchange alone, and Acknowledged
	// those that the peer's kernel had acknowledged when it failed (on the wire,
	// so that TLS has more than were written). What is not known is negative:
	// all of them in HTTP/2, Acknowledged wherever the kernel does not tell.
	Written, Acknowledged, Read int64
	// Retried is true if this was already the second try.
	Retried bool
	// NotRetried says why the request was not sent again.
	NotRetried string
	// Err is the cause.
	Err error
}

// Error names the peer, what went wrong, and the history of the connection:
//
//	hub:80: stale connection: EOF after 15.98s idle (age 4m10s, 31 uses; 412 bytes written, 412 acknowledged, 0 read); not retried: POST is not idempotent
func (e *ExchangeError) Error() string {
	var text strings.Builder
	text.WriteString(e.Conn.Address)
	if e.Stale {
		fmt.Fprintf(&text, ": stale connection: %v after %v idle", e.Err, rounded(e.Conn.Idle))
	} else {
		fmt.Fprintf(&text, ": %v", e.Err)
	}
	fmt.Fprintf(&text, " (age %v, %s", rounded(e.Conn.Age), counted(int64(e.Conn.Uses), "use"))
	if e.Written >= 0 {
		fmt.Fprintf(&text, "; %s written", counted(e.Written, "byte"))
		if e.Acknowledged >= 0 {
			fmt.Fprintf(&text, ", %d acknowledged", e.Acknowledged)
		}
		fmt.Fprintf(&text, ", %d read", e.Read)
	}
	text.WriteString(")")
	if e.Retried {
		text.WriteString("; this was the second try")
	}
	if e.NotRetried != "" {
		text.WriteString("; not retried: " + e.NotRetried)
	}
	return text.String()
}

// Unwrap returns the cause.
func (e *ExchangeError) Unwrap() error { return e.Err }

// Is makes an ExchangeError match [ErrBlackHole] if the system gave up.
func (e *ExchangeError) Is(target error) bool { return target == ErrBlackHole && isBlackHole(e.Err) }

// Timeout reports whether the cause is a timeout; with Temporary it makes an
// ExchangeError a [net.Error], as the errors of http.Transport are.
func (e *ExchangeError) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// Temporary reports whether the cause calls itself temporary.
func (e *ExchangeError) Temporary() bool {
	var temporary interface{ Temporary() bool }
	return errors.As(e.Err, &temporary) && temporary.Temporary()
}

// counted returns a number with its noun.
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// rounded drops the digits of a duration that nobody reads.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
