package aim

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// TestSlowDownstream reads responses slowly: the server has long sent the last
// byte, and its clock runs, while they wait in the buffers on the way. POSTs are
// then aimed at the server's deadline. A transport that takes a connection's idle
// time from its release thinks that it is young.
func TestSlowDownstream(t *testing.T) {
	onBoth(t, func(t *testing.T, p path) {
		const timeout = time.Second
		srv := serve(t, p, script{idle: timeout, body: 200 << 10})
		us := ours(t, p, srv, ttlpool.WithServerTimeout(timeout), ttlpool.WithLearning(false))
		tr := &http.Transport{DialContext: toLanes(srv, p.dial), IdleConnTimeout: timeout * 3 / 4}
		t.Cleanup(tr.CloseIdleConnections)
		them := newClient("http.Transport", tr)

		const lanes = 100
		calls := requests(t) / 4
		ourFailures, theirFailures := make(chan error, calls), make(chan error, calls)
		var all sync.WaitGroup
		for lane := range lanes {
			all.Go(func() { slowly(t.Context(), srv, p, us, lane, calls/lanes, ourFailures) })
			all.Go(func() { slowly(t.Context(), srv, p, them, lane, calls/lanes, theirFailures) })
		}
		all.Wait()
		t.Logf("of %d: ttlpool %d failed, %d stale; http.Transport %d failed",
			calls, len(ourFailures), us.stale.Load(), len(theirFailures))
		assert.Empty(t, ourFailures)
		assert.Zero(t, us.stale.Load(), "for one: %v", us.first.Load())
		assert.NotEmpty(t, theirFailures, "idle time taken from release would do")
	})
}

// slowly reads responses slowly and then aims POSTs.
func slowly(ctx context.Context, srv *server, p path, c *client, lane, rounds int, failures chan<- error) {
	for range rounds {
		id := c.newID()
		if err := readSlowly(ctx, c, lane, id); err != nil {
			failures <- err
			continue
		}
		closes := srv.answeredAt(id).Add(srv.script.idle + p.roundTrip/2) // seen from here
		if !pause(ctx, closes.Add(-p.lead()+rand.N(p.lead()))) {
			return
		}
		if _, _, err := c.call(ctx, lane, http.MethodPost, c.newID()); err != nil {
			failures <- err
		}
	}
}

// readSlowly makes a GET and takes half a second to read the response.
func readSlowly(ctx context.Context, c *client, lane int, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%d.test/", lane), nil)
	if err != nil {
		return err
	}
	req.Header.Set(idName, id)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for err == nil {
		_, err = io.CopyN(io.Discard, resp.Body, 20<<10)
		pause(ctx, time.Now().Add(50*time.Millisecond))
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// TestIdleTimeIsTheServers compares what a connection says of its idle time with
// the server's clock.
func TestIdleTimeIsTheServers(t *testing.T) {
	onAll(t, func(t *testing.T, p path) {
		for _, body := range []int{2, 30 << 10, 200 << 10} {
			t.Run(fmt.Sprintf("%d bytes", body), func(t *testing.T) { compareClocks(t, p, body) })
		}
	})
}

func compareClocks(t *testing.T, p path, body int) {
	srv := serve(t, p, script{body: body})
	var claimed time.Duration
	us := ours(t, p, srv, ttlpool.WithTrace(&ttlpool.Trace{GotConn: func(i ttlpool.ConnInfo) { claimed = i.Idle }}))
	const first, second = "first", "second"
	require.NoError(t, readSlowly(t.Context(), us, 0, first))
	require.True(t, pause(t.Context(), time.Now().Add(100*time.Millisecond)))
	before := time.Now()
	o, s, err := us.call(t.Context(), 0, http.MethodGet, second)
	require.NoError(t, err)
	require.Equal(t, answered, o)
	require.Equal(t, sends{reused: 1}, s)
	truth := before.Sub(srv.answeredAt(first))
	t.Logf("the server's clock: %v, ours: %v", truth.Round(time.Millisecond), claimed.Round(time.Millisecond))
	young := p.roundTrip/2 + time.Millisecond // the response was under way for so long
	if !p.helped() {
		young += 2 * p.roundTrip // what the server's kernel sent in a second and third flight
	}
	assert.GreaterOrEqual(t, claimed, truth-young, "it looks younger than it is")
}
