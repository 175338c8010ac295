package ttlpool_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A hook that panics is its author's business; the place of the connection that
// it was told of is everybody's.
func TestAPanicOfAHookCostsNoPlace(t *testing.T) {
	const mine = "a panic of my own"
	for _, row := range []struct {
		hook string
		idle bool // there is a connection already
	}{{"GotConn", false}, {"GotConn", true}, {"PutIdle", true}} {
		t.Run(row.hook, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hook := newOneHook(row.hook, func() { panic(mine) })
				p := newTestPool(t, new(peers).Dial, ttlpool.WithMaxConnsPerHost(1), hook.trace())
				if row.idle {
					mustGet(t, p, "hub:80").Release()
				}
				hook.armed.Store(true)
				require.PanicsWithValue(t, mine, func() { mustGet(t, p, "hub:80").Release() })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, err := p.Get(ctx, "tcp", "hub:80")
				require.NoError(t, err, "the place of the connection is lost")
				c.Release()
				assert.Zero(t, p.Stats().InUse)
			})
		})
	}
}

// A response without a body gives its connection back before RoundTrip returns.
// Whoever has it then does not know of the hook.
func TestAPanicOfAHookDoesNotHurtWhoeverHasTheConnectionNow(t *testing.T) {
	const mine = "a panic of my own"
	for _, hook := range []string{"PutIdle", "PutIdleConn"} {
		for _, method := range []string{"HEAD", "GET"} {
			t.Run(hook+" after "+method, func(t *testing.T) {
				begun, goOn := make(chan struct{}), make(chan struct{})
				server := serverOf(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/other" {
						w.WriteHeader(http.StatusNoContent)
						return
					}
					close(begun)
					<-goOn
					_, _ = io.WriteString(w, "the other's")
				})
				var tr *ttlpool.Transport
				other, text := newRequest(t, t.Context(), "POST", server.URL+"/other", nil), make(chan string, 1)
				one := newOneHook(hook, func() {
					go func() {
						defer close(text)
						resp, err := tr.RoundTrip(other)
						if !assert.NoError(t, err) {
							return
						}
						defer resp.Body.Close()
						all, err := io.ReadAll(resp.Body)
						assert.NoError(t, err)
						text <- string(all)
					}()
					await(t, begun)
					panic(mine)
				})
				tr = newTransport(t, one.trace())
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{PutIdleConn: func(error) { one.run("PutIdleConn") }})
				one.armed.Store(true)
				assert.PanicsWithValue(t, mine, func() { send(t, tr, newRequest(t, ctx, method, server.URL, nil)) })
				close(goOn)
				assert.Equal(t, "the other's", <-text)
				assert.EqualValues(t, 1, tr.Stats().Dials)
			})
		}
	}
}
