package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assertTakes repeats what should take that long. It may never take less, and
// has to be on time now and then: how often is up to how busy the machine is.
func assertTakes(t *testing.T, want time.Duration, do func()) {
	t.Helper()
	const often, rounds = 5, 100
	limit := want + want/20 + time.Millisecond
	onTime, quickest := 0, time.Hour
	for round := 0; round < rounds && onTime < often; round++ {
		start := time.Now()
		do()
		took := time.Since(start)
		quickest = min(quickest, took)
		if took < limit {
			onTime++
		}
	}
	t.Logf("set: %v, quickest: %v", want, quickest)
	assert.GreaterOrEqual(t, quickest, want)
	assert.GreaterOrEqual(t, onTime, often, "rounds below %v", limit)
}

func TestRoundTripTakesAsLongAsSet(t *testing.T) {
	for _, rtt := range []time.Duration{2 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(rtt.String(), func(t *testing.T) {
			n := Require(t, Config{RTT: rtt})
			l := listen(t, n)
			echo(t, l)
			c := dial(t, n, l)
			assertTakes(t, rtt, func() { say(t, c, c, "x") })
		})
	}
}

func TestEachWayHasItsOwnDelay(t *testing.T) {
	const toServer, toClient = 5 * time.Millisecond, 30 * time.Millisecond
	client, server := connect(t, Require(t, Config{ToServer: toServer, ToClient: toClient}))
	assertTakes(t, toServer, func() { say(t, client, server, "x") })
	assertTakes(t, toClient, func() { say(t, server, client, "x") })
}

func TestBulkBothWaysAtOnce(t *testing.T) {
	client, server := connect(t, Require(t, Config{RTT: 2 * time.Millisecond}))
	const size = 8 << 20
	var transfers sync.WaitGroup
	transfer := func(from, to *net.TCPConn, seed byte) {
		stream := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size) }
		transfers.Go(func() {
			_, err := io.Copy(from, stream())
			assert.NoError(t, err)
			assert.NoError(t, from.CloseWrite())
		})
		transfers.Go(func() {
			sent, got := sha256.New(), sha256.New()
			_, _ = io.Copy(sent, stream())
			n, err := io.Copy(got, to)
			assert.NoError(t, err)
			assert.EqualValues(t, size, n)
			assert.Equal(t, sent.Sum(nil), got.Sum(nil))
		})
	}
	transfer(client, server, 1)
	transfer(server, client, 2)
	transfers.Wait()
}

// diary records the packets of one direction.
type diary struct {
	mu      sync.Mutex
	packets [2][][]byte
}

func (d *diary) write(p Packet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.packets[p.Direction] = append(d.packets[p.Direction], bytes.Clone(p.Data))
}

func TestPacketsArriveInOrderAndNeverEarly(t *testing.T) {
	var left, arrived diary
	const rtt = 4 * time.Millisecond
	n := Require(t, Config{RTT: rtt, Observe: left.write})
	early := 0
	n.Drop(func(p Packet) bool {
		if time.Since(p.Sent) < rtt/2 {
			early++
		}
		arrived.write(p)
		return false
	})
	client, server := connect(t, n)
	var sending sync.WaitGroup
	sending.Go(func() {
		_, err := client.Write(make([]byte, 1<<20))
		assert.NoError(t, err)
		assert.NoError(t, client.Close())
	})
	got, err := io.Copy(io.Discard, server)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, got)
	sending.Wait()
	n.Mend() // no call of the function is under way any more

	assert.Zero(t, early)
	left.mu.Lock()
	defer left.mu.Unlock()
	for d, packets := range arrived.packets {
		require.NotEmpty(t, packets, Direction(d))
		require.LessOrEqual(t, len(packets), len(left.packets[d]), Direction(d))
		for i, p := range packets {
			require.Equal(t, left.packets[d][i], p, "%v, packet %d", Direction(d), i)
		}
	}
}

func TestHalfClose(t *testing.T) {
	client, server := connect(t, Require(t, Config{RTT: 2 * time.Millisecond}))
	_, err := io.WriteString(client, "question")
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	question, err := io.ReadAll(server)
	require.NoError(t, err)
	assert.Equal(t, "question", string(question))

	say(t, server, client, "answer")
}

func TestResetPassesThrough(t *testing.T) {
	reset := make(chan Direction, 10)
	client, server := connect(t, Require(t, Config{RTT: 2 * time.Millisecond, Observe: func(p Packet) {
		if s, ok := p.TCP(); ok && s.RST {
			reset <- p.Direction
		}
	}}))
	require.NoError(t, server.SetLinger(0))
	require.NoError(t, server.Close())
	_, err := client.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ECONNRESET)
	assert.Equal(t, ToClient, <-reset)
}

func TestCutIsABlackHoleUntilMended(t *testing.T) {
	n := Require(t, Config{RTT: 2 * time.Millisecond})
	l := listen(t, n)
	echo(t, l)
	c := dial(t, n, l)
	say(t, c, c, "before")

	n.Cut()
	_, err := io.WriteString(c, "during")
	require.NoError(t, err, "neither end is told")
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = n.Client().DialContext(ctx, "tcp", l.Addr().String())
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "%v", err)

	n.Mend()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	hear(t, c, "during") // TCP sends it again
	say(t, c, c, "after")
}

func TestCutLosesWhatIsOnItsWay(t *testing.T) {
	left, cut := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(left); <-cut })
	n := Require(t, Config{RTT: 20 * time.Millisecond, Observe: func(p Packet) {
		if s, ok := p.TCP(); ok && p.Direction == ToServer && len(s.Payload) > 0 {
			hold()
		}
	}})
	client, server := connect(t, n)
	_, err := io.WriteString(client, "x")
	require.NoError(t, err)
	<-left
	n.Cut()
	close(cut)

	require.NoError(t, server.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = server.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// As when a NAT forgets a connection: it hangs, and others do not.
func TestDropOneConnection(t *testing.T) {
	n := Require(t, Config{RTT: 2 * time.Millisecond})
	l := listen(t, n)
	echo(t, l)
	forgotten, other := dial(t, n, l), dial(t, n, l)
	port := uint16(forgotten.LocalAddr().(*net.TCPAddr).Port)
	n.Drop(func(p Packet) bool {
		s, ok := p.TCP()
		return ok && (s.SrcPort == port || s.DstPort == port)
	})

	say(t, other, other, "x")
	_, err := io.WriteString(forgotten, "x")
	require.NoError(t, err)
	require.NoError(t, forgotten.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = forgotten.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	fresh := dial(t, n, l)
	say(t, fresh, fresh, "x")
}

func TestSeveralNetworksAtOnce(t *testing.T) {
	var networks sync.WaitGroup
	for i := range 4 {
		n := Require(t, Config{RTT: time.Duration(i) * 5 * time.Millisecond})
		// The same address in each.
		l, err := n.Server().Listen("tcp", ":8080")
		require.NoError(t, err)
		networks.Go(func() {
			c, err := l.Accept()
			if assert.NoError(t, err) {
				_, _ = io.WriteString(c, strconv.Itoa(i))
				assert.NoError(t, c.Close())
			}
			assert.NoError(t, l.Close())
		})
		networks.Go(func() {
			c, err := n.Client().DialContext(t.Context(), "tcp", l.Addr().String())
			if assert.NoError(t, err) {
				got, err := io.ReadAll(c)
				assert.NoError(t, err)
				assert.Equal(t, strconv.Itoa(i), string(got))
				assert.NoError(t, c.Close())
			}
		})
	}
	networks.Wait()
}

func TestManyConnections(t *testing.T) {
	n := Require(t, Config{RTT: 20 * time.Millisecond})
	l := listen(t, n)
	echo(t, l)
	const connections = 500
	start := time.Now()
	dialled, spoken := make(chan net.Conn, connections), make(chan error, connections)
	var clients sync.WaitGroup
	for range connections {
		clients.Go(func() {
			c, err := n.Client().DialContext(t.Context(), "tcp", l.Addr().String())
			if !assert.NoError(t, err) {
				return
			}
			dialled <- c
			_ = c.SetDeadline(time.Now().Add(patience))
			_, werr := c.Write([]byte("hello"))
			_, rerr := io.ReadFull(c, make([]byte, 5))
			spoken <- errors.Join(werr, rerr)
		})
	}
	clients.Wait()
	t.Logf("%d connections dialled and used in %v", connections, time.Since(start))
	assert.Len(t, dialled, connections)
	close(dialled)
	close(spoken)
	for err := range spoken {
		assert.NoError(t, err)
	}
	for c := range dialled {
		assert.NoError(t, c.Close())
	}
}
