package ttlpool

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// The acknowledgement and the FIN may come at once, while the kernel is being
// asked: what it said of the one before must not be put together with what it
// says of the other after.
func TestAFinThatComesDuringTheQuestionProvesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for range 300 {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		peer, err := l.Accept()
		require.NoError(t, err)
		w := newWire(conn)
		require.NotNil(t, w.kernel)
		buf := make([]byte, 100)
		for range 3 { // from now on the peer's kernel puts acknowledgements off
			pass(t, w, peer, buf)
			pass(t, peer, w, buf)
		}
		c, before := &Conn{wire: w}, w.sent.Load()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = peer.Read(make([]byte, 100))
			_ = peer.Close()
		}()
		_, err = w.Write(buf)
		require.NoError(t, err)
		var e evidence
		for !e.closed {
			e = c.evidenceSince(before)
		}
		<-ended
		_ = conn.Close()
		require.False(t, e.unseen(), "the server has read the request: %+v", e)
	}
}

// pass sends what buf holds from one end to the other.
func pass(t *testing.T, from, to net.Conn, buf []byte) {
	t.Helper()
	_, err := from.Write(buf)
	require.NoError(t, err)
	_, err = to.Read(buf)
	require.NoError(t, err)
}
