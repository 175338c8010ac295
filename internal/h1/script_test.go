package h1

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scripted is a connection in memory. It gives what its script says, and then
// its end, or waits until it is interrupted by a deadline in the past, or
// closed. It takes any write, unless writeErr is set.
type scripted struct {
	net.Conn // nil: nothing but what is here may be called

	mu        sync.Mutex
	changed   sync.Cond // with mu, which guards the rest
	script    string
	piece     int   // the most that one Read gives; 0: no limit
	end       error // nil: wait
	writeErr  error
	written   strings.Builder
	deadlines []time.Time
	closed    bool
}

func newScripted(script string, end error) *scripted {
	c := &scripted{script: script, end: end}
	c.changed.L = &c.mu
	return c
}

func (c *scripted) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.interruptedLocked():
			return 0, os.ErrDeadlineExceeded
		case c.script != "":
			if c.piece > 0 && len(p) > c.piece {
				p = p[:c.piece]
			}
			n := copy(p, c.script)
			c.script = c.script[n:]
			return n, nil
		case c.end != nil:
			return 0, c.end
		}
		c.changed.Wait()
	}
}

func (c *scripted) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case c.interruptedLocked():
		return 0, os.ErrDeadlineExceeded
	case c.writeErr != nil:
		return 0, c.writeErr
	}
	return c.written.Write(p)
}

// say adds to the script.
func (c *scripted) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script += text
	c.changed.Broadcast()
}

// fail sets what comes after the script.
func (c *scripted) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = err
	c.changed.Broadcast()
}

func (c *scripted) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadlines = append(c.deadlines, t)
	c.changed.Broadcast()
	return nil
}

func (c *scripted) interruptedLocked() bool {
	return len(c.deadlines) > 0 && !c.deadlines[len(c.deadlines)-1].IsZero()
}

func (c *scripted) interrupted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.interruptedLocked()
}

func (c *scripted) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
	return nil
}

func (c *scripted) sentText() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written.String()
}

// keeper is an Owner that remembers what it was told. As a pool does, it closes
// the connection unless it can be used again.
type keeper struct {
	conn      io.Closer
	premature func(timedOut bool) bool // nil: never
	followed  func() bool              // nil: never
	unfit     bool
	mu        sync.Mutex
	heads     []*http.Response
	outcomes  []Outcome
}

func (k *keeper) Fit() bool { return !k.unfit }

func (k *keeper) Premature(timedOut *http.Response) bool {
	return k.premature != nil && k.premature(timedOut != nil)
}

func (k *keeper) Followed() bool { return k.followed != nil && k.followed() }

func (k *keeper) Answered(resp *http.Response) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heads = append(k.heads, resp)
}

func (k *keeper) Ended(outcome Outcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.outcomes = append(k.outcomes, outcome)
	if outcome != Reusable {
		_ = k.conn.Close()
	}
}

func (k *keeper) ends() []Outcome {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.outcomes
}

// newExchange prepares an exchange on a connection.
func newExchange(c net.Conn) (*Exchange, *keeper) {
	s := NewSettings(0, 0)
	s.MaxHeaderBytes = 64 << 10
	s.ContinueTimeout = time.Second
	k := &keeper{conn: c}
	return &Exchange{Settings: s, Conn: c, Owner: k}, k
}

func newRequest(t testing.TB, method string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://hub.test/", body)
	require.NoError(t, err)
	return req
}

// watchedBody is a request body that counts its closes, and reads after them.
type watchedBody struct {
	io.Reader
	mu         sync.Mutex
	closes     int
	readsAfter int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.closes > 0 {
		b.readsAfter++
	}
	b.mu.Unlock()
	return b.Reader.Read(p)
}

func (b *watchedBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closes++
	return nil
}

func (b *watchedBody) counts() (closes, readsAfter int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closes, b.readsAfter
}
