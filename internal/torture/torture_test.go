package torture

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/realtest"
)

// requestsVariable says how many requests of each method each peer aims at each
// server.
const requestsVariable = "TTLPOOL_TORTURE"

func effort(t *testing.T) Effort {
	t.Helper()
	text := os.Getenv(requestsVariable)
	if text == "" {
		return Effort{Requests: 10, Lanes: 10}
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, requestsVariable)
	require.Positive(t, n, requestsVariable)
	return Effort{Requests: n, Lanes: 20}
}

// TestRealServers sends requests just when real servers close idle connections.
// Through ttlpool none may fail, none may get another's answer, and none that may
// not be repeated may be processed twice. http.Transport runs beside it to show
// that the aim is good.
func TestRealServers(t *testing.T) {
	rows, err := Matrix()
	require.NoError(t, err)
	reports, err := Run(t.Context(), rows, effort(t))
	require.NoError(t, err)
	require.Len(t, reports, len(rows))
	var text strings.Builder
	require.NoError(t, WriteMarkdown(&text, reports))
	t.Log("\n" + text.String())

	control := 0
	for _, r := range reports {
		for _, p := range r.Peers {
			check(t, r, p)
			if p.Name == "http.Transport" && r.Exact {
				control += p.Total().Failed()
			}
		}
	}
	assert.Positive(t, control, "the aim is not good enough to prove anything")
}

func check(t *testing.T, r Report, p PeerReport) {
	t.Helper()
	assert.Zero(t, p.Unlearned, "%s, %s, %s", r.Server, r.Note, p.Name)
	for _, c := range p.Cells {
		what := strings.Join([]string{r.Server, r.Note, p.Name, c.Method}, ", ")
		assert.Equal(t, effort(t).Requests, c.Aimed, what)
		if !p.Ours {
			continue
		}
		assert.Zero(t, c.Wrong, what)
		if !c.Idempotent {
			assert.Zero(t, c.Twice, what)
		}
		if p.Safe {
			assert.Zero(t, c.Failed()-c.ClosedNew(), "%s: %v, as in %v", what, c.Failures, c.Example)
			assert.Equal(t, c.Aimed-c.ClosedNew(), c.Once+c.Twice, what)
		}
	}
}

// A run that has no more time says what it has done, and finds no fault with that.
func TestARunThatIsCutShortReportsWhatWasDone(t *testing.T) {
	row := Row{Kind: realtest.Go{KeepAliveTimeout: timeout}, exact: true}
	planned := Effort{Requests: 1_000_000, Lanes: 5, Limit: 10 * time.Second}
	reports, err := Run(t.Context(), []Row{row}, planned)
	require.NoError(t, err)
	require.Len(t, reports, 1)
	for _, p := range reports[0].Peers {
		total := p.Total()
		assert.Less(t, total.Aimed, planned.Requests)
		if p.Ours {
			assert.Zero(t, total.Failed(), "%v", total.Example)
			assert.Equal(t, total.Aimed, total.Once+total.Twice)
		}
	}
	assert.Positive(t, reports[0].Peers[0].Total().Aimed)
}
