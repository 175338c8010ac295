package realtest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func send(t *testing.T, h *HTTPD, method, id, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Address+"/", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Request-Id", id)
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
}

func TestHTTPDCountsWhatItProcesses(t *testing.T) {
	h := StartHTTPD(t, time.Second)
	send(t, h, "GET", "a", "")
	send(t, h, "POST", "b", "with a body")
	send(t, h, "PUT", "b", strings.Repeat("x", 100_000))
	send(t, h, "DELETE", "c", "")
	times, err := h.Processed()
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"a": 1, "b": 2, "c": 1}, times)
	_, err = net.Dial("tcp", h.Address)
	assert.Error(t, err, "it is stopped")
	assert.NoError(t, h.Stop())
}

func TestHTTPDClosesIdleConnectionsOnTime(t *testing.T) {
	const timeout = 300 * time.Millisecond
	h := StartHTTPD(t, timeout)
	c, err := net.Dial("tcp", h.Address)
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := c.Read(make([]byte, 4096))
	require.NoError(t, err)
	require.Positive(t, n)
	answered := time.Now()
	_, err = c.Read(make([]byte, 1))
	assert.Error(t, err)
	assert.GreaterOrEqual(t, time.Since(answered), timeout-50*time.Millisecond)
}

// outcomeOf is a testing.TB that notes how the test would end.
type outcomeOf struct {
	testing.TB
	failed, skipped string
	cleanUps        []func()
}

func (o *outcomeOf) Helper()          {}
func (o *outcomeOf) Fatal(a ...any)   { o.failed = fmt.Sprint(a...) }
func (o *outcomeOf) Skip(a ...any)    { o.skipped = fmt.Sprint(a...) }
func (o *outcomeOf) Failed() bool     { return o.failed != "" }
func (o *outcomeOf) Cleanup(f func()) { o.cleanUps = append(o.cleanUps, f) }
func (o *outcomeOf) Logf(format string, a ...any) {
	o.skipped += fmt.Sprintf(format, a...)
}

func TestAMissingHTTPDIsLoud(t *testing.T) {
	t.Setenv("CI", "")
	var alone outcomeOf
	missing(&alone)
	assert.Empty(t, alone.failed)
	assert.Contains(t, alone.skipped, "apt-get install apache2")

	t.Setenv("CI", "true")
	var inCI outcomeOf
	missing(&inCI)
	assert.Empty(t, inCI.skipped)
	assert.Contains(t, inCI.failed, "apt-get install apache2")
}

func TestLogsAreKeptOfAFailedTest(t *testing.T) {
	test := &outcomeOf{TB: t}
	h := StartHTTPD(test, time.Second)
	if h == nil {
		t.Skip(test.skipped)
	}
	test.failed = "for some reason"
	for _, cleanUp := range test.cleanUps {
		cleanUp()
	}
	defer os.RemoveAll(h.dir)
	assert.FileExists(t, h.file("error.log"))
	assert.Contains(t, test.skipped, h.dir)
	assert.Contains(t, test.skipped, "resuming normal operations")
}

func TestAServerThatDoesNotStart(t *testing.T) {
	program, err := os.Executable() // it understands none of httpd's flags
	require.NoError(t, err)
	h := &HTTPD{tb: t, exited: make(chan struct{})}
	defer h.cleanUp()
	assert.EqualError(t, h.start(program, time.Second), "it has ended")
}
