package ttlpool

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// transportTo returns a transport to a server, with hooks.
func transportTo(t *testing.T, server *httptest.Server, hooks *Trace) *Transport {
	t.Helper()
	tr, err := NewTransport(WithTrace(hooks), WithBase(&http.Transport{Protocols: server.Config.Protocols}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// What a request with the deprecated Cancel holds until its end is let go.
func TestARequestHasEndedThoughTheHookPanicsThatIsToldOfItsEnd(t *testing.T) {
	const mine = "a panic of my own"
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "text")
		}))
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(!http2)
		server.Config.Protocols.SetUnencryptedHTTP2(http2)
		server.Start()
		t.Cleanup(server.Close)
		tr := transportTo(t, server, &Trace{PutIdle: func(ConnInfo) { panic(mine) }})

		req, err := http.NewRequest("GET", server.URL, nil)
		require.NoError(t, err)
		ended := false
		resp, err := tr.send(req, req, func() { ended = true })
		require.NoError(t, err)
		assert.Equal(t, http2, resp.ProtoMajor == 2)
		assert.False(t, ended)
		assert.PanicsWithValue(t, mine, func() { _, _ = io.ReadAll(resp.Body) })
		assert.True(t, ended, "HTTP/2: %v", http2)
	}
}

// brokenBody is a body whose Close panics.
type brokenBody struct {
	io.Reader
	closes atomic.Int32
	panics bool
}

func (b *brokenBody) Close() error {
	b.closes.Add(1)
	if b.panics {
		panic("the body's")
	}
	return nil
}

// What is cleaned up behind a panic may panic too.
func TestASecondPanicLeavesNothingBehindEither(t *testing.T) {
	for second, bodyPanics := range map[string]bool{"the body's": true, "the hook's": false} {
		t.Run(second, func(t *testing.T) {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			hooks := &Trace{}
			if !bodyPanics {
				hooks.ConnClosed = func(ConnInfo) { panic("the hook's") }
			}
			tr := transportTo(t, server, hooks)
			ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
				GotConn: func(httptrace.GotConnInfo) { panic("the first") },
			})
			body := &brokenBody{Reader: strings.NewReader("text"), panics: bodyPanics}
			req, err := http.NewRequestWithContext(ctx, "POST", server.URL, body)
			require.NoError(t, err)
			ended := false
			assert.PanicsWithValue(t, second, func() { _, _ = tr.send(req, req, func() { ended = true }) })
			assert.True(t, ended)
			assert.EqualValues(t, 1, body.closes.Load())
			assert.Zero(t, tr.Stats().InUse)
		})
	}
}
