package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool"
)

const patience = 10 * time.Second

// logLines receives a JSON log line by line.
type logLines chan string

func (l logLines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// next returns the next entry with that message.
func (l logLines) next(t *testing.T, message string) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line := <-l:
			var entry map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &entry))
			if entry["msg"] == message {
				return entry
			}
		case <-deadline:
			require.Fail(t, "not logged", message)
		}
	}
}

func testConfig(t *testing.T, backend string) config {
	t.Helper()
	u, err := url.Parse(backend)
	require.NoError(t, err)
	return config{backend: u, ttl: time.Second, idle: time.Minute, grace: patience}
}

// startProxy proxies to a backend that runs the handler, and serves stats too.
func startProxy(t *testing.T, handler http.HandlerFunc) (s *servers, proxy, stats string, logs logLines) {
	t.Helper()
	backend := httptest.NewServer(handler)
	t.Cleanup(backend.Close)
	logs = make(logLines, 64)
	cfg := testConfig(t, backend.URL)
	logger := slog.New(slog.NewJSONHandler(logs, nil))
	transport, err := ttlpool.NewTransport(ttlpool.WithTTL(cfg.ttl))
	require.NoError(t, err)
	s = newServers(cfg, transport, logger)
	t.Cleanup(s.close)
	front, err := s.start(s.front, "127.0.0.1:0")
	require.NoError(t, err)
	statsAddr, err := s.start(s.stats, "127.0.0.1:0")
	require.NoError(t, err)
	return s, "http://" + front.String(), "http://" + statsAddr.String() + "/debug/vars", logs
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// get returns the response with its body read.
func get(t *testing.T, client *http.Client, address string) *http.Response {
	t.Helper()
	resp, err := client.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

func TestForwardsAndLogs(t *testing.T) {
	_, proxy, _, logs := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s from=%s host=%s proto=%s %s", r.Method, r.URL, r.Host,
			r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto"), body)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, proxy+"/kojihub?session-key=secret",
		io.MultiReader(strings.NewReader("a streamed body")))
	require.NoError(t, err)
	req.Header.Set("X-Forwarded-For", "made-up")
	resp, err := newClient(t).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := text(t, resp)
	backendHost, front := strings.Fields(answer)[2], strings.TrimPrefix(proxy, "http://")
	assert.NotEqual(t, front, backendHost, "the backend sees its own name")
	assert.Equal(t, "POST /kojihub?session-key=secret "+backendHost+" from=127.0.0.1 host="+front+
		" proto=http a streamed body", answer)

	entry := logs.next(t, "request")
	assert.Equal(t, "POST", entry["method"])
	assert.Equal(t, "/kojihub", entry["path"], "without the query")
	assert.InDelta(t, http.StatusOK, entry["status"], 0)
	assert.InDelta(t, len(answer), entry["bytes"], 0)
	assert.Positive(t, entry["duration"])
	assert.NotContains(t, entry, "upstream_error")
	assert.NotContains(t, entry, "broken_off")
}

func TestABackendThatDiesIsA502ThatSaysWhy(t *testing.T) {
	_, proxy, stats, logs := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		panic(http.ErrAbortHandler) // closes the connection
	})
	client := newClient(t)
	assert.Equal(t, http.StatusBadGateway, get(t, client, proxy+"/x").StatusCode)
	entry := logs.next(t, "request")
	assert.InDelta(t, http.StatusBadGateway, entry["status"], 0)
	assert.Equal(t, "WARN", entry["level"])
	for _, want := range []string{"127.0.0.1:", "EOF", "age"} {
		assert.Contains(t, entry["upstream_error"], want)
	}
	var vars struct {
		Responses      map[string]int `json:"responses"`
		UpstreamErrors int            `json:"upstream_errors"`
		Pool           ttlpoolVars    `json:"ttlpool"`
	}
	require.NoError(t, json.Unmarshal([]byte(text(t, get(t, client, stats))), &vars))
	assert.Equal(t, map[string]int{"502": 1}, vars.Responses)
	assert.Equal(t, 1, vars.UpstreamErrors)
	assert.Equal(t, ttlpoolVars{Dials: 1, Requests: 1}, vars.Pool)
}

type ttlpoolVars struct{ Dials, Requests int }

func TestAResponseThatBreaksOffIsLogged(t *testing.T) {
	_, proxy, _, logs := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "abc")
	})
	resp, err := newClient(t).Get(proxy)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	entry := logs.next(t, "request")
	assert.Equal(t, true, entry["broken_off"])
	assert.InDelta(t, http.StatusOK, entry["status"], 0)
}

func TestStreamsLineByLine(t *testing.T) {
	read := make(chan struct{})
	_, proxy, _, _ := startProxy(t, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "building\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-read: // only then comes more
			case <-r.Context().Done():
				return
			}
		}
	})
	resp, err := newClient(t).Get(proxy)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "building\n", line)
		read <- struct{}{}
	}
}

func TestShutdownLetsRequestsEnd(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	s, proxy, _, _ := startProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	client := newClient(t)
	answer := make(chan string, 1)
	go func() {
		defer close(answer)
		if resp, err := client.Get(proxy); assert.NoError(t, err) {
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			assert.NoError(t, err)
			answer <- string(body)
		}
	}()
	<-arrived
	ended := make(chan error, 1)
	s.front.RegisterOnShutdown(func() { close(finish) }) // so the request ends after the shutdown has begun
	go func() { ended <- s.shutdown(t.Context()) }()
	assert.Equal(t, "done", <-answer)
	assert.NoError(t, <-ended)
}

// upgrade opens an upgraded connection through the proxy.
func upgrade(t *testing.T, proxy string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(proxy, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return conn, reader
}

func echoUpgraded(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(conn, buffered)
}

func TestUpgradedConnectionsEcho(t *testing.T) {
	_, proxy, _, logs := startProxy(t, echoUpgraded)
	conn, reader := upgrade(t, proxy)
	for _, message := range []string{"hello\n", "again\n"} {
		_, err := io.WriteString(conn, message)
		require.NoError(t, err)
		got, err := reader.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, message, got)
	}
	require.NoError(t, conn.Close())
	assert.InDelta(t, http.StatusSwitchingProtocols, logs.next(t, "request")["status"], 0)
}

func TestShutdownWaitsForUpgradedConnectionsAsLongAsItMay(t *testing.T) {
	s, proxy, _, _ := startProxy(t, echoUpgraded)
	_, reader := upgrade(t, proxy)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, s.shutdown(ctx), context.DeadlineExceeded)
	s.close()
	_, err := reader.ReadByte()
	require.Error(t, err, "close ends it")
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
