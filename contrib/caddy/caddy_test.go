package caddy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile" // the adapter
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	data, err := os.MkdirTemp("", "caddy-")
	if err != nil {
		panic(err)
	}
	caddy.DefaultStorage.Path = data // it keeps locks there, certificates or not
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		_ = os.RemoveAll(data)
		os.Exit(status)
	}))
}

// site is an address at which Caddy serves.
type site struct {
	address string
	client  *http.Client
}

// newSite finds a free port and returns a client that keeps its connections.
func newSite(t *testing.T) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	transport := &http.Transport{MaxIdleConnsPerHost: 1000}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{address: l.Addr().String(), client: &http.Client{Transport: transport}}
}

// block is a site's in a Caddyfile. What went wrong is the body of a response.
func (s *site) block(body string) string {
	return fmt.Sprintf("http://%s {\nbind 127.0.0.1\n%s\nhandle_errors {\nrespond \"{err.message}\"\n}\n}\n", s.address, body)
}

// adapt makes a configuration of the blocks of sites, without all that Caddy
// does besides serving them.
func adapt(t *testing.T, blocks ...string) []byte {
	t.Helper()
	const options = "{\nadmin off\npersist_config off\nauto_https off\nlog {\noutput discard\n}\n}\n"
	text := options + strings.Join(blocks, "")
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	require.NoError(t, err, text)
	return config
}

// run lets Caddy run with this configuration until the end of the test, or
// until the next one.
func run(t *testing.T, config []byte) {
	t.Helper()
	require.NoError(t, caddy.Load(config, true))
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })
}

func (s *site) request(t *testing.T, method, path string) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, nil)
	if err != nil {
		panic(err) // and not t.FailNow: it is called by goroutines
	}
	return req
}

// do returns the whole answer to a request, 0 if there is none.
func (s *site) do(t *testing.T, req *http.Request) (status int, body string) {
	resp, err := s.client.Do(req)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return resp.StatusCode, string(text)
}

// get is do for the simplest request there is.
func (s *site) get(t *testing.T, path string) (status int, body string) {
	return s.do(t, s.request(t, http.MethodGet, path))
}
