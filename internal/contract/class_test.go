package contract

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// The classes of error that have many texts. Every other error is classified by the text of its innermost error,
// which for a malformed response or an invalid request is net/http's own.
const (
	bodyRead = "the request body's own error"
	cause    = "the cause of the cancellation"
	canceled = "canceled"
	deadline = "deadline"

	requestCanceled = "net/http: request canceled"
	headerTimeout   = "timeout awaiting response headers"
	headerTooLarge  = "response header too large"
	reset           = "reset"
	unexpectedEOF   = "unexpected EOF"
	eof             = "EOF"
	dialFailed      = "dial"
	timedOut        = "timeout"
	badCertificate  = "certificate"
	hung            = "hung"

	wrapped = ", wrapped"
)

// wsaConnReset is what Windows says where others have ECONNRESET.
const wsaConnReset = syscall.Errno(10054)

// callersOwn are errors that the caller brings along, and wants back as they are.
var callersOwn = []struct {
	err  error
	name string
}{
	{errUpload, bodyRead},
	{errCause, cause},
	{errDial, "the dialer's own error"},
	{errProxy, "the proxy function's own error"},
}

func classify(err error) string {
	if err == nil {
		return ""
	}
	for _, o := range callersOwn {
		switch {
		case err == o.err:
			return o.name
		case errors.Is(err, o.err):
			return o.name + wrapped
		}
	}
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return canceled
	case strings.HasPrefix(innermost(err).Error(), requestCanceled): // "... while waiting for connection", too
		return requestCanceled
	case strings.Contains(text, headerTimeout) && isTimeout(err):
		return headerTimeout
	case strings.Contains(text, "response headers exceeded"):
		return headerTooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return deadline
	case isReset(err):
		return reset
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unexpectedEOF
	case errors.Is(err, io.EOF), strings.Contains(text, "server closed idle connection"):
		return eof
	}
	return classifyNetwork(err)
}

func classifyNetwork(err error) string {
	op, ok := errors.AsType[*net.OpError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case unverified:
		return badCertificate
	case ok && op.Op == "dial":
		return dialFailed
	case isTimeout(err):
		return timedOut
	}
	// http.Client looks for this type itself, not for what it may wrap.
	if e, ok := err.(tls.RecordHeaderError); ok {
		return e.Error() + ", as its own type"
	}
	return innermost(err).Error()
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// isReset also takes a connection closed on this side: after a reset it is a matter of luck whether the half of
// http.Transport that reads or the half that writes is the first to notice, and the other finds it closed.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, wsaConnReset) ||
		errors.Is(err, net.ErrClosed)
}
