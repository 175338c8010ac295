package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClassify(t *testing.T) {
	write := func(err error) error {
		return &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", err)}
	}
	for want, errs := range map[failureKind][]error{
		failedEOF:        {io.EOF, io.ErrUnexpectedEOF, fmt.Errorf("hub:80: stale connection: %w", io.EOF)},
		failedReset:      {write(syscall.ECONNRESET), write(wsaConnReset)},
		failedPipe:       {write(syscall.EPIPE), fmt.Errorf("twice: %w", write(syscall.EPIPE)), write(wsaConnAborted)},
		failedIdleClosed: {errors.New("http: server closed idle connection")},
		failedClosed:     {&net.OpError{Op: "write", Err: net.ErrClosed}},
		failedTimeout:    {context.DeadlineExceeded, os.ErrDeadlineExceeded},
		failedWrong:      {fmt.Errorf("%w: %w", errWrongAnswer, io.EOF)},
		failedOther:      {errors.New("no such host"), write(syscall.ECONNREFUSED)},
	} {
		for _, err := range errs {
			assert.Equal(t, want, classify(err), "%v", err)
		}
	}
}

func TestTheTableKnowsEveryKind(t *testing.T) {
	var inOrder []failureKind
	for _, k := range failureKindsInOrder {
		inOrder = append(inOrder, k.kind)
	}
	assert.ElementsMatch(t, []failureKind{
		failedEOF, failedReset, failedPipe, failedIdleClosed, failedClosed, failedTimeout, failedWrong, failedOther,
	}, inOrder)
}
