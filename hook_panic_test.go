package ttlpool_test

import (
	"context"
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
