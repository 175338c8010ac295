package contract

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"sync"
	"time"
)

// peer is the server's end of one connection.
type peer struct {
	net.Conn
	tcp     *net.TCPConn // what Conn runs on
	stage   *stage
	index   int
	in      *bufio.Reader
	wire    recording
	request *http.Request // the one read last
	ended   chan struct{} // closed when the script has ended the server's side
	gone    chan struct{} // closed when the connection is over for either side
	fault   error         // how the client broke the script; read after gone
}

func (p *peer) awaitGone(d time.Duration) {
	select {
	case <-p.gone:
	case <-time.After(d):
	}
}

// consumed is how much of the recording has been read from in.
func (p *peer) consumed() int { return p.wire.len() - p.in.Buffered() }

func (p *peer) forget() { p.wire.drop(p.consumed()) }

// recording keeps the bytes that came in on a connection.
type recording struct {
	mu  sync.Mutex
	buf []byte
	off bool // what comes from now on does not belong to the exchange
}

func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.off {
		r.buf = append(r.buf, b...)
	}
	return len(b), nil
}

func (r *recording) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.buf)
}

func (r *recording) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.buf)
}

// cut forgets everything from n on, and what is still to come.
func (r *recording) cut(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf, r.off = r.buf[:n], true
}

// drop forgets the first n bytes.
func (r *recording) drop(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = r.buf[n:]
}
