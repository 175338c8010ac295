package patience

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const variable = "TTLPOOL_BENCH_HANGS"

func TestMain(m *testing.M) {
	if os.Getenv(variable) != "" {
		hang()
	}
	goleak.VerifyTestMain(m)
}

// hang waits for longer than a test may take. What watches it begins here, so that
// it cannot end before.
func hang() {
	Watch("the answer", time.Millisecond)
	time.Sleep(time.Hour)
}

func TestAProcessThatHangsSaysWhereAndEnds(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "the answer: it has not ended after 1ms")
	assert.Contains(t, string(out), "patience.hang")
}
