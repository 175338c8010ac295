package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// shortConfig leaves so much room between TTL and timeout that no stall of the machine fills it.
func shortConfig() config {
	return config{
		timeout:  400 * time.Millisecond,
		ttl:      150 * time.Millisecond,
		duration: 1800 * time.Millisecond,
		workers:  6,
		seed:     7,
	}
}

// runFor runs the program as -json does.
func runFor(t *testing.T, ctx context.Context, cfg config) report {
	t.Helper()
	var out bytes.Buffer
	cfg.json = true
	require.NoError(t, run(ctx, cfg, &out, discard(t)))
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	return r
}

func discard(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

func TestWholeRun(t *testing.T) {
	cfg := shortConfig()
	cfg.svg = filepath.Join(t.TempDir(), "race.svg")
	r := runFor(t, t.Context(), cfg)

	assert.True(t, r.Complete)
	require.Len(t, r.Situations, 2)
	for _, s := range r.Situations {
		require.Len(t, s.Legs, 3)
		for _, l := range s.Legs {
			checkCounts(t, l)
			assert.Zero(t, l.FailedBy[failedWrong], "%s: answers belong to their calls", l.Name)
			assert.Zero(t, l.FailedBy[failedTimeout], "%s: nothing hangs", l.Name)
			require.NotNil(t, l.UnsafeTwice)
			assert.Zero(t, *l.UnsafeTwice, "%s: what nobody declared repeatable is not repeated", l.Name)
		}
	}
	for _, s := range r.Situations {
		calls := s.Legs[2].FailedCalls
		assert.Zero(t, calls[getLog.String()], "ttlpool sends a stale GET again")
		assert.Zero(t, calls[postKeyed.String()], "and a POST whose sender allows it")
	}
	for _, l := range r.Situations[0].Legs[1:] {
		assert.Zero(t, l.Failed, "%s: a TTL below the timeout keeps polls off the close", l.Name)
	}
	assertWellFormed(t, readFile(t, cfg.svg))
}

func checkCounts(t *testing.T, l legResult) {
	t.Helper()
	var byKind, byCall, calls int
	for _, n := range l.FailedBy {
		byKind += n
	}
	for _, n := range l.FailedCalls {
		byCall += n
	}
	for _, n := range l.Calls {
		calls += n
	}
	assert.GreaterOrEqual(t, l.Requests, 6, "%s: every worker polls", l.Name)
	assert.Equal(t, l.Requests, calls, l.Name)
	assert.Equal(t, l.Failed, byKind, l.Name)
	assert.Equal(t, l.Failed, byCall, l.Name)
	assert.GreaterOrEqual(t, l.Connections, 6, "%s: every lane has its own connection", l.Name)
}

func TestAnEndedContextGivesTheTableSoFar(t *testing.T) {
	cfg := shortConfig()
	cfg.duration = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r := runFor(t, ctx, cfg)
	assert.False(t, r.Complete)
	require.Len(t, r.Situations, 1)
	assert.Positive(t, r.Situations[0].Legs[2].Requests)
}

func TestAnyAnswerOfABackendCounts(t *testing.T) {
	paths := make(chan string, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case paths <- r.URL.Path:
		default:
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadGateway) // the server's own, not the proxy's
	}))
	defer backend.Close()
	cfg := shortConfig()
	cfg.backend = parseURL(t, backend.URL)
	cfg.path = "/log.txt"
	r := runFor(t, t.Context(), cfg)

	assert.Equal(t, "/log.txt", <-paths)
	require.Len(t, r.Situations, 1)
	for _, l := range r.Situations[0].Legs {
		checkCounts(t, l)
		assert.Zero(t, l.Failed, l.Name)
		assert.Nil(t, l.ProcessedTwice, "nobody counted")
	}
}

func TestAnUnreachableBackendIsAnError(t *testing.T) {
	backend := httptest.NewServer(http.NotFoundHandler())
	cfg := shortConfig()
	cfg.timeout = 0
	cfg.backend = parseURL(t, backend.URL)
	backend.Close()
	assert.ErrorContains(t, run(t.Context(), cfg, io.Discard, discard(t)), "backend: ")
}

func parseURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}
