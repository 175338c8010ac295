package koji

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const source = "git+https://src.example.org/rpms/hello-2.12-1.fc44"

// listen serves a handler for the test's time.
func listen(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	server, err := kojihub.Listen(handler, time.Minute)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server.URL
}

// newClient returns a client that counts.
func newClient(t *testing.T, address string) (*Client, *ttlpool.Transport) {
	t.Helper()
	transport, err := ttlpool.NewTransport()
	require.NoError(t, err)
	t.Cleanup(func() { _ = transport.Close() })
	client, err := New(address, transport)
	require.NoError(t, err)
	return client, transport
}

func login(t *testing.T, client *Client) *Session {
	t.Helper()
	session, err := client.Login(t.Context(), "packager", kojihub.Password)
	require.NoError(t, err)
	return session
}

// mute is a hub that acts on calls for which silent is true, and hangs up instead of answering.
type mute struct {
	hub    *kojihub.Hub
	silent func(*http.Request) bool
}

func (m *mute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !m.silent(r) {
		m.hub.ServeHTTP(w, r)
		return
	}
	m.hub.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}
