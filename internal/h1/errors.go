package h1

import (
	"context"
	"errors"
	"fmt"
)

// RequestError says that the request itself was at fault, or its body, or a
// hook of its sender: not the connection.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns what was wrong.
func (e *RequestError) Unwrap() error { return e.Err }

// Unmarked returns an error that is told to the sender of the request: what was
// wrong with that, if it was at fault.
func Unmarked(err error) error {
	var fault *RequestError
	if errors.As(err, &fault) {
		return fault.Err
	}
	return err
}

// ErrHeaderTooLarge is returned when a response's headers exceed the limit.
var ErrHeaderTooLarge = errors.New("response headers exceed the limit")

// ErrPremature is returned for a response that is none to this request.
var ErrPremature = errors.New("the server had sent a response before it had the request")

// ErrUnfit is returned when the connection was found dead, or with something to
// read on it, just before the request would have gone out. Nothing was sent.
var ErrUnfit = errors.New("the server had hung up, or said something unasked, before the request went out")

// ErrHeaderTimeout is returned when no response came within HeaderTimeout.
var ErrHeaderTimeout error = &headerTimeout{}

type headerTimeout struct{}

func (*headerTimeout) Error() string        { return "net/http: timeout awaiting response headers" }
func (*headerTimeout) Timeout() bool        { return true }
func (*headerTimeout) Temporary() bool      { return true }
func (*headerTimeout) Is(target error) bool { return target == context.DeadlineExceeded }
func headerTooLarge(limit int64) error {
	return fmt.Errorf("net/http: server response headers exceeded %d bytes: %w", limit, ErrHeaderTooLarge)
}
