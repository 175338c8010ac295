package torture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/ttlpool/ttlpool"
)

// outcome names what became of a request, as in the tables. Answered is all
// that is no failure.
type outcome string

const (
	answered outcome = "answered"
	wrong    outcome = "wrong answer" // one that belongs to another request
	// closedNew is no race for an idle connection: a server has closed a new one
	// without an answer. Some wait for the first request no longer than for the next,
	// and a busy machine can be too slow for that.
	closedNew outcome = "new connection closed"
)

// outcomeOf tells it from what a call of Method.send has returned.
func outcomeOf(status int, header http.Header, err error, id string) outcome {
	switch {
	case err != nil:
		return failureOf(err)
	case status != http.StatusNoContent:
		return outcome(fmt.Sprintf("%d", status))
	case header.Get(idField) != id:
		return wrong
	}
	return answered
}

// failureOf gives the errors of the race their usual names.
func failureOf(err error) outcome {
	var e *ttlpool.ExchangeError
	if errors.As(err, &e) && e.Conn.Uses == 0 && !e.Stale && e.Read == 0 {
		return closedNew
	}
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, os.ErrDeadlineExceeded,
		net.ErrClosed,
	} {
		if errors.Is(err, known) {
			return outcome(known.Error())
		}
	}
	// net/http has no value for this one.
	if strings.Contains(err.Error(), "server closed idle connection") {
		return "server closed idle connection"
	}
	return outcome(err.Error())
}
