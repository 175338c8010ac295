package testnet

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestListenWithoutAHostIsOnTheHostsOwnAddress(t *testing.T) {
	n := Require(t, Config{})
	host, _, err := net.SplitHostPort(listen(t, n).Addr().String())
	require.NoError(t, err)
	assert.Equal(t, n.Server().Addr().String(), host)
}

func TestNamesAreRefused(t *testing.T) {
	n := Require(t, Config{})
	for _, address := range []string{"localhost:80", "example.com:80"} {
		_, err := n.Client().DialContext(t.Context(), "tcp", address)
		assert.ErrorIs(t, err, errNoLiteral, address)
		_, err = n.Server().Listen("tcp", address)
		assert.ErrorIs(t, err, errNoLiteral, address)
	}
	_, err := n.Client().DialContext(t.Context(), "tcp", ":80")
	assert.ErrorIs(t, err, errNoLiteral)
	_, err = n.Client().DialContext(t.Context(), "tcp", "10.77.0.2")
	assert.ErrorContains(t, err, "missing port")
}

func TestRefusedAndCancelledDials(t *testing.T) {
	n := Require(t, Config{RTT: 2 * time.Millisecond})
	nobody := net.JoinHostPort(n.Server().Addr().String(), "1")
	_, err := n.Client().DialContext(t.Context(), "tcp", nobody)
	assert.ErrorIs(t, err, unix.ECONNREFUSED)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = n.Client().DialContext(ctx, "tcp", nobody)
	assert.ErrorContains(t, err, "operation was canceled")
	assertEveryThreadIsAtHome(t)
}

func TestNothingOfItIsSeenOutside(t *testing.T) {
	n := Require(t, Config{RTT: 2 * time.Millisecond})
	l := listen(t, n)
	echo(t, l)
	for range 20 {
		c := dial(t, n, l)
		say(t, c, c, "x")
	}
	assertEveryThreadIsAtHome(t)
	_, err := net.InterfaceByName(tunName)
	assert.Error(t, err)
}

// assertEveryThreadIsAtHome checks that no thread stayed in a namespace, where
// whatever runs on it next would open its sockets.
func assertEveryThreadIsAtHome(t *testing.T) {
	t.Helper()
	home, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	for _, thread := range threads {
		if ns, err := os.Readlink(thread); err == nil { // else it has ended
			assert.Equal(t, home, ns, thread)
		}
	}
}

func TestStartRunsAProcessOnTheHost(t *testing.T) {
	n := Require(t, Config{RTT: 20 * time.Millisecond})
	itself, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), itself)
	cmd.Env = append(os.Environ(), serveVariable+"="+n.Server().Addr().String()+":0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, n.Server().Start(cmd))
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)

	c, err := n.Client().DialContext(t.Context(), "tcp", strings.TrimSpace(address))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	start := time.Now()
	say(t, c, c, "hello")
	assert.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
	require.NoError(t, c.Close())
	require.NoError(t, cmd.Wait())
}

// descriptors returns what this process has open.
func descriptors(t *testing.T) (open []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, e := range entries {
		what, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil { // else it was ReadDir's own
			open = append(open, e.Name()+" "+what)
		}
	}
	return open
}

func TestCloseLeavesNothing(t *testing.T) {
	use := func() {
		n, err := New(Config{RTT: 10 * time.Millisecond})
		if err != nil {
			giveUp(t, err)
		}
		l, err := n.Server().Listen("tcp", ":0")
		require.NoError(t, err)
		c, err := n.Client().DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		_, err = c.Write([]byte("still on its way when the network closes"))
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
		require.NoError(t, n.Close())
		require.NoError(t, n.Close(), "a second time")
	}
	use() // what the runtime opens once, it may keep
	before := descriptors(t)
	for range 5 {
		use()
	}
	// A subset: package net keeps pipes to copy with, and closes them sometime.
	assert.Subset(t, before, descriptors(t))
	goleak.VerifyNone(t)
	assertEveryThreadIsAtHome(t)
}

func TestFailureHalfWayLeavesNothing(t *testing.T) {
	Require(t, Config{}) // where that works, all else will
	before := descriptors(t)
	n, err := newNamespace(netip.MustParseAddr("224.0.0.1")) // nobody's own address
	assert.Nil(t, n)
	assert.ErrorIs(t, err, unix.EINVAL)
	assert.ErrorContains(t, err, "set up a TUN device: ioctl")
	assert.Subset(t, before, descriptors(t))
	assertEveryThreadIsAtHome(t)
}

func TestAfterClose(t *testing.T) {
	n := Require(t, Config{RTT: 2 * time.Millisecond})
	client, server := connect(t, n)
	require.NoError(t, n.Close())

	_, err := n.Client().DialContext(t.Context(), "tcp", server.LocalAddr().String())
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = n.Server().Listen("tcp", ":0")
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorIs(t, n.Server().Start(exec.Command("true")), os.ErrClosed)

	_, _ = client.Write([]byte("x")) // whether it is told depends on the kernel
	require.NoError(t, server.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = server.Read(make([]byte, 1))
	assert.Error(t, err, "an open socket reaches nobody")
}

func TestWithoutPrivilegeNewSaysSo(t *testing.T) {
	refused := make(chan error)
	go func() {
		// Not unlocked: the thread, and its lack of privilege, end here.
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			refused <- err
			return
		}
		n, err := New(Config{})
		if err == nil {
			err = n.Close()
		}
		refused <- err
	}()
	err := <-refused
	assert.ErrorIs(t, err, unix.EPERM)
	assert.ErrorContains(t, err, "make a network namespace (root may")
}
