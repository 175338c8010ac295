package ttlpool

import (
	"context"
	"errors"
	"net"
	"time"
)

// DialFunc makes a connection, ready to use. It is called without the
// cancellation of the request that needs it, but with its values: the
// connection may serve somebody else if that request gives up. It should set
// a timeout of its own.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dial is one dial in progress. It takes a place within the limit of
// connections, which the connection inherits.
type dial struct {
	bucket *bucket
	ctx    context.Context
	cancel context.CancelFunc
	owner  *waiter // who gets the error, or nil; guarded by bucket.mu
}

var (
	errDialNil    = errors.New("ttlpool: the dial function returned neither a connection nor an error")
	errDialExited = errors.New("ttlpool: the dial function ended its goroutine")
)

// run dials and hands over what comes of it. It must be deferred against: a
// caller's dial function may panic, which goes to the request that waits for
// it, or end the goroutine.
func (d *dial) run() {
	var (
		made     link
		err      = errDialExited
		panicked any
		begun    = time.Now()
	)
	defer func() {
		if err == errDialExited {
			panicked = recover()
		}
		d.cancel()
		if err != nil {
			d.bucket.pool.dialErrors.Add(1)
		}
		took := time.Since(begun)
		d.bucket.dialled(d, made, grant{err: err, panicked: panicked}, readClocks())
		// Last, so that the hook may wait for a connection.
		d.bucket.pool.traces.dialDone(d.bucket.key.address, took, err)
	}()
	made, err = d.bucket.pool.dial(d.ctx, d.bucket.key)
	if err == nil && made.conn == nil {
		err = errDialNil
	}
}
