package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// failureKind says how a request died.
type failureKind string

const (
	failedEOF        failureKind = "EOF"
	failedReset      failureKind = "connection reset"
	failedPipe       failureKind = "broken pipe"
	failedIdleClosed failureKind = "server closed idle connection"
	failedClosed     failureKind = "use of closed connection"
	failedTimeout    failureKind = "timeout"
	failedWrong      failureKind = "wrong answer"
	failedOther      failureKind = "other"
)

// failureKindsInOrder is the order of the table. The kinds that come of the race itself are always shown, the rest
// only when they occurred.
var failureKindsInOrder = []struct {
	kind   failureKind
	always bool
}{
	{failedEOF, true}, {failedReset, true}, {failedPipe, true}, {failedIdleClosed, true},
	{failedClosed, false}, {failedTimeout, false}, {failedWrong, false}, {failedOther, true},
}

// Windows' names for a connection reset and a write on a closed one, which package syscall does not equate with
// ECONNRESET and EPIPE. The numbers mean nothing elsewhere.
const (
	wsaConnAborted = syscall.Errno(10053)
	wsaConnReset   = syscall.Errno(10054)
)

func classify(err error) failureKind {
	switch {
	// net/http does not export this one, and the error wraps no other.
	case strings.Contains(err.Error(), "server closed idle connection"):
		return failedIdleClosed
	case errors.Is(err, errWrongAnswer):
		return failedWrong
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failedEOF
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, wsaConnReset):
		return failedReset
	case errors.Is(err, syscall.EPIPE), errors.Is(err, wsaConnAborted):
		return failedPipe
	case errors.Is(err, net.ErrClosed):
		return failedClosed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return failedTimeout
	}
	return failedOther
}
