package koji

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
)

func TestKnowsWhichCallsOnlyRead(t *testing.T) {
	multi := func(methods ...string) []any {
		var calls []any
		for _, m := range methods {
			calls = append(calls, map[string]any{"methodName": m, "params": []any{}})
		}
		return []any{calls}
	}
	for _, c := range []struct {
		method string
		args   []any
		want   bool
	}{
		{"getAPIVersion", nil, true},
		{"getBuild", nil, true},
		{"listTasks", nil, true},
		{"queryRPMSigs", nil, true},
		{"query", nil, true},
		{"count", nil, true},
		{"countAndFilterResults", nil, true},
		{"search", nil, true},
		{"echo", nil, true},
		{"downloadTaskOutput", nil, true},
		{"multiCall", multi("getBuild", "listTasks"), true},

		{"", nil, false},
		{"build", nil, false},
		{"login", nil, false},
		{"cancelTask", nil, false},
		{"getter", nil, false},
		{"listen", nil, false},
		{"searchAndDestroy", nil, false},
		{"host.getTask", nil, false},
		{"multiCall", multi("getBuild", "build"), false},
		{"multiCall", multi("multiCall"), false},
		{"multiCall", multi(), false},
		{"multiCall", nil, false},
		{"multiCall", []any{"text"}, false},
		{"multiCall", []any{[]any{"text"}}, false},
	} {
		assert.Equal(t, c.want, readsOnly(c.method, c.args), "%s %v", c.method, c.args)
	}
}

func TestAReadIsSentAgain(t *testing.T) {
	hub := kojihub.New(time.Second)
	var requests atomic.Int64
	client, transport := newClient(t, listen(t, &mute{hub, func(*http.Request) bool {
		return requests.Add(1) == 2 // not the first: on a fresh connection what the server had is not sent again
	}}))
	for range 3 {
		_, err := client.APIVersion(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, int64(1), transport.Stats().Retries)
	calls, twice := hub.ActedOn()
	assert.Equal(t, 3, calls)
	assert.Equal(t, 1, twice, "which does no harm")
}

func TestAWriteIsNotSentAgain(t *testing.T) {
	hub := kojihub.New(time.Second)
	client, transport := newClient(t, listen(t, &mute{hub, func(r *http.Request) bool {
		return r.Header.Get("Koji-Session-Callnum") == "1"
	}}))
	session := login(t, client)
	for _, c := range []struct {
		source string
		fails  bool
	}{{"one", false}, {"two", true}, {"three", false}} {
		_, err := session.StartBuild(t.Context(), c.source, "f44")
		assert.Equal(t, c.fails, err != nil, c.source)
	}
	assert.Zero(t, transport.Stats().Retries)
	assert.Equal(t, map[string]int{"one": 1, "two": 1, "three": 1}, hub.Builds())
}
