package aim

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/hangup"
)

// script is what a server does, besides answering.
type script struct {
	idle    time.Duration // after which it ends an idle connection; 0: never
	lingers bool          // it ends its own side, and throws away what comes until the client does too
	early   string        // what it says then, unasked
	stays   bool          // and it does not close
	blind   bool          // and it does not look first whether a request has come
	maxUses int           // after which it closes, without a word; 0: no limit
	fields  string        // of each response
	body    int           // how long each body is
	gate    chan struct{} // no answer before it is closed; nil: at once
	abandon func(*net.TCPConn)
}

const (
	ports  = 4              // so that sockets in TIME_WAIT do not use up the client's ports
	idName = "X-Request-Id" // by which real servers count, too
)

// target is what calls are aimed at.
type target interface {
	address(lane int) string
	idleTimeout() time.Duration
	times(id string) int // how often a call was processed
	hasSlipped(id string) bool
}

// server counts what it has processed, by request.
type server struct {
	script    script
	listeners []net.Listener
	all       sync.WaitGroup

	mu        sync.Mutex // guards the rest; connections are closed without it
	processed map[string]int
	answered  map[string]time.Time // when the kernel had taken the response
	slipped   map[string]bool      // requests that had arrived, unread, when something early was said
	conns     map[*served]struct{}
}

// served is a connection.
type served struct {
	net.Conn
	sent time.Time // when the last response was; for its goroutine only

	mu   sync.Mutex // guards idle; the socket may be closed under it
	idle bool       // has served, and waits for the next request
}

func serve(t *testing.T, p path, s script) *server {
	srv, err := newServer(p.listen, s)
	t.Cleanup(srv.close)
	require.NoError(t, err)
	return srv
}

// newServer serves until close, even if there is an error.
func newServer(listen func() (net.Listener, error), s script) (*server, error) {
	srv := &server{
		script:    s,
		processed: make(map[string]int),
		answered:  make(map[string]time.Time),
		slipped:   make(map[string]bool),
		conns:     make(map[*served]struct{}),
	}
	for range ports {
		l, err := listen()
		if err != nil {
			return srv, err
		}
		srv.listeners = append(srv.listeners, l)
		srv.all.Go(func() { srv.accept(l) })
	}
	return srv, nil
}

func (s *server) idleTimeout() time.Duration { return s.script.idle }

func (s *server) address(lane int) string { return s.listeners[lane%ports].Addr().String() }

func (s *server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		c := &served{Conn: conn}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.all.Go(func() { s.converse(c) })
	}
}

func (s *server) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// closeIdle ends all idle connections at once, as a server does that restarts
// when it has served what there is to be read.
func (s *server) closeIdle() {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range all {
		c.closeIfIdle()
	}
}

// idle returns how many connections closeIdle would end.
func (s *server) idle() (n int) {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range all {
		if c.isIdle() {
			n++
		}
	}
	return n
}

func (c *served) isIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}

func (c *served) closeIfIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle && hangup.NewProbe(c.Conn).State() == hangup.Quiet {
		_ = c.Close()
	}
}

func (c *served) setIdle(idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = idle
}

func (s *server) converse(c *served) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close()
	}()
	in := bufio.NewReader(c)
	for uses := 0; s.script.maxUses == 0 || uses < s.script.maxUses; uses++ {
		if uses > 0 && !s.await(c, in) {
			return
		}
		if !s.answer(c, in) {
			return
		}
		c.sent = time.Now()
		c.setIdle(true)
	}
}

// await waits for the next request for as long as the script allows.
func (s *server) await(c *served, in *bufio.Reader) bool {
	if s.script.idle > 0 {
		_ = c.SetReadDeadline(c.sent.Add(s.script.idle))
	}
	_, err := in.Peek(1)
	_ = c.SetReadDeadline(time.Time{})
	switch timedOut := errors.Is(err, os.ErrDeadlineExceeded); {
	case timedOut && s.script.early != "":
		err = s.speakEarly(c, in) // if it is none, a request has come
	case timedOut && s.script.lingers:
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, in)
	}
	c.setIdle(false)
	return err == nil
}

// speakEarly says what nobody has asked for. The error ends the connection. It
// looks just before, as a server does whose event loop serves what there is to be
// read before it looks at its timers; one with a thread for each connection does
// not.
func (s *server) speakEarly(c *served, in *bufio.Reader) error {
	if !s.script.blind && hangup.NewProbe(c.Conn).State() == hangup.Pending {
		return nil
	}
	_, _ = io.WriteString(c, s.script.early)
	s.noteSlipped(c, in)
	if !s.script.stays {
		s.noteSlipped(c, in) // just before the close
		return io.EOF
	}
	_, err := in.Peek(1)
	return err
}

// noteSlipped notes a request that has arrived already: it was acknowledged
// with what was said.
func (s *server) noteSlipped(c *served, in *bufio.Reader) {
	if hangup.NewProbe(c.Conn).State() != hangup.Pending {
		return
	}
	_, _ = in.Peek(1)
	head, _ := in.Peek(in.Buffered())
	if req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head))); err == nil {
		s.mu.Lock()
		s.slipped[req.Header.Get(idName)] = true
		s.mu.Unlock()
	}
	_ = c.Conn.(*net.TCPConn).SetLinger(0) // to close as if it were unread
}

// answer reads a request and answers it.
func (s *server) answer(c *served, in *bufio.Reader) bool {
	req, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	id := req.Header.Get(idName)
	s.mu.Lock()
	s.processed[id]++
	s.mu.Unlock()
	if s.script.abandon != nil && req.Method == http.MethodPost {
		s.script.abandon(c.Conn.(*net.TCPConn))
		return false
	}
	if s.script.gate != nil {
		<-s.script.gate
	}
	_, err = io.WriteString(c, response("200 OK", id, s.script.fields, s.script.body))
	s.mu.Lock()
	s.answered[id] = time.Now()
	s.mu.Unlock()
	return err == nil
}

func response(status, id, fields string, body int) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%s: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		status, idName, id, fields, body, strings.Repeat("x", body))
}

// answeredAt returns when the server's clock for the connection of a request
// began to run.
func (s *server) answeredAt(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered[id]
}

func (s *server) hasSlipped(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slipped[id]
}

// times returns how often a request was processed.
func (s *server) times(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.processed[id]
}

// total returns how many requests were processed.
func (s *server) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.processed)
}
