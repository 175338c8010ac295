package koji

import (
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
	"github.com/ttlpool/ttlpool/examples/internal/xmlrpc"
)

func TestAsksForBuildsAndTasks(t *testing.T) {
	const unit = 20 * time.Millisecond
	client, _ := newClient(t, listen(t, kojihub.New(unit)))
	id, err := login(t, client).StartBuild(t.Context(), source, "f44")
	require.NoError(t, err)
	require.Greater(t, id, int64(math.MaxInt32), "an i8")

	version, err := client.APIVersion(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(1), version)

	task := waitFor(t, client, id)
	assert.Equal(t, "build", task.Method)
	assert.Equal(t, TaskClosed, task.State)
	assert.Zero(t, task.Parent)
	assert.InDelta(t, 12*unit, task.Completed.Sub(task.Created), float64(time.Millisecond))

	build, err := client.Build(t.Context(), "hello-2.12-1.fc44")
	require.NoError(t, err)
	assert.Equal(t, Build{
		ID: 1, NVR: "hello-2.12-1.fc44", State: BuildComplete, Owner: "packager", TaskID: id, Completed: task.Completed,
	}, *build)

	family, err := client.TaskFamily(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, family, 5)
	assert.Equal(t, *task, family[0])
	for i, child := range family[1:] {
		assert.Equal(t, id+1+int64(i), child.ID)
		assert.Equal(t, id, child.Parent)
	}

	result, err := client.TaskResult(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"source": source, "task_id": id}, result)
}

// waitFor asks until a task is done.
func waitFor(t *testing.T, client *Client, id int64) *Task {
	t.Helper()
	for t.Context().Err() == nil {
		task, err := client.TaskInfo(t.Context(), id)
		require.NoError(t, err)
		if task.State.Done() {
			return task
		}
	}
	return nil
}

func TestListsTasks(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Hour)))
	session := login(t, client)
	var newest int64
	for range 3 {
		var err error
		newest, err = session.StartBuild(t.Context(), source, "f44")
		require.NoError(t, err)
	}
	for _, c := range []struct {
		filter TaskFilter
		want   int
	}{
		{TaskFilter{}, 3},
		{TaskFilter{Limit: 2}, 2},
		{TaskFilter{Method: "build", States: []TaskState{TaskFree, TaskOpen}}, 3},
		{TaskFilter{States: []TaskState{TaskFailed}}, 0},
		{TaskFilter{Method: "buildArch"}, 0},
	} {
		list, err := client.Tasks(t.Context(), c.filter)
		require.NoError(t, err)
		require.Len(t, list, c.want, "%+v", c.filter)
		if c.want > 0 {
			assert.Equal(t, newest, list[0].ID)
		}
	}
}

func TestReadsATasksOutputInPieces(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Millisecond)))
	id, err := login(t, client).StartBuild(t.Context(), source, "f44")
	require.NoError(t, err)
	waitFor(t, client, id)
	names, err := client.TaskOutputs(t.Context(), id)
	require.NoError(t, err)
	assert.Empty(t, names)

	names, err = client.TaskOutputs(t.Context(), id+1)
	require.NoError(t, err)
	require.Equal(t, []string{"build.log"}, names)
	whole, err := client.TaskOutput(t.Context(), id+1, "build.log", 0, -1)
	require.NoError(t, err)
	assert.Equal(t, 8, strings.Count(string(whole), "\n"))
	first, err := client.TaskOutput(t.Context(), id+1, "build.log", 0, 10)
	require.NoError(t, err)
	rest, err := client.TaskOutput(t.Context(), id+1, "build.log", 10, 1<<20)
	require.NoError(t, err)
	assert.Equal(t, string(whole), string(first)+string(rest))
	none, err := client.TaskOutput(t.Context(), id+1, "build.log", int64(len(whole)), 10)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestEveryTypeComesBackFromTheHub(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	args := []any{
		nil, true, int64(1) << 40, -1.5, "text é", []byte{0, 0xff}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		[]any{nil, int64(-1)}, map[string]any{"a": nil},
	}
	got, err := client.Call(t.Context(), "echo", args...)
	require.NoError(t, err)
	assert.Equal(t, args, got)
}

func TestAMultiCallHasAResultForEachCall(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	results, err := client.MultiCall(t.Context(),
		Invocation{"getAPIVersion", nil}, Invocation{"getTaskResult", []any{int64(1)}}, Invocation{"getTaskInfo", []any{1}})
	require.NoError(t, err)
	assert.Equal(t, []Result{
		{Value: int64(1)}, {Err: &Fault{FaultGeneric, "No such task: 1"}}, {},
	}, results)

	none, err := client.MultiCall(t.Context())
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestARefusalIsAFault(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	for _, c := range []struct {
		method string
		args   []any
		want   Fault
		text   string
	}{
		{"noSuch", nil, Fault{FaultGeneric, "Invalid method: noSuch"}, "koji: noSuch: GenericError: Invalid method: noSuch"},
		{"getTaskInfo", nil, Fault{FaultParameter, "missing argument: task_id"},
			"koji: getTaskInfo: ParameterError: missing argument: task_id"},
		{"build", []any{source, "f44"}, Fault{FaultActionNotAllowed, "build needs a session"},
			"koji: build: ActionNotAllowed: build needs a session"},
	} {
		_, err := client.Call(t.Context(), c.method, c.args...)
		var fault *Fault
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, c.want, *fault)
		assert.EqualError(t, err, c.text)
	}
	assert.Equal(t, "fault 7", FaultCode(7).String())
}

func TestWhatTheHubDoesNotKnowIsNotFound(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	_, err := client.TaskInfo(t.Context(), 1)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = client.Build(t.Context(), "no-such-1-1")
	require.ErrorIs(t, err, ErrNotFound)
	assert.EqualError(t, err, "koji: no-such-1-1: not found")
	_, err = client.TaskFamily(t.Context(), 1)
	assert.ErrorIs(t, err, ErrNotFound)
}

func TestWhatIsNotTheHubsAnswerIsAnError(t *testing.T) {
	response := func(write func(io.Writer) error) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = write(w) }
	}
	result := func(v any) http.HandlerFunc {
		return response(func(w io.Writer) error { return xmlrpc.WriteResponse(w, v) })
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"502": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no backend", http.StatusBadGateway) },
			"koji: multiCall: 502 Bad Gateway: no backend"},
		"redirection": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "302 Found"},
		"HTML":        {response(func(w io.Writer) error { _, err := io.WriteString(w, "<html/>"); return err }), "methodResponse"},
		"no list":     {result("text"), "the result is a string, not a []interface {}"},
		"too few":     {result([]any{}), "0 results for 2 calls"},
		"no results":  {result([]any{"a", "b"}), "getTaskInfo: koji: result is a string, not a struct"},
		"no struct":   {result([]any{[]any{"a"}, []any{"b"}}), "task is a string, not a struct"},
		"odd field":   {result([]any{[]any{map[string]any{"id": "a"}}, []any{"b"}}), "task: id is a string, not a int64"},
		"odd date":    {result([]any{[]any{map[string]any{"start_ts": "a"}}, []any{"b"}}), "start_ts is a string, not a float64"},
	} {
		client, _ := newClient(t, listen(t, c.handler))
		_, err := client.TaskFamily(t.Context(), 1)
		require.ErrorContains(t, err, c.want, name)
		if name == "502" {
			var status *StatusError
			require.ErrorAs(t, err, &status)
			assert.Equal(t, http.StatusBadGateway, status.Code)
		}
	}
}

func TestAnAnswerThatIsTooLongIsAnError(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	client.limit = 1000
	_, err := client.Call(t.Context(), "echo", strings.Repeat("x", 500))
	require.NoError(t, err)
	_, err = client.Call(t.Context(), "echo", strings.Repeat("x", 1000))
	assert.ErrorContains(t, err, "too large")
}

func TestAClientWithoutATransportHasItsOwn(t *testing.T) {
	client, err := New(listen(t, kojihub.New(time.Second)), nil)
	require.NoError(t, err)
	_, err = client.APIVersion(t.Context())
	require.NoError(t, err)
	require.NoError(t, client.Close())
	_, err = client.APIVersion(t.Context())
	assert.ErrorContains(t, err, "closed")

	for _, address := range []string{"", "hub", "ftp://hub/", "http://", "http://hub:x/", "\x00"} {
		_, err := New(address, nil)
		assert.ErrorContains(t, err, "address of the hub", "%q", address)
	}
}
