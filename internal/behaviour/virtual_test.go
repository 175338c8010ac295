package behaviour

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inVirtualTime runs a client and a server of ours in a bubble of testing/synctest, over connections within the process.
// The bubble, and so the test, ends only when all goroutines in it have. dials counts connections.
func (e *env) inVirtualTime(t *testing.T, adjust func(*http.Transport), run func(t *testing.T, get func() string, dials *atomic.Int32)) {
	synctest.Test(t, func(t *testing.T) {
		wire := newPipes()
		server := &http.Server{Handler: http.HandlerFunc(answers("text")), Protocols: protocolsFor(e.mode)}
		go func() { _ = server.Serve(wire) }()
		defer server.Close()

		var dials atomic.Int32
		base := e.base(adjust)
		base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return wire.dial(ctx, network, address)
		}
		client := &http.Client{Transport: e.make(t, base)}
		run(t, func() string {
			resp, err := client.Get("http://host.test/")
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return string(text)
		}, &dials)
		client.CloseIdleConnections()
	})
}

var virtual = []behaviour{
	{name: "closing idle connections leaves nothing behind", modes: inTheClear, run: func(t *testing.T, e *env) {
		e.inVirtualTime(t, func(*http.Transport) {}, func(t *testing.T, get func() string, dials *atomic.Int32) {
			for range 3 {
				assert.Equal(t, "text", get())
			}
			assert.EqualValues(t, 1, dials.Load())
		})
	}},
	// http.Transport dials twice in h2c.
	{name: "an idle connection serves until its timeout, and not after", modes: []mode{plain}, run: servesUntilTimeout},
	{name: "without a timeout an idle connection serves for days", modes: inTheClear, run: func(t *testing.T, e *env) {
		e.inVirtualTime(t, func(*http.Transport) {}, func(t *testing.T, get func() string, dials *atomic.Int32) {
			for range 3 {
				get()
				time.Sleep(24 * time.Hour)
			}
			assert.EqualValues(t, 1, dials.Load())
		})
	}},
}

func servesUntilTimeout(t *testing.T, e *env) {
	e.inVirtualTime(t, func(base *http.Transport) { base.IdleConnTimeout = 90 * time.Second },
		func(t *testing.T, get func() string, dials *atomic.Int32) {
			get()
			for range 3 {
				time.Sleep(89 * time.Second) // virtual
				get()
			}
			assert.EqualValues(t, 1, dials.Load())
			time.Sleep(91 * time.Second)
			get()
			assert.EqualValues(t, 2, dials.Load())
		})
}
