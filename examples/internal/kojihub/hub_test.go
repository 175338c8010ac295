package kojihub

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

// What the client's package relies on is tested there: sessions, tasks, logs.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask makes a call with header fields of a session, given in pairs.
func ask(t *testing.T, hub *Hub, header []string, method string, args ...any) (any, error) {
	t.Helper()
	var body bytes.Buffer
	require.NoError(t, xmlrpc.WriteCall(&body, method, args...))
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path, &body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	hub.ServeHTTP(w, req)
	require.Equal(t, http.StatusOK, w.Code)
	return xmlrpc.ReadResponse(w.Body)
}

func TestWhatIsNoCallIsRefused(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, Path, "", http.StatusNotFound},
		{http.MethodPost, "/", "", http.StatusNotFound},
		{http.MethodPost, Path, "hello", http.StatusBadRequest},
		{http.MethodPost, Path, "<methodCall>" + strings.Repeat(" ", maxCallBytes), http.StatusBadRequest},
	} {
		w := httptest.NewRecorder()
		New(time.Second).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body)))
		assert.Equal(t, c.want, w.Code)
	}
}

func TestASessionsHeaderMustBeRight(t *testing.T) {
	hub := New(time.Second)
	made, err := ask(t, hub, nil, "login", "packager", Password)
	require.NoError(t, err)
	key := made.(map[string]any)["session-key"].(string)
	for name, header := range map[string][]string{
		"no key":          {"Koji-Session-Id", "1"},
		"wrong key":       {"Koji-Session-Id", "1", "Koji-Session-Key", "guess"},
		"wrong id":        {"Koji-Session-Id", "2", "Koji-Session-Key", key},
		"no id":           {"Koji-Session-Id", "x", "Koji-Session-Key", key},
		"no number":       {"Koji-Session-Id", "1", "Koji-Session-Key", key, "Koji-Session-Callnum", "x"},
		"negative number": {"Koji-Session-Id", "1", "Koji-Session-Key", key, "Koji-Session-Callnum", "-1"},
	} {
		_, err := ask(t, hub, header, "getAPIVersion")
		assert.ErrorContains(t, err, "fault 1002: ", name)
	}
	right := []string{"Koji-Session-Id", "1", "Koji-Session-Key", key}
	_, err = ask(t, hub, right, "login", "packager", Password)
	assert.ErrorContains(t, err, "Already logged in")
	_, err = ask(t, hub, right, "logout")
	require.NoError(t, err)
	_, err = ask(t, hub, right, "getAPIVersion")
	assert.ErrorContains(t, err, "fault 1002: ", "logged out")
	_, err = ask(t, hub, right[:2], "getAPIVersion")
	assert.ErrorContains(t, err, "fault 1002: ", "logged out, and without a key")
}

func TestAWriteInAMultiCallCountsAsOne(t *testing.T) {
	hub := New(time.Second)
	made, err := ask(t, hub, nil, "login", "packager", Password)
	require.NoError(t, err)
	header := []string{
		"Koji-Session-Id", "1", "Koji-Session-Key", made.(map[string]any)["session-key"].(string),
		"Koji-Session-Callnum", "0",
	}
	calls := []any{
		map[string]any{"methodName": "build", "params": []any{"hello", "f44"}},
		map[string]any{"methodName": "multiCall", "params": []any{}},
		"no call",
	}
	answers, err := ask(t, hub, header, "multiCall", calls)
	require.NoError(t, err)
	refused := func(text string) any { return map[string]any{"faultCode": int64(genericError), "faultString": text} }
	assert.Equal(t, []any{
		[]any{firstTask}, refused("Invalid method: multiCall in a multiCall"), refused("Invalid method: "),
	}, answers)
	_, err = ask(t, hub, header, "multiCall", calls)
	assert.ErrorContains(t, err, "fault 1009: ")
	assert.Equal(t, map[string]int{"hello": 1}, hub.Builds())
}

func TestWrongArgumentsAreFaults(t *testing.T) {
	hub := New(time.Second)
	for _, c := range []struct {
		method string
		args   []any
	}{
		{"getTaskInfo", nil},
		{"getTaskInfo", []any{"1"}},
		{"getTaskDescendents", nil},
		{"getTaskResult", []any{nil}},
		{"getBuild", []any{1}},
		{"listTasks", []any{"x"}},
		{"listTasks", []any{nil, "x"}},
		{"listTaskOutput", nil},
		{"login", []any{"packager"}},
		{"login", nil},
		{"multiCall", []any{"x"}},
	} {
		_, err := ask(t, hub, nil, c.method, c.args...)
		assert.ErrorContains(t, err, "fault 1019: ", "%s %v", c.method, c.args)
	}
}

func TestALogGrowsByTheClock(t *testing.T) {
	hub := New(time.Second)
	c := &call{hub: hub, now: time.Now()}
	_, err := c.build([]any{"hello", "f44"})
	require.NoError(t, err)
	build := hub.tasks[2] // of x86_64: from 5 to 10
	for seconds, lines := range map[int]int{0: 0, 5: 0, 6: 4, 10: 20, 60: 20} {
		now := c.now.Add(time.Duration(seconds) * time.Second)
		assert.Equal(t, lines, strings.Count(build.log(now), "\n"), "%d s", seconds)
	}
}
