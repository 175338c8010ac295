package ttlpool

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/opaque"
)

// takeOpaque takes a connection of unknown kind out of a pool.
func takeOpaque(t *testing.T, wrap func(net.Conn) net.Conn) (c *Conn, peer net.Conn) {
	ours, peer := net.Pipe()
	t.Cleanup(func() { _ = peer.Close() })
	p := newPool(defaultConfig(), func(context.Context, key) (link, error) {
		return link{conn: opaque.New(wrap(ours), 0)}, nil
	})
	t.Cleanup(func() { _ = p.Close() })
	c, err := p.Get(t.Context(), "tcp", "hub:80")
	require.NoError(t, err)
	return c, peer
}

// readLimited is a connection that sets itself a deadline in each Read.
type readLimited struct{ net.Conn }

const readLimit = 10 * time.Second

func (c readLimited) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(readLimit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// The connection is listened to before it is idle, or others could have it. What
// is heard in between would never be told again.
func TestWhatComesWhileAConnectionIsGivenBackClosesIt(t *testing.T) {
	for _, row := range []struct {
		name string
		act  func(peer net.Conn)
		want CloseReason
	}{
		{"bytes", func(peer net.Conn) { _, _ = peer.Write([]byte("x")) }, ClosedStrayBytes},
		{"the end", func(peer net.Conn) { _ = peer.Close() }, ClosedHungUp},
		{"its own deadline", func(net.Conn) { time.Sleep(readLimit) }, ClosedOwnTimeout},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := takeOpaque(t, func(c net.Conn) net.Conn { return readLimited{c} })
				c.listen()
				row.act(peer)
				synctest.Wait()
				require.Equal(t, NotClosed, c.Info().Closed, "it is its holder's")
				c.Release()
				assert.Equal(t, row.want, c.Info().Closed)
			})
		})
	}
}

// lastWords tells the end along with the first bytes, as a net.Conn may.
type lastWords struct{ net.Conn }

func (c lastWords) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

func TestAnEndThatCameWithTheAnswerIsNoticedThoughNoRequestComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := takeOpaque(t, func(c net.Conn) net.Conn { return lastWords{c} })
		go func() { _, _ = peer.Write([]byte("answer")) }()
		_, err := io.ReadFull(c, make([]byte, len("answer")))
		require.NoError(t, err)
		c.Release()
		assert.Equal(t, ClosedHungUp, c.Info().Closed)
		assert.Zero(t, c.bucket.pool.Stats().Open)
	})
}

// The connection that betrays the timeout has given up its place when the hook is
// told: it may wait for that.
func TestP11_AHookThatIsWarnedMayWaitForAConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var (
		p      *Pool
		waited = make(chan error, 2)
	)
	p, err = NewPool(nil, WithTTL(time.Minute), WithMaxConnsPerHost(1), WithTrace(&Trace{
		TTLTooLong: func(address string, _ time.Duration, _ Evidence) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			c, err := p.Get(ctx, "tcp", address)
			if err == nil {
				c.Release()
			}
			waited <- err
		}}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	c, err := p.Get(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	c.Release()
	const idle = 16 * time.Second
	now := readClocks()
	for _, ago := range []time.Duration{time.Minute, 30 * time.Second} {
		c.bucket.lessons.note(idle, now.before(ago))
	}
	c.bucket.mu.Lock()
	c.idleSince = now.before(idle)
	c.bucket.mu.Unlock()
	p.peerClosed(c)
	assert.NoError(t, <-waited, "the hook waited for what only its own return could bring")
}
