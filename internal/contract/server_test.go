package contract

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	warmPath  = "/warm"
	probePath = "/probe"
	// afterScript answers whatever a connection is asked once its script has ended.
	afterScript = "HTTP/1.1 200 OK\r\nX-From: after the script\r\nContent-Length: 5\r\n\r\nafter"
)

// server is a raw TCP server: its connections follow the scripts of one exchange.
type server struct {
	x        exchange
	stage    *stage
	tls      *tls.Config // nil: plain TCP
	listener *net.TCPListener
	serving  sync.WaitGroup
	closing  sync.Once

	mu    sync.Mutex
	peers []*peer
	warm  int           // connections that have received their warming request
	probe *peer         // the connection that answered the probe
	last  string        // the address of the marker that catchUp sends
	seen  chan struct{} // closed when the marker is accepted
}

func listen(t *testing.T, x exchange, m mode, st *stage) *server {
	l, err := listeners.take()
	if err != nil {
		t.Errorf("listen: %v", err)
		return nil
	}
	s := &server{x: x, stage: st, listener: l}
	if m == overTLS {
		s.tls = serverTLS()
	}
	s.serving.Go(s.accept)
	return s
}

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if c.RemoteAddr().String() == s.last {
			c.Close()
			close(s.seen)
			s.mu.Unlock()
			continue
		}
		p := &peer{Conn: c, tcp: c.(*net.TCPConn), stage: s.stage, index: len(s.peers),
			ended: make(chan struct{}), gone: make(chan struct{})}
		if s.tls != nil {
			p.Conn = tls.Server(c, s.tls)
		}
		p.in = bufio.NewReader(io.TeeReader(p.Conn, &p.wire))
		s.peers = append(s.peers, p)
		s.mu.Unlock()
		s.serving.Go(func() { s.serve(p) })
	}
}

func (s *server) serve(p *peer) {
	defer close(p.gone)
	defer p.tcp.Close()
	err := s.follow(p)
	if wrong, ok := errors.AsType[*mismatch](err); ok {
		p.fault = wrong
	}
	if err == io.EOF {
		_ = p.tcp.SetLinger(0) // both sides have ended: leave no TIME_WAIT behind, there are thousands of connections
	}
}

func (s *server) follow(p *peer) error {
	var steps script
	switch first := max(1, s.x.warm); {
	case p.index < first:
		steps = s.x.server
	case p.index == first:
		steps = s.x.next
	}
	if p.index < s.x.warm {
		if err := s.answerWarming(p); err != nil {
			return err
		}
	}
	for _, step := range steps {
		if err := step(p); err != nil {
			return err
		}
	}
	for {
		if err := s.answerNext(p); err != nil {
			return err
		}
	}
}

// answerWarming answers once every connection to be warmed has its request, so that each gets one of its own.
func (s *server) answerWarming(p *peer) error {
	if err := readRequest(p); err != nil {
		return err
	}
	p.forget()
	s.mu.Lock()
	s.warm++
	all := s.warm == s.x.warm
	s.mu.Unlock()
	if all {
		s.stage.tell("every connection is warming")
	}
	if err := s.stage.await("every connection is warming"); err != nil {
		return err
	}
	_, err := io.WriteString(p.Conn, afterScript)
	return err
}

// answerNext is what a connection does when its script has ended.
func (s *server) answerNext(p *peer) error {
	start := p.consumed()
	if err := readHead(p); err != nil {
		return err
	}
	if p.request.URL.Path == probePath {
		p.wire.cut(start)
		s.probed(p)
	}
	if err := readBody(p); err != nil {
		return err
	}
	if _, err := io.WriteString(p.Conn, afterScript); err != nil {
		s.probed(nil) // the script has ended this side: another connection will be asked
		return err
	}
	return nil
}

func (s *server) probed(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probe = p
}

// catchUp waits until every connection made so far has been accepted, by making one more: they come in order.
func (s *server) catchUp() error {
	marker, err := s.mark()
	if err != nil {
		return err
	}
	defer marker.Close()
	select {
	case <-s.seen:
		return nil
	case <-s.stage.ctx.Done():
		return s.stage.ctx.Err()
	}
}

// mark connects while the lock keeps accept from taking the marker for a client's connection.
func (s *server) mark() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	s.last, s.seen = c.LocalAddr().String(), make(chan struct{})
	return c, nil
}

func (s *server) all() []*peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.peers)
}

// used are the connections that carried a byte of the exchange so far.
func (s *server) used() []*peer {
	var used []*peer
	for _, p := range s.all() {
		if p.wire.len() > 0 {
			used = append(used, p)
		}
	}
	return used
}

// sent is every byte the client has put on the wire, connection by connection.
func (s *server) sent(used []*peer) string {
	var all strings.Builder
	for i, p := range used {
		if i > 0 {
			fmt.Fprintf(&all, "\n-- connection %d --\n", i+1)
		}
		all.Write(p.wire.bytes())
	}
	return s.anonymous(all.String())
}

// anonymous takes the server's address out of a text.
func (s *server) anonymous(text string) string {
	return strings.ReplaceAll(text, s.listener.Addr().String(), "HOST")
}

// hangUp ends every connection, and with it whoever waits for one.
func (s *server) hangUp() {
	for _, p := range s.all() {
		_ = p.tcp.SetLinger(0)
		p.tcp.Close()
	}
}

// close ends the server, and leaves its listener to another one where nobody can dial it any more.
func (s *server) close() {
	s.closing.Do(func() {
		reusable := s.x.dial == nil && s.catchUp() == nil
		_ = s.listener.SetDeadline(time.Now()) // ends accept
		s.hangUp()
		s.serving.Wait()
		if reusable {
			listeners.give(s.listener)
		} else {
			s.listener.Close()
		}
	})
}
