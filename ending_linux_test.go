package ttlpool

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A server that has read a request and resets the connection must not pass for one that has closed it: nobody knows
// whether it has acted on the request.
func TestAResetIsNoOrderlyEnd(t *testing.T) {
	for _, row := range []struct {
		name    string
		reset   bool
		first   func(w *wire) error // what is told of the end first
		told    error
		inOrder bool
	}{
		{"closed, and read", false, readOnce, io.EOF, true},
		{"closed, and written to", false, writeUntilItFails, syscall.EPIPE, true},
		{"reset, and read", true, readOnce, syscall.ECONNRESET, false},
		{"reset, and written to", true, writeUntilItFails, syscall.ECONNRESET, false},
		{"reset, and closed by us", true, func(w *wire) error { return w.Close() }, nil, false},
		{"closed, and closed by us", false, func(w *wire) error { return w.Close() }, nil, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := wireThatEnds(t, row.reset)
			w.shared.Store(true) // or nobody asks after a close
			assert.ErrorIs(t, row.first(w), row.told)
			_, err := w.Read(make([]byte, 1))
			assert.Error(t, err)
			c := &Conn{wire: w}
			e := c.evidenceSince(w.sent.Load())
			assert.True(t, e.counted)
			assert.Equal(t, row.inOrder, e.closed)
		})
	}
}

// What a BPF program hands from socket to socket, past TCP, is never acknowledged.
func TestWhatTheKernelHasNotCountedProvesNothing(t *testing.T) {
	w := wireThatEnds(t, false)
	before := w.sent.Load()
	assert.True(t, (&Conn{wire: w}).evidenceSince(before).unseen())
	w.sent.Add(300)
	e := (&Conn{wire: w}).evidenceSince(before)
	assert.False(t, e.unseen())
	assert.False(t, e.premature())
	assert.EqualValues(t, unknownBytes, e.acknowledged())
}

func TestAWriteThatIsNotOverLeavesItOpen(t *testing.T) {
	w := wireThatEnds(t, false)
	assert.ErrorIs(t, writeUntilItFails(w), syscall.EPIPE)
	w.ending.writes.Add(1)
	assert.False(t, (&Conn{wire: w}).evidenceSince(0).closed)
	w.ending.wrote(nil)
	assert.True(t, (&Conn{wire: w}).evidenceSince(0).closed)
}

// A server that has closed its side only may read, and act on, the request that has met its FIN on the way. The
// acknowledgement shows that somebody could.
func TestWhatAHalfClosedServerTakesInIsNotUnseen(t *testing.T) {
	for name, first := range map[string]bool{"it came after the FIN": false, "it came before": true} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			ours, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer ours.Close()
			peer, err := l.Accept()
			require.NoError(t, err)
			defer peer.Close()
			w := newWire(ours)
			request := make([]byte, 300)
			send := func() {
				_, err := w.Write(request)
				require.NoError(t, err)
				_, err = io.ReadFull(peer, request)
				require.NoError(t, err)
			}
			if first {
				send()
			}
			require.NoError(t, peer.(*net.TCPConn).CloseWrite())
			assert.ErrorIs(t, readOnce(w), io.EOF)
			if !first {
				send()
			}
			require.Eventually(t, func() bool {
				unacked, ok := w.kernel.Unacked()
				return ok && unacked == 0
			}, 10*time.Second, time.Millisecond)
			e := (&Conn{wire: w}).evidenceSince(0)
			assert.EqualValues(t, len(request), e.acknowledged())
			assert.True(t, e.closed)
			assert.False(t, e.unseen())
		})
	}
}

func readOnce(w *wire) error {
	_, err := w.Read(make([]byte, 1))
	return err
}

func writeUntilItFails(w *wire) error {
	for range 10_000 {
		if _, err := w.Write([]byte("more")); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // for the reset that the first one brings about
	}
	return nil
}

// wireThatEnds returns a connection of which the peer has read all, and which it has closed.
func wireThatEnds(t *testing.T, reset bool) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = ours.Close() })
	w := newWire(ours)
	peer, err := l.Accept()
	require.NoError(t, err)
	_, err = w.Write([]byte("hello"))
	require.NoError(t, err)
	_, err = io.ReadFull(peer, make([]byte, 5))
	require.NoError(t, err)
	if reset {
		require.NoError(t, peer.(*net.TCPConn).SetLinger(0))
	}
	require.NoError(t, peer.Close())
	require.Eventually(t, func() bool {
		info, ok := w.kernel.Info()
		return ok && info.PeerClosed || reset && gone(w)
	}, 10*time.Second, time.Millisecond)
	return w
}

// gone reports whether a reset has come, without being told of it.
func gone(w *wire) bool {
	raw, err := w.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	state := byte(0)
	_ = raw.Control(func(fd uintptr) { state = stateOf(int(fd)) })
	return state == 7 // TCP_CLOSE
}

func stateOf(fd int) byte {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return info.State
}
