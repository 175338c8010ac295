package testnet

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds everything that a test waits for.
const patience = 30 * time.Second

// listen listens on the server until the test ends.
func listen(t testing.TB, n *Network) net.Listener {
	t.Helper()
	l, err := n.Server().Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// dial dials from the client; the connection lives until the test ends.
func dial(t testing.TB, n *Network, l net.Listener) *net.TCPConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := n.Client().DialContext(ctx, "tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c.(*net.TCPConn)
}

// connect returns the two ends of a connection.
func connect(t testing.TB, n *Network) (client, server *net.TCPConn) {
	t.Helper()
	l := listen(t, n)
	client = dial(t, n, l)
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close() })
	require.NoError(t, accepted.SetDeadline(time.Now().Add(patience)))
	return client, accepted.(*net.TCPConn)
}

// echo sends back what every connection to the listener sends, until the
// test ends.
func echo(t testing.TB, l net.Listener) {
	ending, end := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// Not left to the client: its FIN may be lost.
			context.AfterFunc(ending, func() { c.Close() })
			serving.Go(func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		end()
		serving.Wait()
	})
}

// say sends text and requires it to be what the other end reads.
func say(t testing.TB, from, to net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	require.NoError(t, err)
	hear(t, to, text)
}

// hear requires text to be what is read next.
func hear(t testing.TB, c net.Conn, text string) {
	t.Helper()
	heard := make([]byte, len(text))
	_, err := io.ReadFull(c, heard)
	require.NoError(t, err)
	require.Equal(t, text, string(heard))
}
