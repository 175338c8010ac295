package ttlpool

import (
	"errors"
	"net/http/httptrace"
)

func traceGotConn(trace *httptrace.ClientTrace, l lease) {
	if trace.GotConn == nil {
		return
	}
	info := httptrace.GotConnInfo{Conn: l.conn.NetConn(), Reused: l.reused, WasIdle: l.wasIdle}
	if l.wasIdle {
		info.IdleTime = l.idle
	}
	trace.GotConn(info)
}

var errNotKept = errors.New("ttlpool: the connection is not kept")

func (f *flight) tracePutIdle(kept bool) {
	trace := httptrace.ContextClientTrace(f.request.Context())
	switch {
	case trace == nil || trace.PutIdleConn == nil:
	case kept:
		trace.PutIdleConn(nil)
	default:
		trace.PutIdleConn(errNotKept)
	}
}
