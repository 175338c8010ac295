// Package replay keeps what has been read of a request body, within a limit,
// so that the request can be sent again.
package replay

import (
	"errors"
	"io"
	"sync"
)

// ErrSuperseded is what an attempt reads after a later one has begun.
var ErrSuperseded = errors.New("ttlpool: the request is being sent again")

// Body is a request body that several attempts read, one after the other, each
// from the beginning. An attempt may be begun while a read of the one before
// still hangs in the source: what that read brings goes to the new attempt.
type Body struct {
	source io.ReadCloser
	limit  int64
	turn   chan struct{} // holds the right to read the source; of capacity 1

	mu       sync.Mutex // guards the rest; the source is not touched under it
	latest   *attempt
	kept     tape  // what has been read, from the beginning, unless lost
	lost     bool  // it cannot be read again: more than limit, or no longer kept
	settled  bool  // no further attempt will come
	end      error // what the source ended with: io.EOF or an error
	released bool  // an attempt has closed its body
	closed   bool  // the source is closed
}

// New returns a body that keeps up to limit bytes of source.
func New(source io.ReadCloser, limit int64) *Body {
	return &Body{source: source, limit: limit, turn: make(chan struct{}, 1)}
}

// Attempt returns the body from its beginning. Reads of earlier attempts fail
// from now on. Its Close closes the source only if nobody will read it any more:
// no further attempt can come, or it has ended. What that returns is what the
// source's own Close did.
//
// If the whole body cannot be read again, there is no attempt, and the one before
// goes on. Only this is sure: what Replayable says may be over when the read that
// hangs has returned.
func (b *Body) Attempt() (next io.ReadCloser, whole bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.replayableLocked() {
		return nil, false
	}
	b.latest = &attempt{body: b}
	b.released = false
	return b.latest, true
}

// Replayable reports whether another attempt would read the whole body.
func (b *Body) Replayable() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replayableLocked()
}

func (b *Body) replayableLocked() bool {
	return !b.lost && (b.end == nil && !b.closed || b.end == io.EOF)
}

// Settle says that no further attempt will come: nothing more is kept, and
// the source is closed as soon as the latest attempt is.
func (b *Body) Settle() {
	b.mu.Lock()
	b.settled = true
	b.forgetLocked()
	due := b.released
	b.mu.Unlock()
	if due {
		_ = b.Close() // the attempt's Close has returned long ago
	}
}

// forgetLocked drops what nobody will read any more.
func (b *Body) forgetLocked() {
	if b.settled && (b.latest == nil || b.latest.pos == b.kept.len) {
		b.loseLocked()
	}
}

func (b *Body) loseLocked() {
	b.lost = true
	b.kept.erase()
	if b.latest != nil {
		b.latest.pos = 0
	}
}

// Close closes the source, once.
func (b *Body) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if !first {
		return nil
	}
	return b.source.Close()
}

// attempt reads a Body from its beginning.
type attempt struct {
	body *Body
	pos  int // how much of kept it has read
}

func (a *attempt) Read(p []byte) (int, error) {
	b := a.body
	if n, done, err := a.replay(p); done {
		return n, err
	}
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	// While this waited for its turn, an earlier attempt's read may have
	// brought something.
	if n, done, err := a.replay(p); done {
		return n, err
	}
	n, err := b.source.Read(p)
	a.note(p[:n], err)
	return n, err
}

// replay reads what is known without the source.
func (a *attempt) replay(p []byte) (n int, done bool, err error) {
	b := a.body
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case a != b.latest:
		return 0, true, ErrSuperseded
	case a.pos < b.kept.len:
		n = b.kept.read(p, a.pos)
		a.pos += n
		b.forgetLocked()
		return n, true, nil
	case b.end != nil:
		return 0, true, b.end
	}
	return 0, len(p) == 0, nil
}

// note keeps what was read from the source, if there is still a use for it.
func (a *attempt) note(p []byte, err error) {
	b := a.body
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.end = err
	}
	superseded := a != b.latest // then p exists nowhere else
	switch {
	case b.settled && !superseded, b.lost && !superseded:
		return
	case !superseded && int64(b.kept.len+len(p)) > b.limit:
		b.loseLocked()
		return
	}
	b.kept.write(p)
	if !superseded {
		a.pos = b.kept.len
	}
}

// Close ends the attempt.
func (a *attempt) Close() error {
	b := a.body
	b.mu.Lock()
	b.released = b.released || a == b.latest
	due := a == b.latest && (b.settled || b.end == io.EOF)
	b.mu.Unlock()
	if due {
		return b.Close()
	}
	return nil
}
