package clients

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"golang.org/x/oauth2"
)

// TestCloseIdleConnectionsReachesTheTransport goes through each wrapper that passes it on.
func TestCloseIdleConnectionsReachesTheTransport(t *testing.T) {
	wrappers := []struct {
		name   string
		closes func(under http.RoundTripper) func()
	}{
		{"http.Client", func(under http.RoundTripper) func() {
			return (&http.Client{Transport: under}).CloseIdleConnections
		}},
		{"resty", func(under http.RoundTripper) func() {
			return resty.New().SetTransport(under).GetClient().CloseIdleConnections
		}},
		{"go-retryablehttp", func(under http.RoundTripper) func() {
			client := retryablehttp.NewClient()
			client.HTTPClient = &http.Client{Transport: under}
			return client.HTTPClient.CloseIdleConnections
		}},
	}
	for _, w := range wrappers {
		for _, c := range both {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				h := startHub(t)
				m := newMeter(t, c)
				require.NoError(t, plainClient(t, h, m)(t.Context(), "GET", "one", nil))
				require.Equal(t, 1, h.open())
				w.closes(m)()
				assert.Equal(t, 1, m.closed)
				awaitClosed(t, h)
			})
		}
	}
}

// TestSomeWrappersDoNotPassItOn is for those who rely on it: they must ask the transport itself.
func TestSomeWrappersDoNotPassItOn(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"otelhttp": func(under http.RoundTripper) http.RoundTripper { return otelhttp.NewTransport(under) },
		"oauth2":   func(under http.RoundTripper) http.RoundTripper { return &oauth2.Transport{Base: under} },
	} {
		for _, c := range both {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				h := startHub(t)
				m := newMeter(t, c)
				require.NoError(t, plainClient(t, h, m)(t.Context(), "GET", "one", nil))
				(&http.Client{Transport: wrap(m)}).CloseIdleConnections()
				assert.Zero(t, m.closed)
				assert.Equal(t, 1, h.open())
				m.CloseIdleConnections()
				awaitClosed(t, h)
			})
		}
	}
}

// TestOneUserThatGivesUpEndsNobodyElsesRequest: go-retryablehttp closes the idle connections of a client that it may
// share when it has tried in vain.
func TestOneUserThatGivesUpEndsNobodyElsesRequest(t *testing.T) {
	for _, c := range both {
		t.Run(c.name, func(t *testing.T) {
			h := startHub(t)
			m := newMeter(t, c)
			release := make(chan struct{})
			h.hold.Store(&release)
			held := make(chan error, 1)
			go func() { held <- plainClient(t, h, m)(t.Context(), "GET", "held", nil) }()
			require.Eventually(t, func() bool { return len(h.processed("held")) == 1 }, patience, time.Millisecond)
			h.hold.Store(nil)

			h.deaf.Store(true)
			assert.Error(t, retryableClient(t, h, m)(t.Context(), "GET", "lost", nil))
			h.deaf.Store(false)
			assert.Positive(t, m.closed, "it is this that must do no harm")
			close(release)
			assert.NoError(t, <-held)
		})
	}
}

// TestADefaultTransportReplaced is ttlpool under everybody who names no transport.
func TestADefaultTransportReplaced(t *testing.T) {
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	h := startHub(t)
	m := newMeter(t, candidate)
	http.DefaultTransport = m

	require.NoError(t, drained(http.Get(h.URL+"/bucket/get")))
	token := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"})
	require.NoError(t, callOver(oauth2.NewClient(context.Background(), token), h.URL)(t.Context(), "GET", "oauth2", nil))
	require.NoError(t, callOver(&http.Client{Transport: otelhttp.NewTransport(nil)}, h.URL)(t.Context(), "GET", "otelhttp", nil))
	require.NoError(t, callOver(http.DefaultClient, h.URL)(t.Context(), "GET", "client", nil))
	for _, id := range []string{"get", "oauth2", "otelhttp", "client"} {
		assert.Equal(t, 1, m.asked(id), id)
	}
	assert.Equal(t, "Bearer secret", h.processed("oauth2")[0].Header.Get("Authorization"))
	assert.Len(t, m.dials(), 1, "they share a connection")
	http.DefaultClient.CloseIdleConnections()
	awaitClosed(t, h)
}

// patience bounds every wait. It is never waited out where all is well.
const patience = 20 * time.Second

func awaitClosed(t *testing.T, h *hub) {
	t.Helper()
	require.Eventually(t, func() bool { return h.open() == 0 }, patience, time.Millisecond)
}
