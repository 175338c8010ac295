package ttlpool_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framer is the server's end of a connection over HTTP/2, of which the test
// decides every frame.
type framer struct {
	*http2.Framer
	index int // the first connection is 1
}

// startFrames runs a script on each connection to a listener and then closes it.
func startFrames(t testing.TB, l net.Listener, script func(f *framer)) {
	startRaw(t, l, func(c *rawConn) {
		f := &framer{Framer: http2.NewFramer(c, c), index: c.index}
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		_, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
		if err == nil && f.WriteSettings() == nil {
			script(f)
		}
	})
}

// request reads up to the next request, and returns its stream and path; 0: the
// connection has ended.
func (f *framer) request() (id uint32, path string) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0, ""
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				_ = f.WritePing(true, frame.Data)
			}
		case *http2.MetaHeadersFrame:
			return frame.StreamID, frame.PseudoValue("path")
		}
	}
}

// head sends the head of a response, of fields and their values in turn, and
// ends the stream or not.
func (f *framer) head(id uint32, end bool, fields ...string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true})
}
