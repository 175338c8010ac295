package ttlpool

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The kernel says how long ago the last byte arrived by a clock that stands still
// while the machine is suspended, and the server's does not.
func TestP1_ASuspensionAfterTheKernelHadTheAnswerCountsAsIdleTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	pool, err := NewPool(nil)
	require.NoError(t, err)
	defer pool.Close()
	c, err := pool.Get(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	peer, err := l.Accept()
	require.NoError(t, err)
	defer peer.Close()
	require.NotNil(t, c.wire.kernel)
	buf := make([]byte, 100)
	pass(t, c, peer, buf)
	pass(t, peer, c, buf)

	now := readClocks()
	wrote := now.before(time.Minute) // so the answer took a minute
	c.arrival.noteWrite(wrote)
	awake := c.lastArrival(now)
	assert.Less(t, elapsed(now, awake), time.Minute, "it counts from the arrival")
	wrote.wall -= int64(time.Hour) // and an hour in which the machine was suspended
	c.arrival.noteWrite(wrote)
	slept := c.lastArrival(now)
	assert.Less(t, time.Duration(now.monotonic-slept.monotonic), time.Minute)
	assert.GreaterOrEqual(t, elapsed(now, slept), time.Hour)
}
