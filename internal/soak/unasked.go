package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ttlpool/ttlpool/internal/hangup"
)

// unasked is a server that gives an answer nobody has asked for, or 408, when a
// connection has been quiet for some time, and closes it.
type unasked struct {
	ledger   *ledger
	listener net.Listener
	from, to time.Duration // for how long a connection has been quiet then
	ends     sync.WaitGroup

	mu     sync.Mutex // guards conns; nothing is closed under it
	conns  map[net.Conn]struct{}
	closed bool
}

// unaskedID is in the answers that nobody has asked for.
const unaskedID = "unasked"

func startUnasked(name string, l *ledger, from, to time.Duration) (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &unasked{ledger: l, listener: listener, from: from, to: to, conns: make(map[net.Conn]struct{})}
	u.ends.Go(u.accept)
	return &backend{name: name, url: "http://" + listener.Addr().String(), hasty: from < quiet, stop: u.stop}, nil
}

func (u *unasked) accept() {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.ends.Go(func() {
			defer conn.Close()
			if u.hold(conn) {
				u.converse(conn)
			}
			u.forget(conn)
		})
	}
}

func (u *unasked) converse(conn net.Conn) {
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if req.Header.Get("Expect") != "" {
			fmt.Fprint(out, "HTTP/1.1 100 Continue\r\n\r\n")
			_ = out.Flush()
		}
		got, err := readSum(req.Body)
		if err != nil || u.ledger.answer(out, req, got) != nil {
			return
		}
		_ = conn.SetReadDeadline(time.Now().Add(u.from + rand.N(u.to-u.from)))
		_, err = in.Peek(1)
		_ = conn.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			u.speak(conn, in, out)
			return
		}
	}
}

// quiet is after how long a server's idle timer goes off, at the soonest. One that
// speaks sooner may do so on a connection that has just been used.
const quiet = 120 * time.Millisecond

// speak says what nobody has asked for, and ends its side. A request that has
// been sent by then, and arrives, is acknowledged as if it had been answered: its
// client may be unable to tell (docs/staleness.md). It is noted, and whether it was
// there before.
func (u *unasked) speak(conn net.Conn, in *bufio.Reader, out *bufio.Writer) {
	waiting := hangup.NewProbe(conn).State() == hangup.Pending
	status := []string{"200 OK", "408 Request Timeout"}[rand.IntN(2)]
	if writeBare(out, status, unaskedID, "") != nil || conn.(*net.TCPConn).CloseWrite() != nil {
		return
	}
	// Until the client closes, which it does when it sees our end: a request that came
	// after a deadline, and before the close, would be acknowledged and not noted.
	if req, err := http.ReadRequest(in); err == nil {
		u.ledger.slip(req.Header.Get(idHeader), waiting)
	}
}

func (u *unasked) hold(conn net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conns[conn] = struct{}{}
	return !u.closed
}

func (u *unasked) forget(conn net.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, conn)
}

func (u *unasked) stop() {
	_ = u.listener.Close()
	u.mu.Lock()
	u.closed = true
	var all []net.Conn
	for conn := range u.conns {
		all = append(all, conn)
	}
	u.mu.Unlock()
	for _, conn := range all {
		_ = conn.Close()
	}
	u.ends.Wait()
}
