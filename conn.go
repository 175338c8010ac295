package ttlpool

import (
	"crypto/tls"
	"errors"
	"io"
	"math/bits"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool/internal/hangup"
)

// Conn is a pooled connection: a [net.Conn] that knows its own history.
//
// Whoever got it from [Pool.Get] holds a lease on it, and ends the lease with
// Release, which gives it back to the pool, or Close, which closes it for good.
// It must not be used after either. Read, Write and the deadlines are as safe
// for concurrent use as those of the connection it wraps.
type Conn struct {
	inner   net.Conn
	wire    *wire   // below it, if a Transport has dialled a socket; or nil
	session session // or nil
	bucket  *bucket
	born    instant
	maxAge  time.Duration // drawn at birth; 0: no limit
	probe   prober        // used by the holder of the only lease; nil: nothing to look at
	kind    connKind
	tls     *tls.ConnectionState // once asked for; for the holder only

	arrival   arrival       // of the last byte
	read      atomic.Int64  // bytes
	written   atomic.Int64  // bytes
	deadlined atomic.Bool   // the holder has set a deadline
	hungUp    atomic.Bool   // the peer has closed its side
	halved    atomic.Bool   // the holder has closed the writing side
	asked     atomic.Uint64 // how often the session has been asked for its capacity
	watched   *hangup.Registration

	// The rest is guarded by bucket.mu.

	reused      bool          // has served, or been given back by all its holders, before
	idle        bool          // in the bucket's idle list
	leases      int           // the rights to run an exchange that are out; idle means none
	capacity    int           // how many of them there may be
	answered    uint64        // which time of asking has said so
	retired     CloseReason   // none may be added, whatever the session says, and why; NotClosed: they may
	over        bool          // its session runs nothing any more, while leases are out
	uses        int           // exchanges completed
	maxUses     int           // as the server hints; 0: no limit
	hinted      time.Duration // the server's timeout, as it hints; 0: it does not
	idleSince   instant       // what the idle time counts from
	idleAtLease time.Duration // the idle time at the last checkout
	closed      CloseReason
	closedIdle  bool  // it was idle then
	closing     bool  // it is being closed, and holds its place
	readBefore  int64 // bytes read before the last checkout
	older       *Conn // neighbours in the bucket's idle list
	newer       *Conn
}

func newConn(b *bucket, made link, random float64, now instant) *Conn {
	inner := made.conn
	c := &Conn{
		inner:     inner,
		session:   made.session,
		bucket:    b,
		born:      now,
		maxAge:    b.policy.drawMaxAge(random),
		probe:     proberOf(belowTLS(inner)),
		kind:      kindOf(inner),
		idleSince: now,
		capacity:  1,
	}
	if c.session != nil {
		c.capacity = max(1, c.session.Capacity())
	}
	c.wire, _ = belowTLS(inner).(*wire)
	if c.wire != nil {
		c.wire.shared.Store(c.session != nil)
	}
	c.arrival.noteWrite(now) // a server that speaks first does so from here on
	return c
}

// Read reads from the connection.
func (c *Conn) Read(p []byte) (int, error) {
	if c.wire != nil && c.wire.kernel != nil { // which knows when it arrived
		n, err := c.inner.Read(p)
		c.read.Add(int64(n))
		return n, err
	}
	before := readClocks()
	n, err := c.inner.Read(p)
	if n > 0 {
		c.read.Add(int64(n))
		c.arrival.noteRead(before, readClocks(), c.kind == kindSocket && n < len(p))
	}
	return n, err
}

// Write writes to the connection.
func (c *Conn) Write(p []byte) (int, error) {
	c.arrival.noteWrite(readClocks())
	n, err := c.inner.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// ReadFrom writes what it reads from r, by sendfile where the wrapped
// connection can.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	c.arrival.noteWrite(readClocks()) // not when it returns: r may end long after its last byte
	n, err := io.Copy(c.inner, r)
	c.written.Add(n)
	return n, err
}

// Release gives the connection back to the pool, which keeps it or closes it; one
// whose writing side was closed it closes. Deadlines are taken off. Releasing a
// closed connection does nothing, so that a deferred Release is right after Close
// too; releasing one that is not checked out panics.
func (c *Conn) Release() {
	if c.deadlined.Swap(false) {
		_ = c.inner.SetDeadline(time.Time{}) // if it fails, the next user's first call will
	}
	c.bucket.pool.release(c, readClocks(), true)
}

// Close closes the connection for good. It may be called more than once and
// concurrently; only the first call can return an error.
func (c *Conn) Close() error { return c.bucket.pool.close(c, ClosedByHolder, readClocks()) }

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr { return c.inner.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// SetDeadline sets the deadline of reads and writes until Release.
func (c *Conn) SetDeadline(t time.Time) error {
	c.deadlined.Store(true)
	return c.inner.SetDeadline(t)
}

// SetReadDeadline sets the deadline of reads until Release.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.deadlined.Store(true)
	return c.inner.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of writes until Release.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadlined.Store(true)
	return c.inner.SetWriteDeadline(t)
}

// NetConn returns the wrapped connection, for what a net.Conn does not offer.
// Bytes read from or written to it directly are not counted, nor is it noticed if
// a side of it is closed. Deadlines set on it last until Release, too, if this was
// called for the same lease.
func (c *Conn) NetConn() net.Conn {
	c.deadlined.Store(true) // perhaps, and unseen
	return bare(c.inner)
}

// CloseWrite closes the writing side of a connection that can do that, as TCP
// and TLS can; when it is given back, it is closed. If the wrapped one cannot, the
// error is [errors.ErrUnsupported].
func (c *Conn) CloseWrite() error {
	if half, ok := bare(c.inner).(interface{ CloseWrite() error }); ok {
		c.halved.Store(true) // even if it fails: nobody knows how far it has come
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ConnInfo is what a Conn knows of itself, at one instant.
type ConnInfo struct {
	Network, Address string
	Born             time.Time     // when it was dialled
	Age              time.Duration // since Born, suspension included
	LastUse          time.Time     // when the last byte arrived, or Born
	Idle             time.Duration // since LastUse, if it is idle or was when it was closed; else how long it was idle before this use
	Uses             int           // exchanges completed; reused means more than none
	Leases           int           // exchanges running

	// Read and Written are bytes, over the whole life. Over HTTP/2 they are those
	// of the socket, TLS's own included, and nothing where there is none.
	Read, Written int64

	Closed CloseReason // NotClosed while it is open
}

// Info returns what the connection knows of itself now.
func (c *Conn) Info() ConnInfo { return c.infoAt(readClocks()) }

func (c *Conn) infoAt(now instant) ConnInfo {
	c.bucket.mu.Lock()
	defer c.bucket.mu.Unlock()
	return c.infoLocked(now)
}

func (c *Conn) infoLocked(now instant) ConnInfo {
	idle := c.idleAtLease
	if c.idle || c.closedIdle {
		idle = elapsed(now, c.idleSince)
	}
	read, written := c.transferred()
	return ConnInfo{
		Network: c.bucket.key.network, Address: c.bucket.key.address,
		Born: c.born.time(), Age: elapsed(now, c.born),
		LastUse: c.idleSince.time(), Idle: idle,
		Uses: c.uses, Leases: c.leases,
		Read: read, Written: written,
		Closed: c.closed,
	}
}

// transferred is how many bytes were read and written. A session does not do that
// through the Conn.
func (c *Conn) transferred() (read, written int64) {
	if c.session != nil && c.wire != nil {
		return c.wire.received.Load(), c.wire.sent.Load()
	}
	return c.read.Load(), c.written.Load()
}

const (
	// answeredAtOnce is how soon a response ends to be dated by its request:
	// that is certainly not too late, and costs nothing.
	answeredAtOnce = 5 * time.Millisecond
	// serverBuffer is the size from which the end of a response may have
	// waited in the server's own buffer for long, its keep-alive clock running;
	// initialWindow is what is sent at once (RFC 6928: ten segments), and each
	// doubling takes another round trip.
	serverBuffer  = 64 << 10
	initialWindow = 10 << 10
	// kernelGrain is how coarse the kernel's time of the last arrival is.
	kernelGrain = 5 * time.Millisecond
)

// lastArrival is what the idle time counts from: when the last byte arrived, as
// the kernel tells, or else what is certainly not too late.
//
// A session's reads are not seen here; it tells its peer as it reads, which is
// activity there too.
func (c *Conn) lastArrival(now instant) instant {
	if c.session != nil {
		return now
	}
	wrote, latest := c.arrival.bounds()
	size := c.read.Load() - c.readBefore
	if c.wire == nil || c.wire.kernel == nil {
		if size > initialWindow {
			return wrote // the end may have waited in the server's buffer
		}
		return latest
	}
	if elapsed(now, wrote) <= answeredAtOnce || size > serverBuffer {
		return wrote
	}
	info, ok := c.wire.kernel.Info()
	if !ok {
		return wrote
	}
	flights := time.Duration(bits.Len64(uint64(size / initialWindow)))
	arrived := now.before(info.SinceArrival + kernelGrain + flights*info.RoundTrip)
	if arrived.monotonic > wrote.monotonic {
		return arrived.awakeSince(wrote) // the kernel's clock stands still, too
	}
	return wrote
}

func (c *Conn) lifetimeLocked(now instant) lifetime {
	l := lifetime{
		born: c.born, maxAge: c.maxAge, idleSince: c.idleSince,
		uses: c.uses, maxUses: c.maxUses,
		hinted: c.hinted, learned: c.bucket.learned(now),
	}
	if c.wire != nil {
		l.roundTrip = c.wire.longestRoundTrip()
	}
	return l
}

// unfit looks at a connection that is about to be used again, and says why it
// may not be. The caller holds a lease. A session reads all the time, and
// notices by itself.
func (c *Conn) unfit() CloseReason {
	if c.session != nil {
		if c.session.Capacity() == 0 {
			return ClosedHungUp
		}
		return NotClosed
	}
	if c.hungUp.Load() {
		return ClosedHungUp
	}
	if c.probe == nil {
		return NotClosed
	}
	return c.probe.look()
}

// saidGoodbye reports whether a connection was refused because the peer has hung up. With
// TLS that is said first, by bytes that look like any other.
func (c *Conn) saidGoodbye(why CloseReason) bool {
	if c == nil || c.session != nil {
		return false
	}
	return why == ClosedHungUp || why == ClosedStrayBytes && c.kind == kindTLS
}

// takenInByTLS says why a connection may not be kept of which TLS has read what
// nobody has asked it for: bytes, or the peer's word that there will be no more.
// The socket does not show them; a Read that finds nothing there does. It goes
// through all layers: what the lower one has decrypted, the upper one reads.
func (c *Conn) takenInByTLS() CloseReason {
	if c.kind != kindTLS || c.session != nil {
		return NotClosed
	}
	switch n, err := c.readDry(); {
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return NotClosed
	case n == 0 && err == io.EOF:
		return ClosedHungUp
	}
	return ClosedStrayBytes
}

// readDry reads a byte that TLS has already, or its error; where it has neither
// the error is os.ErrDeadlineExceeded.
func (c *Conn) readDry() (int, error) {
	if w := c.wire; w != nil {
		w.dry.Store(true)
		defer w.dry.Store(false)
		return c.inner.Read(w.scratch[:])
	}
	_ = c.inner.SetReadDeadline(longAgo)
	defer c.inner.SetReadDeadline(time.Time{})
	var one [1]byte
	return c.inner.Read(one[:])
}

var longAgo = time.Unix(1, 0)

// tlsState returns the state of TLS, which is the same for all exchanges, or
// nil. Only the holder of the only lease may call it.
func (c *Conn) tlsState() *tls.ConnectionState {
	if c.tls == nil {
		if t, ok := bare(c.inner).(*tls.Conn); ok { // a caller's own, if over one of unknown kind
			state := t.ConnectionState()
			c.tls = &state
		}
	}
	return c.tls
}

// mayHang reports whether the wrapped connection's Close may: that of anything
// but a socket, and that of a session, which waits for whoever is writing.
func (c *Conn) mayHang() bool {
	return c.session != nil || kindOf(belowTLS(c.inner)) != kindSocket
}

// shut closes the wrapped connection. It must not stop whoever happens to evict
// it.
func (c *Conn) shut() {
	c.watched.Stop()
	var closer io.Closer = c.inner
	switch {
	case c.session != nil:
		closer = c.session
	case c.brokenOff():
		closer = belowTLS(c.inner) // TLS would wait to say goodbye, for 5 s
	}
	if c.mayHang() {
		go closer.Close()
		return
	}
	_ = closer.Close() // nobody is left to whom an error would matter
}

// brokenOff reports whether an evicted connection may be in the middle of
// something.
func (c *Conn) brokenOff() bool {
	switch c.closed { // no longer changes
	case ClosedFailed, ClosedUnread, ClosedStale, ClosedPoolClosed:
		return true
	}
	return false
}
