package ttlpool

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/ttlpool/ttlpool/internal/h1"
)

// failedExchange is a failure with its error.
type failedExchange struct {
	failure
	err          error
	lease        lease
	info         ConnInfo
	acknowledged int64
}

// failed gathers what is known of a failed exchange.
func (f *flight) failed(l lease, err error, sent, received int64, second bool) *failedExchange {
	ctx := f.request.Context()
	var fault *h1.RequestError
	isFault := errors.As(err, &fault)
	if isFault {
		err = fault.Err
	}
	cancelled := ctx.Err() != nil
	if cancelled && !isFault {
		err = context.Cause(ctx) // says more than what came of it
	}
	info := l.conn.Info()
	info.Idle = l.idle
	closed := info.Closed == ClosedPoolClosed
	if closed && !cancelled && !isFault {
		err = ErrClosed
	}
	return &failedExchange{
		failure: failure{
			reused:     l.conn.bucket.hasServed(l.conn),
			second:     second,
			own:        isFault || cancelled || closed || errors.Is(err, h1.ErrHeaderTimeout),
			timedOut:   isTimeout(err) && !isBlackHole(err),
			sent:       sent,
			received:   received,
			idempotent: f.transport.idempotent(f.request),
			replayable: f.replayable(),
			method:     f.request.Method,
		},
		err:          err,
		lease:        l,
		info:         info,
		acknowledged: unknownBytes,
	}
}

// endedByTLS reports whether the server has said that it sends no more, and its FIN has
// not come yet, which follows in a segment of its own.
func (e *failedExchange) endedByTLS(known evidence) bool {
	ended := errors.Is(e.err, io.EOF) || errors.Is(e.err, io.ErrUnexpectedEOF)
	return ended && !e.own && e.received == 0 && e.lease.conn.kind == kindTLS && known.premature() && !known.closed
}

// hopesForProof reports whether nothing but the proof that it was unseen would have the
// request sent again.
func (e *failedExchange) hopesForProof() bool {
	return e.sent != 0 && !e.idempotent && e.replayable && !e.second
}

// closedWhileIdle reports whether the peer has hung up on the connection before it had
// the request, for all that is known; and not because of it.
func (e *failedExchange) closedWhileIdle() bool {
	switch {
	case e.lease.conn.session != nil, !e.lease.wasIdle, isBlackHole(e.err), errors.Is(e.err, h1.ErrPremature):
		return false
	}
	return e.unseen || e.sent == 0 || e.lease.idle >= rested
}

// countLost counts a stale exchange whose second try could not be begun.
func (e *failedExchange) countLost() {
	if e.stale() {
		e.lease.conn.bucket.past.tally.countLate(eventNotRetried, 1)
	}
}

// isTimeout reports whether an error is a timeout: the kernel's, say, or that of
// a deadline which somebody else has set.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isBlackHole reports whether the peer did not answer, in the lookout's opinion
// or the kernel's. That is a timeout, but not the caller's.
func isBlackHole(err error) bool {
	return errors.Is(err, ErrBlackHole) || errors.Is(err, syscall.ETIMEDOUT)
}

func (e *failedExchange) closeReason() CloseReason {
	if e.stale() {
		return ClosedStale
	}
	return ClosedFailed
}
