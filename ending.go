package ttlpool

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"

	"github.com/ttlpool/ttlpool/internal/tcpinfo"
)

// ending is how the peer has ended a connection: by its FIN, or by a reset. Both
// look alike once it is over, for the kernel tells of a reset only once: if a
// write has been told, a read that follows comes to an ordinary end.
//
// A reset that comes after the FIN is another thing: it is what the first bytes
// bring about that are sent to a closed socket. The kernel calls it EPIPE.
type ending struct {
	ended  atomic.Bool  // the FIN, or a reset that somebody was told of, has come
	reset  atomic.Bool  // somebody was told of a reset
	writes atomic.Int32 // in progress, and looks: they may be told, and not have said so yet
}

// note takes in what a read or a write has come to.
func (e *ending) note(err error) {
	switch {
	case err == nil:
	case err == io.EOF, errors.Is(err, syscall.EPIPE):
		e.ended.Store(true)
	case errors.Is(err, syscall.ECONNRESET):
		e.reset.Store(true)
	}
}

// wrote ends a write.
func (e *ending) wrote(err error) {
	e.note(err)
	e.writes.Add(-1)
}

// look is for those who have not read on: TLS ends by a message of its own. It
// matters when a reset has followed the FIN, of which the kernel's state shows
// nothing any more.
func (e *ending) look(kernel *tcpinfo.Socket) {
	if e.ended.Load() {
		return
	}
	e.writes.Add(1)
	defer e.writes.Add(-1)
	ended, reset := kernel.End()
	if reset {
		e.reset.Store(true)
	}
	if ended {
		e.ended.Store(true)
	}
}

// inOrder reports whether the peer has certainly closed by FIN, no reset having
// come before it.
func (e *ending) inOrder() bool {
	return e.ended.Load() && e.writes.Load() == 0 && !e.reset.Load()
}
