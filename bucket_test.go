package ttlpool

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Between looking a bucket up and using it, its last connection may go, and the
// pool forget it: what went into it then would be lost to Close.
func TestABucketThatThePoolHasForgottenIsNotUsed(t *testing.T) {
	h := holdOne(t)
	forgotten := h.conn.bucket
	require.NoError(t, h.conn.Close())
	_, _, ok := forgotten.take(t.Context(), demand{key: h.key}, h.born, false, new(aftermath))
	assert.False(t, ok)
	again, err := h.pool.Get(t.Context(), h.key.network, h.key.address)
	require.NoError(t, err)
	assert.NotSame(t, forgotten, again.bucket)
}
