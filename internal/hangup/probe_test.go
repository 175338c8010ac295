//go:build unix

package hangup

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// socketPair returns the two ends of a connection over the loopback interface.
func socketPair(t testing.TB) (ours, peer *net.TCPConn) {
	t.Helper()
	ours, peer, err := loopback()
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close(); peer.Close() })
	return ours, peer
}

func loopback() (ours, peer *net.TCPConn, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if ours, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		return nil, nil, err
	}
	peer, err = l.AcceptTCP()
	return ours, peer, err
}

func probeOf(t testing.TB, c net.Conn) *Probe {
	t.Helper()
	p := NewProbe(c)
	require.NotNil(t, p)
	return p
}

// eventually waits until the probe sees what is on its way.
func eventually(t *testing.T, p *Probe, want State) {
	t.Helper()
	require.Eventually(t, func() bool { return p.State() == want }, 5*time.Second, time.Millisecond)
}

func TestStates(t *testing.T) {
	for _, row := range []struct {
		name string
		does func(ours, peer *net.TCPConn) error
		want State
	}{
		{"bytes to read", func(_, peer *net.TCPConn) error {
			_, err := peer.Write([]byte("x"))
			return err
		}, Pending},
		{"closed by the peer", func(_, peer *net.TCPConn) error { return peer.Close() }, HungUp},
		{"half-closed by the peer", func(_, peer *net.TCPConn) error { return peer.CloseWrite() }, HungUp},
		{"reset by the peer", func(_, peer *net.TCPConn) error {
			if err := peer.SetLinger(0); err != nil {
				return err
			}
			return peer.Close()
		}, HungUp},
		{"closed by the peer with bytes unread", func(ours, peer *net.TCPConn) error {
			if _, err := ours.Write([]byte("x")); err != nil {
				return err
			}
			eventually(t, probeOf(t, peer), Pending)
			return peer.Close()
		}, HungUp},
		{"closed on our side", func(ours, _ *net.TCPConn) error { return ours.Close() }, HungUp},
		{"half-closed on our side only", func(ours, _ *net.TCPConn) error { return ours.CloseWrite() }, Quiet},
	} {
		t.Run(row.name, func(t *testing.T) {
			ours, peer := socketPair(t)
			p := probeOf(t, ours)
			require.Equal(t, Quiet, p.State())
			require.NoError(t, row.does(ours, peer))
			eventually(t, p, row.want)
			assert.Equal(t, row.want, p.State(), "a second look")
		})
	}
}

func TestALookTakesNothingAway(t *testing.T) {
	ours, peer := socketPair(t)
	p := probeOf(t, ours)
	_, err := peer.Write([]byte("abc"))
	require.NoError(t, err)
	eventually(t, p, Pending)
	require.NoError(t, peer.Close())
	all, err := io.ReadAll(ours)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(all))
	eventually(t, p, HungUp)
}

func TestQuietAgainAfterReading(t *testing.T) {
	ours, peer := socketPair(t)
	p := probeOf(t, ours)
	_, err := peer.Write([]byte("abc"))
	require.NoError(t, err)
	eventually(t, p, Pending)
	_, err = io.ReadFull(ours, make([]byte, 3))
	require.NoError(t, err)
	assert.Equal(t, Quiet, p.State())
}

// A read deadline left set makes a Read that is meant as a look fail, and a
// Read in progress makes one wait. Neither may disturb the probe.
func TestNeitherADeadlineNorAReaderDisturbs(t *testing.T) {
	ours, peer := socketPair(t)
	p := probeOf(t, ours)
	require.NoError(t, ours.SetDeadline(time.Unix(1, 0)))
	assert.Equal(t, Quiet, p.State(), "with a deadline in the past")
	require.NoError(t, ours.SetDeadline(time.Time{}))

	read := make(chan error, 1)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		read <- err
	}()
	for range 100 {
		assert.Equal(t, Quiet, p.State(), "beside a reader")
	}
	_, err := peer.Write([]byte("x"))
	require.NoError(t, err)
	assert.NoError(t, <-read, "the reader is not disturbed either")
}

// Whatever the system calls a socket can be looked at.
func TestOtherSockets(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	require.NoError(t, err)
	defer l.Close()
	ours, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	defer ours.Close()
	peer, err := l.Accept()
	require.NoError(t, err)
	defer peer.Close()
	p := probeOf(t, ours)
	assert.Equal(t, Quiet, p.State())
	require.NoError(t, peer.Close())
	eventually(t, p, HungUp)
}

func TestNoProbeWithoutASocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	assert.Nil(t, NewProbe(a))
	assert.Nil(t, NewProbe(struct{ net.Conn }{a}))
}

func TestAQuietLookDoesNotAllocate(t *testing.T) {
	ours, _ := socketPair(t)
	p := probeOf(t, ours)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		if p.State() != Quiet {
			t.Error("not quiet")
		}
	}))
}

func BenchmarkQuiet(b *testing.B) {
	ours, _ := socketPair(b)
	p := probeOf(b, ours)
	b.ReportAllocs()
	for b.Loop() {
		if p.State() != Quiet {
			b.Fatal("not quiet")
		}
	}
}
