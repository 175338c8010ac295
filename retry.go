package ttlpool

import (
	"context"
	"net/http"
)

// failure is what is known of an exchange that has failed.
type failure struct {
	reused     bool  // the connection had served before, or had been idle
	second     bool  // it was the second try already
	own        bool  // cancelled, too late, the request's own fault, or the pool was closed
	timedOut   bool  // the connection said so
	sent       int64 // bytes the connection has accepted; unknown: not zero
	received   int64 // bytes of a response; unknown: negative
	begun      bool  // a response had begun, of which the bytes are not known
	alone      bool  // only this stream of its connection has failed
	unseen     bool  // the server has certainly not acted on it
	idempotent bool
	replayable bool // the body, if any, can be sent again from its beginning
	method     string
}

// stale reports whether the connection had died while it was idle, as far as
// can be told.
func (f *failure) stale() bool {
	return f.reused && !f.own && !f.timedOut && !f.alone && (!f.answered() || f.unseen)
}

// answered reports whether some of a response had come.
func (f *failure) answered() bool {
	return f.begun || f.received > 0
}

// notRetried says why a request is not sent again, or nothing if it is: the
// table of docs/retry.md.
//
// It keys on the connection having been reused and not on the class of error,
// for EOF, reset and failed write are three shapes of one race. The server of a
// fresh connection has hung up because of the request, unless it provably had
// not seen it.
func (f *failure) notRetried() string {
	switch {
	case f.own:
		return "the failure was the request's own"
	case f.timedOut:
		return "it timed out"
	case f.second:
		return "" // said elsewhere
	case f.unseen && f.replayable:
		return ""
	case f.unseen:
		return "the body cannot be sent again"
	case f.alone:
		return "only its stream has failed, and not the connection"
	case !f.reused:
		return "the connection was fresh"
	case f.answered():
		return "part of a response had arrived"
	case f.sent != 0 && !f.idempotent:
		return f.method + " is not idempotent"
	case !f.replayable:
		return "the body cannot be sent again"
	}
	return ""
}

// RetryReason says what made it safe to send a request again.
type RetryReason int

// The reasons for which a request is sent again.
const (
	RetryUnsent     RetryReason = iota // the connection had accepted no byte of it
	RetryUnseen                        // the server had provably not seen it
	RetryIdempotent                    // it may be acted on twice, by its method or as its sender says
	retryReasons                       // how many there are
)

// String returns a short name, fit for a metric's label.
func (r RetryReason) String() string {
	switch r {
	case RetryUnsent:
		return "unsent"
	case RetryUnseen:
		return "unseen"
	case RetryIdempotent:
		return "idempotent"
	}
	return "unknown"
}

// MarshalText makes Stats readable as JSON.
func (r RetryReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// retryReason is for a request that is sent again.
func (f *failure) retryReason() RetryReason {
	switch {
	case f.sent == 0:
		return RetryUnsent
	case f.unseen:
		return RetryUnseen
	}
	return RetryIdempotent
}

// retry reports whether the request is sent again.
func (f *failure) retry() bool { return !f.second && f.notRetried() == "" }

// idempotentKey marks a context.
type idempotentKey struct{}

// Idempotent returns a context that declares the request that carries it
// idempotent: it may be sent again when a stale connection failed it.
func Idempotent(ctx context.Context) context.Context {
	return context.WithValue(ctx, idempotentKey{}, true)
}

// idempotent reports whether a request may be acted on twice (RFC 9110,
// 9.2.2), by its method or because its sender says so.
func (t *Transport) idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace,
		http.MethodPut, http.MethodDelete:
		return true
	}
	if _, ok := req.Header["Idempotency-Key"]; ok {
		return true
	}
	if _, ok := req.Header["X-Idempotency-Key"]; ok {
		return true
	}
	if declared, _ := req.Context().Value(idempotentKey{}).(bool); declared {
		return true
	}
	return t.declaredIdempotent != nil && t.declaredIdempotent(req)
}
