package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/internal/realtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestKojisPath is the command, smaller. On a machine that stalls, calls miss their
// aim; then it is done again.
func TestKojisPath(t *testing.T) {
	const lanes, calls, tries = 60, 6, 3
	for range tries {
		results, err := runAll(t.Context(), lanes, calls)
		if errors.Is(err, realtest.ErrNotInstalled) && os.Getenv("CI") == "" {
			t.Skip("NOT TESTED: ", err)
		}
		require.NoError(t, err)
		t.Log(document(results))
		for _, r := range results {
			get, post := r.counts[http.MethodGet], r.counts[http.MethodPost]
			assert.Equal(t, lanes*calls, get.calls+post.calls)
			assert.Zero(t, post.twice, r.variant.name)
			assert.Zero(t, r.failedAt(clientToOuter), r.variant.name)
			assert.Zero(t, r.failedAt(outerToGo), r.variant.name)
		}
		was, httpdOnly, goOnly, both := results[0], results[1], results[2], results[3]
		assert.Zero(t, httpdOnly.failedAt(innerToHub))
		assert.Zero(t, goOnly.failedAt(goToInner))
		assert.Equal(t, lanes*calls, both.failedAt(nowhere))
		if was.failedAt(goToInner) > 0 && was.failedAt(innerToHub) > 0 {
			return
		}
	}
	t.Fatal("the aim is not good enough to prove anything")
}

func (r *result) failedAt(at place) int {
	return r.counts[http.MethodGet].failed[at] + r.counts[http.MethodPost].failed[at]
}

func TestTheHopNearestToTheHubIsTheOneThatFailed(t *testing.T) {
	const log = `[Thu Nov 26 2026] [core:notice] AH00094: Command line: 'apache2'
[Thu Nov 26 2026] [proxy_http:error] (20014)Internal error: [client 127.0.0.1:1] AH01102: error reading status line from remote server 127.0.0.1:2 id 3-4
[Thu Nov 26 2026] [proxy:error] [client 127.0.0.1:1] AH00898: Error reading from remote server returned by /3/kojihub id 3-4
`
	assert.Equal(t, map[string]string{"3-4": "AH01102: error reading status line from remote server 127.0.0.1:2"}, complaints(log))
}

func TestWrongUse(t *testing.T) {
	for _, row := range []struct{ lanes, calls int }{{0, 1}, {201, 1}, {1, 0}} {
		err := run(t.Context(), row.lanes, row.calls, filepath.Join(t.TempDir(), "never"))
		assert.ErrorContains(t, err, "1 to 200 lanes")
	}
}

func TestALineDelaysDataAndEnds(t *testing.T) {
	const delay = 20 * time.Millisecond
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	l, err := newLine(server.Addr().String(), delay)
	require.NoError(t, err)
	defer func() { assert.NoError(t, l.close()) }()
	near, err := net.Dial("tcp", l.address())
	require.NoError(t, err)
	defer near.Close()
	far, err := server.Accept()
	require.NoError(t, err)
	defer far.Close()

	sent := time.Now()
	_, err = io.WriteString(near, "question")
	require.NoError(t, err)
	require.NoError(t, near.(*net.TCPConn).CloseWrite())
	question, err := io.ReadAll(far)
	require.NoError(t, err)
	assert.Equal(t, "question", string(question))
	assert.GreaterOrEqual(t, time.Since(sent), delay)

	_, err = io.WriteString(far, "answer") // the other direction is still open
	require.NoError(t, err)
	require.NoError(t, far.Close())
	answer, err := io.ReadAll(near)
	require.NoError(t, err)
	assert.Equal(t, "answer", string(answer))
}

func TestALineThatIsCutEndsWhatItCarries(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	l, err := newLine(server.Addr().String(), time.Millisecond)
	require.NoError(t, err)
	near, err := net.Dial("tcp", l.address())
	require.NoError(t, err)
	defer near.Close()
	far, err := server.Accept()
	require.NoError(t, err)
	defer far.Close()
	require.NoError(t, l.close())
	_, err = near.Read(make([]byte, 1))
	assert.Error(t, err)
	_, err = far.Read(make([]byte, 1))
	assert.Error(t, err)
}
