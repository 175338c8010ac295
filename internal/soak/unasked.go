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
	ends     sync.WaitGroup

	mu     sync.Mutex // guards conns; nothing is closed under it
	conns  map[net.Conn]struct{}
	closed bool
}

// unaskedID is in the answers that nobody has asked for.
const unaskedID = "unasked"

func startUnasked(name string, l *ledger) (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &unasked{ledger: l, listener: listener, conns: make(map[net.Conn]struct{})}
	u.ends.Go(u.accept)
	return &backend{name: name, url: "http://" + listener.Addr().String(), stop: u.stop}, nil
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
		_ = conn.SetReadDeadline(time.Now().Add(quiet + rand.N(quiet)))
		_, err = in.Peek(1)
		_ = conn.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			u.speak(conn, in, out)
			return
		}
	}
}

// quiet is for how long a connection has, at least. Behind one that was busy
// until just now, a client that is slow to read may not look who is answered: see
// docs/staleness.md.
const quiet = 120 * time.Millisecond

// linger is for how long a request may still come.
const linger = 20 * time.Millisecond

// speak says what nobody has asked for, and ends its side. A request that has
// been sent by then, and arrives, is acknowledged as if it had been answered: its
// client may be unable to tell. It is noted.
func (u *unasked) speak(conn net.Conn, in *bufio.Reader, out *bufio.Writer) {
	status := []string{"200 OK", "408 Request Timeout"}[rand.IntN(2)]
	if writeBare(out, status, unaskedID, "") != nil || conn.(*net.TCPConn).CloseWrite() != nil {
		return
	}
	time.Sleep(linger) // a Read with a deadline would see nothing if the process had stalled until then
	if hangup.NewProbe(conn).State() != hangup.Pending {
		return
	}
	if req, err := http.ReadRequest(in); err == nil {
		u.ledger.slip(req.Header.Get(idHeader))
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
