package aim

import (
	"fmt"
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

// aimVariable says how many requests are aimed in each row of a table. The
// tests measure, for minutes, and want a machine that is not busy otherwise: they
// run when it is set, as .ci/run does.
const aimVariable = "TTLPOOL_AIM"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(serveAsChild())
	}
	if os.Getenv(aimVariable) == "" {
		fmt.Fprintln(os.Stderr, "internal/aim: NOTHING WAS RUN: set "+aimVariable+", to 600 for a short measurement")
		return
	}
	if n, err := strconv.Atoi(os.Getenv(aimVariable)); err == nil {
		fmt.Fprintf(os.Stderr, "internal/aim: %d requests a row, planned to take %v on a machine with nothing else to do\n", n, planned(n))
	}
	log.SetOutput(io.Discard) // http.Transport tells of each byte that it did not expect
	goleak.VerifyTestMain(m)
}

// requests is how many requests are aimed in each row of a table.
func requests(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(aimVariable))
	require.NoError(t, err, aimVariable)
	require.Positive(t, n, aimVariable)
	return n
}

// planned is how long so many requests a row take: mostly what the servers' idle
// timeouts and restarts take, of 50 rows. Small ones run side by side.
func planned(n int) time.Duration {
	const start, each = time.Minute, 155 * time.Millisecond
	whole := start + time.Duration(n)*each
	if raceDetector {
		whole *= 2
	}
	return whole.Round(time.Minute)
}

// eventually waits for a condition that no channel tells of.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	assert.Eventually(t, holds, within, time.Millisecond, what)
}
