package aim

import (
	"io"
	"log"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // http.Transport tells of each byte that it did not expect
	goleak.VerifyTestMain(m)
}

// requests is how many requests are aimed in each row of a table.
func requests(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TTLPOOL_AIM")
	if text == "" {
		return 600
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "TTLPOOL_AIM")
	require.Positive(t, n, "TTLPOOL_AIM")
	return n
}

// eventually waits for a condition that no channel tells of.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	assert.Eventually(t, holds, within, time.Millisecond, what)
}
