package caddy

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAReloadEndsTheOldTransportGently has an idle connection, a response and a
// request half on their way when the configuration is replaced.
func TestAReloadEndsTheOldTransportGently(t *testing.T) {
	release := make(chan struct{})
	b := startBackend(t, 1, 0, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/slow" {
			echo(w, req)
			return
		}
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "whole")
	})
	s := newSite(t)
	config := func(ttl string) []byte {
		return adapt(t, s.block(`reverse_proxy 127.0.0.1:`+b.ports[0]+` {
			flush_interval -1
			request_buffers 1KiB # so that Caddy reads the whole body first
			transport ttlpool {
				ttl `+ttl+`
			}
		}`))
	}
	run(t, config("20s"))

	slow, err := s.client.Do(s.request(t, http.MethodGet, "/slow"))
	require.NoError(t, err)
	defer slow.Body.Close()
	half := make([]byte, len("half"))
	_, err = io.ReadFull(slow.Body, half)
	require.NoError(t, err)

	body, rest := io.Pipe()
	late := s.request(t, http.MethodPost, "/")
	late.Body, late.ContentLength = body, -1
	var answered sync.WaitGroup
	answered.Go(func() {
		status, text := s.do(t, late)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "first, second", text)
	})
	_, err = io.WriteString(rest, "first, ")
	require.NoError(t, err)

	status, _ := s.get(t, "/")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 2, b.connections(), "one in use, one idle")

	require.NoError(t, caddy.Load(config("30s"), true))
	awaitConnections(t, b, 1) // the idle one was closed

	status, _ = s.get(t, "/") // of the new configuration
	require.Equal(t, http.StatusOK, status)
	_, err = io.WriteString(rest, "second")
	require.NoError(t, err)
	require.NoError(t, rest.Close())
	answered.Wait()

	close(release)
	whole, err := io.ReadAll(slow.Body)
	require.NoError(t, err)
	assert.Equal(t, "whole", string(whole))
	awaitConnections(t, b, 1) // the new one's
}

// awaitConnections waits until so many connections to the backend are open.
func awaitConnections(t *testing.T, b *backend, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return b.connections() == n }, 10*time.Second, time.Millisecond, "%d connections", n)
}

func TestAReloadThatFailsLeavesTheOldOneAtWork(t *testing.T) {
	b := startBackend(t, 1, 0, echo)
	s := newSite(t)
	config := adapt(t, s.block("reverse_proxy 127.0.0.1:"+b.ports[0]+" {\ntransport ttlpool {\nttl 10s\n}\n}"))
	run(t, config)
	s.get(t, "/")
	contradiction := strings.Replace(string(config), `"ttl":10000000000`, `"ttl":10000000000,"server_timeout":1000000000`, 1)
	assert.ErrorContains(t, caddy.Load([]byte(contradiction), true), "TTL 10s is longer than the server timeout 1s")
	status, _ := s.get(t, "/")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, 1, b.connections())
}
