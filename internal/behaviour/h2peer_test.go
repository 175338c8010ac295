package behaviour

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Peer is the server's end of an HTTP/2 connection, frame by frame.
type h2Peer struct {
	*http2.Framer
	index    int // of the connection, from 0
	settings []http2.Setting
	silent   bool // answers no PING
}

// serveH2 starts a server that runs a script on each connection and then closes it. It returns its URL.
func (e *env) serveH2(script func(*h2Peer)) string {
	e.t.Helper()
	var conns atomic.Int32
	addr := e.listenTLS(func(c net.Conn) {
		p := &h2Peer{Framer: http2.NewFramer(c, c), index: int(conns.Add(1)) - 1}
		p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c, preface); err != nil || p.WriteSettings(p.settings...) != nil {
			return
		}
		script(p)
	})
	return e.scheme() + "://" + addr
}

// stream is a request on such a connection.
type stream struct {
	peer *h2Peer
	id   uint32
	path string
}

// request reads frames up to the next request. It returns nil when the connection has ended.
func (p *h2Peer) request() *stream {
	frame := p.until(func(f http2.Frame) bool { _, ok := f.(*http2.MetaHeadersFrame); return ok })
	if frame == nil {
		return nil
	}
	head := frame.(*http2.MetaHeadersFrame)
	return &stream{p, head.StreamID, head.PseudoValue("path")}
}

// until reads frames up to one that is wanted, and does what a server must with the others.
func (p *h2Peer) until(wanted func(http2.Frame) bool) http2.Frame {
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			return nil
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = p.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() && !p.silent {
				_ = p.WritePing(true, f.Data)
			}
		}
		if wanted(frame) {
			return frame
		}
	}
}

// drain reads until the connection ends.
func (p *h2Peer) drain() { p.until(func(http2.Frame) bool { return false }) }

// answer sends a whole response.
func (s *stream) answer(status int, body string) {
	s.begin(status, body == "")
	if body != "" {
		_ = s.peer.WriteData(s.id, true, []byte(body))
	}
}

// begin sends the head of a response.
func (s *stream) begin(status int, end bool) {
	var block bytes.Buffer
	_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)})
	_ = s.peer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: s.id, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true,
	})
}

// reset ends the stream with an error.
func (s *stream) reset(code http2.ErrCode) { _ = s.peer.WriteRSTStream(s.id, code) }

// goAway says that streams after the last will not be looked at.
func (p *h2Peer) goAway(last uint32) { _ = p.WriteGoAway(last, http2.ErrCodeNo, nil) }

// ping waits until the client has taken in all that was sent to it.
func (p *h2Peer) ping() {
	_ = p.WritePing(false, [8]byte{})
	p.until(func(f http2.Frame) bool { ping, ok := f.(*http2.PingFrame); return ok && ping.IsAck() })
}

// answerAll answers every request until the connection ends.
func (p *h2Peer) answerAll(body string) {
	for s := p.request(); s != nil; s = p.request() {
		s.answer(200, body)
	}
}

// wants fails the test if a stream did not come.
func wants(t *testing.T, what string, s *stream) {
	if s == nil {
		t.Errorf("%s did not come", what)
	}
}
