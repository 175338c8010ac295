package ttlpool_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// The first request of a connection is held while others are answered; then the server ends the connection, as one that
// reloads does. It has not hung up because of that request, which thus is one on a connection that has served.
func TestAFirstStreamThatOthersHaveOvertakenIsRetried(t *testing.T) {
	for method, retried := range map[string]bool{"GET": true, "POST": false} {
		t.Run(method, func(t *testing.T) {
			held := make(chan struct{}, 2)
			first := make(chan struct{}, 1)
			first <- struct{}{}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/held" {
					return
				}
				select {
				case <-first:
					held <- struct{}{}
					<-r.Context().Done()
				default:
				}
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			defer server.Close()
			tr := newTransport(t, ttlpool.WithBase(&http.Transport{Protocols: server.Config.Protocols}))

			failed := make(chan error)
			go func() {
				resp, err := tr.RoundTrip(newRequest(t, t.Context(), method, server.URL+"/held", nil))
				if err == nil {
					err = resp.Body.Close()
				}
				failed <- err
			}()
			<-held
			assert.Equal(t, "", send(t, tr, newRequest(t, t.Context(), "GET", server.URL, nil)))
			require.EqualValues(t, 1, tr.Stats().Dials)
			server.CloseClientConnections()

			err := <-failed
			if retried {
				assert.NoError(t, err)
				assert.EqualValues(t, 1, tr.Stats().Retries)
				return
			}
			assert.ErrorContains(t, err, "not retried: POST is not idempotent")
		})
	}
}
