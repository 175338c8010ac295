package ttlpool

import (
	"context"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"

	"github.com/ttlpool/ttlpool/internal/h1"
)

// witness sees what net/http does not tell of an exchange over HTTP/2 that
// fails: whether a response had begun, were it an informational one, and whether
// it was a hook that has ended it.
type witness struct {
	trace httptrace.ClientTrace
	begun atomic.Bool
	fault atomic.Pointer[h1.RequestError]
}

// watch returns the context of the exchange.
func (w *witness) watch(ctx context.Context) context.Context {
	w.trace.GotFirstResponseByte = func() { w.begun.Store(true) }
	ctx = httptrace.WithClientTrace(ctx, &w.trace) // which takes over the sender's hooks
	if hook := w.trace.Got1xxResponse; hook != nil {
		w.trace.Got1xxResponse = func(code int, header textproto.MIMEHeader) error {
			err := hook(code, header)
			if err != nil {
				w.fault.Store(&h1.RequestError{Err: err})
			}
			return err
		}
	}
	return ctx
}

// explain returns a hook's own error, which net/http wraps, if it was one that has
// ended the exchange, or else the error.
func (w *witness) explain(err error) error {
	if fault := w.fault.Load(); fault != nil {
		return fault
	}
	return err
}
