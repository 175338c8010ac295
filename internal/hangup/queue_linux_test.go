package hangup

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// stamped makes the kernel put a timestamp into the socket's error queue for all
// that is sent.
func stamped(t *testing.T, c *net.TCPConn) {
	t.Helper()
	socket, err := c.SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, socket.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING,
			unix.SOF_TIMESTAMPING_TX_SOFTWARE|unix.SOF_TIMESTAMPING_SOFTWARE|unix.SOF_TIMESTAMPING_OPT_TSONLY)
	}))
	require.NoError(t, failed, "every Linux has timestamps")
}

// queued waits until something is in the socket's error queue.
func queued(t *testing.T, c *net.TCPConn) {
	t.Helper()
	socket, err := c.SyscallConn()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		var what [1]unix.PollFd
		require.NoError(t, socket.Control(func(fd uintptr) {
			what[0].Fd = int32(fd)
			_, _ = unix.Poll(what[:], 0)
		}))
		return what[0].Revents&unix.POLLERR != 0
	}, patience, time.Millisecond)
}

func TestTheWatchDoesNotTakeATimestampForAHangUp(t *testing.T) {
	for name, end := range map[string]func(peer *net.TCPConn) error{
		"closed": func(peer *net.TCPConn) error { return peer.Close() },
		"reset": func(peer *net.TCPConn) error {
			if err := peer.SetLinger(0); err != nil {
				return err
			}
			return peer.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var w Watch
			ours, peer := socketPair(t)
			stamped(t, ours)
			told, _ := watchOne(t, &w, ours)
			_, err := ours.Write([]byte("x"))
			require.NoError(t, err)
			queued(t, ours)
			awaitAnother(t, &w)
			assert.Empty(t, told)
			assert.NotEqual(t, HungUp, probeOf(t, ours).State())

			require.NoError(t, end(peer)) // and is told of although there was an event before
			awaitTold(t, told)
		})
	}
}

func TestTheWatchTellsOfTheEndOfAUnixSocket(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	ours, peer := fileConn(t, fds[0]), fileConn(t, fds[1])
	var w Watch
	told, _ := watchOne(t, &w, ours)
	require.NoError(t, peer.Close())
	awaitTold(t, told)
}

func fileConn(t *testing.T, fd int) net.Conn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}
