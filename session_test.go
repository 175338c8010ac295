package ttlpool

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roomy is a session that always has room, and says so when it is told to.
type roomy struct {
	net.Conn
	changed func()
}

func (*roomy) Capacity() int          { return 10 }
func (s *roomy) Watch(changed func()) { s.changed = changed }

// A stream that failed has retired its connection: the session, which calls
// whenever a stream has ended, does not bring it back.
func TestARetiredSessionStaysRetired(t *testing.T) {
	var made []*roomy
	p := newPool(defaultConfig(), func(context.Context, key) (link, error) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = server.Close() })
		s := &roomy{Conn: client}
		made = append(made, s)
		return link{conn: client, session: s}, nil
	})
	defer p.Close()
	d := demand{key: key{network: "tcp", address: "hub:80"}}
	first, err := p.acquire(t.Context(), d)
	require.NoError(t, err)
	failed, err := p.acquire(t.Context(), d)
	require.NoError(t, err)
	require.Same(t, first.conn, failed.conn)

	again, err := p.replace(t.Context(), failed.conn, ClosedFailed, readClocks())
	require.NoError(t, err)
	require.NotSame(t, first.conn, again.conn)
	made[0].changed()
	p.release(again.conn, readClocks(), true)
	p.release(first.conn, readClocks(), true)
	assert.NotEqual(t, NotClosed, first.conn.Info().Closed)
	assert.Equal(t, 1, p.Stats().Open)
}
