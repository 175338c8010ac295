package contract

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

var (
	errUpload  = errors.New("the caller's body failed")
	errCause   = errors.New("the caller's reason to cancel")
	errTooSoon = errors.New("the caller's body was read too soon")
	errClosed  = errors.New("the caller's body was closed")
)

// An upload says what body a request has. Its parts are, in the order they are read: a string, one Read each; a moment
// to wait for; must, which fails when a moment has not been reached; an error; a func(*http.Request) to call.
type upload struct {
	parts    []any
	length   int64 // as Request.ContentLength; -1 is unknown
	inMemory bool  // one of the types that net/http knows, which cannot be watched
	getBody  bool
}

// must is a part that may not be read before its moment.
type must moment

// memory is what http.NewRequest makes of a strings.Reader that is not empty.
func memory(text string) *upload { return &upload{parts: []any{text}, inMemory: true} }

// sized announces the length of its parts.
func sized(parts ...any) *upload {
	u := stream(parts...)
	u.length = 0
	for _, p := range parts {
		if text, ok := p.(string); ok {
			u.length += int64(len(text))
		}
	}
	return u
}

// stream has an unknown length.
func stream(parts ...any) *upload { return &upload{parts: parts, length: -1} }

// ofLength announces a length, true or not.
func (u *upload) ofLength(n int64) *upload {
	lies := *u
	lies.length = n
	return &lies
}

// replayable has a GetBody.
func (u *upload) replayable() *upload {
	again := *u
	again.getBody = true
	return &again
}

// attach gives r this body. The watch returned tells what became of it.
func (u *upload) attach(r *http.Request, st *stage) *watch {
	if u == nil {
		return nil
	}
	if u.inMemory {
		text := strings.NewReader(u.parts[0].(string))
		r.Body, r.ContentLength = io.NopCloser(text), text.Size()
		r.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(u.parts[0].(string))), nil
		}
		return nil
	}
	w := &watch{}
	r.Body, r.ContentLength = u.open(r, st, w), u.length
	if u.getBody {
		r.GetBody = func() (io.ReadCloser, error) { return u.open(r, st, w), nil }
	}
	return w
}

func (u *upload) open(r *http.Request, st *stage, w *watch) *watchedBody {
	b := &watchedBody{parts: u.parts, request: r, stage: st, watch: w, done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, b)
	return b
}

// watch keeps the bodies that one request was sent with, the later ones by GetBody.
type watch struct {
	mu     sync.Mutex
	bodies []*watchedBody
}

// closed waits for every body to be closed.
func (w *watch) closed() {
	if w == nil {
		return
	}
	w.mu.Lock()
	bodies := w.bodies
	w.mu.Unlock()
	for _, b := range bodies {
		b.awaitClose()
	}
}

// closes are how often each body was closed, with a mark where it was read after that.
func (w *watch) closes() []string {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for _, b := range w.bodies {
		all = append(all, b.fate())
	}
	return all
}

// watchedBody is a request body that nothing is known of, and that counts how it is treated.
type watchedBody struct {
	request *http.Request
	stage   *stage
	watch   *watch
	done    chan struct{} // closed by the first Close

	mu        sync.Mutex
	parts     []any
	closed    int
	readAfter bool
}

func (b *watchedBody) Read(buf []byte) (int, error) {
	for {
		n, wait, err := b.step(buf)
		if wait == nil {
			return n, err
		}
		select {
		case <-wait:
		case <-b.done:
			return 0, errClosed
		case <-b.stage.ctx.Done():
			return 0, b.stage.ctx.Err()
		}
	}
}

// step takes the next part; a channel it returns is to be waited for before the one after it.
func (b *watchedBody) step(buf []byte) (n int, wait <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed > 0 {
		b.readAfter = true
		return 0, nil, errClosed
	}
	if len(b.parts) == 0 {
		return 0, nil, io.EOF
	}
	part := b.parts[0]
	b.parts = b.parts[1:]
	switch part := part.(type) {
	case string:
		n := copy(buf, part)
		if n < len(part) {
			b.parts = append([]any{part[n:]}, b.parts...)
		}
		return n, nil, nil
	case error:
		return 0, nil, part
	case must:
		if !b.stage.has(moment(part)) {
			return 0, nil, errTooSoon
		}
		return b.nothing()
	case moment:
		return 0, b.stage.reached(part), nil
	case func(*http.Request):
		part(b.request)
		return b.nothing()
	}
	panic("contract: an upload has a part of no known kind")
}

// nothing is a step that gives no bytes and goes on at once.
func (*watchedBody) nothing() (int, <-chan struct{}, error) {
	now := make(chan struct{})
	close(now)
	return 0, now, nil
}

func (b *watchedBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed++; b.closed == 1 {
		close(b.done)
	}
	return nil
}

func (b *watchedBody) awaitClose() {
	select {
	case <-b.done:
	case <-time.After(grace):
	}
}

func (b *watchedBody) fate() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	fate := [...]string{"never closed", "closed once"}[min(b.closed, 1)]
	if b.closed > 1 {
		fate = "closed again"
	}
	if b.readAfter {
		fate += ", read after that"
	}
	return fate
}
