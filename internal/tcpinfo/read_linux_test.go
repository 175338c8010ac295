package tcpinfo

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connection returns the two ends of a connection over the loopback interface.
func connection(t *testing.T) (ours, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ours, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close() })
	peer, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	return ours, peer
}

func TestWhatIsAcknowledgedIsCounted(t *testing.T) {
	ours, _ := connection(t)
	socket := Of(ours)
	require.NotNil(t, socket)
	before, ok := socket.Info()
	require.True(t, ok)
	assert.Zero(t, before.Acked)
	sent, ok := socket.Sent()
	require.True(t, ok)
	assert.Zero(t, sent)

	_, err := ours.Write(make([]byte, 300))
	require.NoError(t, err)
	assert.Eventually(t, func() bool {
		unacked, ok := socket.Unacked()
		return ok && unacked == 0
	}, 5*time.Second, time.Millisecond)
	after, ok := socket.Info()
	require.True(t, ok)
	assert.Equal(t, int64(300), after.Acked)
	sent, ok = socket.Sent()
	require.True(t, ok)
	assert.Equal(t, int64(300), sent)
	assert.False(t, after.PeerClosed)
}

// A window that is full leaves bytes unacknowledged: those that were accepted
// and those that are on their way are told apart.
func TestWhatIsNotAcknowledgedIsCounted(t *testing.T) {
	ours, _ := connection(t)
	socket := Of(ours)
	require.NotNil(t, socket)
	require.NoError(t, ours.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
	sent, err := ours.Write(make([]byte, 64<<20))
	require.Error(t, err, "nobody reads")
	unacked, ok := socket.Unacked()
	require.True(t, ok)
	assert.Positive(t, unacked)
	accepted, ok := socket.Sent()
	require.True(t, ok)
	assert.Equal(t, int64(sent), accepted)
}

func TestAClosedConnectionTellsNothing(t *testing.T) {
	ours, _ := connection(t)
	socket := Of(ours)
	require.NotNil(t, socket)
	require.NoError(t, ours.Close())
	_, ok := socket.Info()
	assert.False(t, ok)
	_, ok = socket.Unacked()
	assert.False(t, ok)
	_, ok = socket.Sent()
	assert.False(t, ok)
}

func TestOnlyPlainTCPIsAsked(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	assert.Nil(t, Of(a))
	ours, _ := connection(t)
	assert.Nil(t, Of(struct{ net.Conn }{ours}), "a wrapper may send what nobody counts")
}

func TestWhatIsToBeReadIsSeenAndNotRead(t *testing.T) {
	ours, peer := connection(t)
	socket := Of(ours)
	require.NotNil(t, socket)
	assert.False(t, socket.Pending())
	_, err := peer.Write([]byte("x"))
	require.NoError(t, err)
	assert.Eventually(t, socket.Pending, 5*time.Second, time.Millisecond)
	assert.True(t, socket.Pending())
	_, err = ours.Read(make([]byte, 2))
	require.NoError(t, err)
	assert.False(t, socket.Pending())
	require.NoError(t, peer.Close())
	_, err = ours.Read(make([]byte, 2))
	require.ErrorIs(t, err, io.EOF)
	assert.False(t, socket.Pending(), "an end is not bytes")
}

func TestTheSmallQuestionsDoNotAllocate(t *testing.T) {
	ours, _ := connection(t)
	socket := Of(ours)
	require.NotNil(t, socket)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, ok := socket.Unacked(); !ok {
			t.Error("not told")
		}
	}))
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		if socket.Pending() {
			t.Error("nothing was sent")
		}
	}))
}
