package koji

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
)

func TestASessionHasItsUsersRights(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	session := login(t, client)
	user, err := session.Call(t.Context(), "getLoggedInUser")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"name": "packager"}, user)
	nobody, err := client.Call(t.Context(), "getLoggedInUser")
	require.NoError(t, err)
	assert.Nil(t, nobody)

	require.NoError(t, session.Logout(t.Context()))
	_, err = session.APIVersion(t.Context())
	assertFault(t, FaultAuth, err)
	_, err = client.Login(t.Context(), "packager", "guess")
	assertFault(t, FaultAuth, err)
}

func assertFault(t *testing.T, want FaultCode, err error) {
	t.Helper()
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	assert.Equal(t, want, fault.Code, fault.Message)
}

func TestConcurrentCallsOfASessionKeepTheirOrder(t *testing.T) {
	hub := kojihub.New(time.Second)
	client, _ := newClient(t, listen(t, hub))
	session := login(t, client)
	const each = 20
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range each {
				_, err := session.StartBuild(t.Context(), source, "f44")
				assert.NoError(t, err) // no SequenceError
			}
		})
	}
	workers.Wait()
	calls, twice := hub.ActedOn()
	assert.Equal(t, 8*each, calls)
	assert.Zero(t, twice)
}

// again makes a session's next call under the number of its last one, as a transport would that sends it twice.
func again(s *Session) { s.turn <- <-s.turn - 1 }

func TestTheHubDoesNotActTwiceOnACallOfASession(t *testing.T) {
	hub := kojihub.New(time.Second)
	client, _ := newClient(t, listen(t, hub))
	session := login(t, client)
	_, err := session.StartBuild(t.Context(), source, "f44")
	require.NoError(t, err)

	again(session)
	_, err = session.StartBuild(t.Context(), source, "f44")
	assertFault(t, FaultRetry, err)
	assert.Equal(t, map[string]int{source: 1}, hub.Builds())

	_, err = session.StartBuild(t.Context(), source, "f44")
	require.NoError(t, err)
	again(session)
	again(session)
	_, err = session.APIVersion(t.Context())
	assertFault(t, FaultSequence, err)
}

func TestACallThatOnlyReadsMayBeRepeatedUnderItsNumber(t *testing.T) {
	client, _ := newClient(t, listen(t, kojihub.New(time.Second)))
	session := login(t, client)
	for range 3 {
		_, err := session.APIVersion(t.Context())
		require.NoError(t, err)
		again(session)
	}
}

func TestACallWaitsForItsTurnNoLongerThanItsContext(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	hub := kojihub.New(time.Second)
	client, _ := newClient(t, listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Koji-Session-Id") != "" {
			close(begun)
			<-end
		}
		hub.ServeHTTP(w, r)
	})))
	session := login(t, client)
	var slow sync.WaitGroup
	slow.Go(func() {
		_, err := session.APIVersion(t.Context())
		assert.NoError(t, err)
	})
	<-begun
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	_, err := session.APIVersion(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	close(end)
	slow.Wait()
}
