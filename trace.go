package ttlpool

import (
	"context"
	"time"
)

// Trace is a set of hooks on the life of connections. Each may be nil.
//
// Hooks are called by the goroutine that does the thing they tell of, with no
// lock held, so they may call the pool; while one runs, that goroutine waits, and
// a request that it has got a connection for, or a place among those who wait, keeps
// that: a hook that waits for a connection itself wants a limit that leaves it one.
// What comes of peers that hang up is told by a goroutine of its own, in order.
// They are called concurrently. A hook that panics does so in the call that it
// interrupts, and no connection is lost by it; one that was called by a goroutine
// of the pool's (DialDone, TTLTooLong, ConnClosed where a connection expires or
// its peer hangs up, and what follows when a context ends with the body of a response
// over HTTP/2 still open) ends the program.
type Trace struct {
	// DialDone is called after each dial. On success err is nil.
	DialDone func(address string, took time.Duration, err error)

	// GotConn is called at each checkout, before the connection is used.
	GotConn func(ConnInfo)

	// PutIdle is called when a connection has become idle in the pool.
	PutIdle func(ConnInfo)

	// ConnClosed is called after a connection was closed; ConnInfo.Closed
	// says why.
	ConnClosed func(ConnInfo)

	// TTLTooLong is called once for each address whose server has closed idle
	// connections before their TTL ran out, often enough to be sure; and once more
	// for another scheme or proxy, of which other closes are known. It is called at
	// most ten times a minute in all. ttl is the one that was stated, or that follows
	// from what was stated, or hinted, of the server's timeout.
	TTLTooLong func(address string, ttl time.Duration, evidence Evidence)

	// Stale is called when a request failed on a stale connection, with the
	// request's context. If the request will be sent again, err.NotRetried is
	// empty and err.Retried is false.
	Stale func(ctx context.Context, err *ExchangeError)
}

// traces calls every trace of a pool in the order in which they were given.
type traces []*Trace

func (ts traces) dialDone(address string, took time.Duration, err error) {
	for _, t := range ts {
		if t.DialDone != nil {
			t.DialDone(address, took, err)
		}
	}
}

func (ts traces) gotConn(c *Conn, now instant) {
	for _, t := range ts {
		if t.GotConn != nil {
			t.GotConn(c.infoAt(now))
		}
	}
}

func (ts traces) putIdle(c *Conn, now instant) {
	for _, t := range ts {
		if t.PutIdle != nil {
			t.PutIdle(c.infoAt(now))
		}
	}
}

func (ts traces) connClosed(c *Conn, now instant) {
	for _, t := range ts {
		if t.ConnClosed != nil {
			t.ConnClosed(c.infoAt(now))
		}
	}
}

func (ts traces) stale(ctx context.Context, err *ExchangeError) {
	for _, t := range ts {
		if t.Stale != nil {
			t.Stale(ctx, err)
		}
	}
}

func (ts traces) ttlTooLong(address string, ttl time.Duration, evidence Evidence) {
	for _, t := range ts {
		if t.TTLTooLong != nil {
			t.TTLTooLong(address, ttl, evidence)
		}
	}
}
