//go:build linux

package testnet

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// These are the facts about TCP that the pool's decisions rest on: what a
// client can tell from how its read ended and from the number of bytes that
// the kernel says were acknowledged. They hold on real TCP, with a round trip
// during which a request is on its way.

const (
	greeting = 27           // bytes of a first exchange, so that the connection is a reused one
	baseline = 1 + greeting // acknowledged by then: the SYN counts as one
	small    = 300          // a request in one segment
	large    = 20_000       // a request that fills more than a first window
)

// exchange is a connection with one exchange behind it, and one to come.
type exchange struct {
	client, server *net.TCPConn
	leaving        atomic.Pointer[func()] // runs when the request leaves the client
	reset          chan struct{}          // closed when a RST is about to reach the client
	network        *Network
}

func newExchange(t *testing.T) *exchange {
	e := &exchange{reset: make(chan struct{})}
	e.network = Require(t, Config{RTT: 20 * time.Millisecond, Observe: func(p Packet) {
		s, ok := p.TCP()
		if !ok || p.Direction != ToServer || len(s.Payload) == 0 {
			return
		}
		if f := e.leaving.Swap(nil); f != nil {
			(*f)()
		}
	}})
	var resets atomic.Int32
	e.network.Drop(func(p Packet) bool {
		if s, ok := p.TCP(); ok && s.RST && p.Direction == ToClient && resets.Add(1) == 1 {
			close(e.reset)
		}
		return false
	})
	e.client, e.server = connect(t, e.network)
	say(t, e.client, e.server, string(make([]byte, greeting)))
	say(t, e.server, e.client, "welcome")
	require.EqualValues(t, baseline, acknowledged(t, e.client))
	return e
}

// send sends a request of that size.
func (e *exchange) send(t *testing.T, size int) {
	t.Helper()
	_, err := e.client.Write(make([]byte, size))
	require.NoError(t, err)
}

// crossing sends a request during whose journey the server acts: not a moment
// later than when the request leaves, and so before it can be seen there.
func (e *exchange) crossing(t *testing.T, size int, act func()) {
	t.Helper()
	e.leaving.Store(&act)
	e.send(t, size)
}

// received sends a request that the server reads in full.
func (e *exchange) received(t *testing.T, size int) {
	t.Helper()
	e.send(t, size)
	_, err := io.ReadFull(e.server, make([]byte, size))
	require.NoError(t, err)
}

// closeByFIN and closeByRST are the two ways a server may close.
func (e *exchange) closeByFIN() { e.server.Close() }

func (e *exchange) closeByRST() {
	_ = e.server.SetLinger(0)
	e.server.Close()
}

// outcome reads what the server sent, if anything, and how that ended.
func (e *exchange) outcome() error {
	_, err := e.client.Read(make([]byte, 1))
	return err
}

// acknowledged returns tcpi_bytes_acked.
func acknowledged(t *testing.T, c *net.TCPConn) uint64 {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	var info *unix.TCPInfo
	var infoErr error
	require.NoError(t, raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}))
	require.NoError(t, infoErr)
	return info.Bytes_acked
}

// eachSize runs a fact for a small and a large request.
func eachSize(t *testing.T, fact func(t *testing.T, size int)) {
	for _, size := range []int{small, large} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) { fact(t, size) })
	}
}

func TestFactIdleCloseCrossingARequestIsEOFAndAcknowledgesNothing(t *testing.T) {
	eachSize(t, func(t *testing.T, size int) {
		e := newExchange(t)
		e.crossing(t, size, e.closeByFIN)
		assert.Equal(t, io.EOF, e.outcome())
		assert.EqualValues(t, baseline, acknowledged(t, e.client))
	})
}

// The server's kernel answers the request with a RST, a round trip after the
// FIN. It changes nothing, even for a client that only then reads.
func TestFactEOFOutlivesTheResetThatFollows(t *testing.T) {
	eachSize(t, func(t *testing.T, size int) {
		e := newExchange(t)
		e.crossing(t, size, e.closeByFIN)
		<-e.reset
		e.network.Mend() // waits until it has arrived
		assert.Equal(t, io.EOF, e.outcome())
		assert.EqualValues(t, baseline, acknowledged(t, e.client))
	})
}

func TestFactCloseAfterReadingARequestIsEOFAndAcknowledgesIt(t *testing.T) {
	eachSize(t, func(t *testing.T, size int) {
		e := newExchange(t)
		e.received(t, size)
		e.closeByFIN()
		assert.Equal(t, io.EOF, e.outcome())
		assert.EqualValues(t, baseline+size, acknowledged(t, e.client))
	})
}

// The first part of a request, read by the server, counts, though the rest
// crosses the close.
func TestFactCloseAfterReadingPartOfARequestAcknowledgesThatPart(t *testing.T) {
	e := newExchange(t)
	e.received(t, small)
	e.crossing(t, large, e.closeByFIN)
	assert.Equal(t, io.EOF, e.outcome())
	assert.EqualValues(t, baseline+small, acknowledged(t, e.client))
}

func TestFactIdleResetCrossingARequestAcknowledgesNothing(t *testing.T) {
	eachSize(t, func(t *testing.T, size int) {
		e := newExchange(t)
		e.crossing(t, size, e.closeByRST)
		assert.ErrorIs(t, e.outcome(), syscall.ECONNRESET)
		assert.EqualValues(t, baseline, acknowledged(t, e.client))
	})
}

// The same picture as an idle reset, though the server has read the request:
// so a RST proves nothing.
func TestFactResetAfterReadingARequestMayAcknowledgeNothingEither(t *testing.T) {
	for range 10 {
		e := newExchange(t)
		e.received(t, small)
		e.closeByRST()
		require.ErrorIs(t, e.outcome(), syscall.ECONNRESET)
		if acknowledged(t, e.client) == baseline {
			return
		}
		// This server was held up for 40 ms before it closed: its kernel
		// acknowledges by itself then.
	}
	t.Fatal("acknowledged each time")
}

// A close with the request unread is a RST too.
func TestFactCloseWithoutReadingARequestIsAReset(t *testing.T) {
	e := newExchange(t)
	e.send(t, small)
	raw, err := e.server.SyscallConn()
	require.NoError(t, err)
	var peekErr error
	require.NoError(t, raw.Read(func(fd uintptr) bool {
		_, _, peekErr = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return peekErr != unix.EAGAIN
	}))
	require.NoError(t, peekErr)
	e.closeByFIN()
	assert.ErrorIs(t, e.outcome(), syscall.ECONNRESET)
}

// The kernel ends a connection for its user timeout though the peer answers: it
// does so when the peer has had no room for so long. What it has no room for is
// not in flight.
func TestFactAUserTimeoutEndsAConnectionThatIsAlive(t *testing.T) {
	const userTimeout = time.Second
	e := newExchange(t)
	raw, err := e.client.SyscallConn()
	require.NoError(t, err)
	var optErr error
	require.NoError(t, raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	}))
	require.NoError(t, optErr)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := e.client.Write(make([]byte, 64<<10)); err != nil {
				ended <- err
				return
			}
		}
	}()
	full := false
	for {
		select {
		case err := <-ended:
			assert.ErrorIs(t, err, syscall.ETIMEDOUT)
			assert.True(t, full, "it was seen with all acknowledged that was sent, and more to send")
			return
		case <-time.After(10 * time.Millisecond):
			_ = raw.Control(func(fd uintptr) {
				info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
				full = full || err == nil && info.Unacked == 0 && info.Notsent_bytes > 0 &&
					time.Duration(info.Last_ack_recv)*time.Millisecond < userTimeout
			})
		}
	}
}

// An answer carries the acknowledgement of what it answers.
func TestFactAnswerAcknowledgesItsRequest(t *testing.T) {
	eachSize(t, func(t *testing.T, size int) {
		e := newExchange(t)
		e.received(t, size)
		say(t, e.server, e.client, "answer")
		assert.EqualValues(t, baseline+size, acknowledged(t, e.client))
	})
}

func TestFactAnswerThatCameTooSoonAcknowledgesNothing(t *testing.T) {
	eachSize(t, func(t *testing.T, size int) {
		e := newExchange(t)
		e.crossing(t, size, func() {
			_, _ = io.WriteString(e.server, "408")
			e.closeByFIN()
		})
		hear(t, e.client, "408")
		assert.EqualValues(t, baseline, acknowledged(t, e.client))
		assert.Equal(t, io.EOF, e.outcome())
	})
}
