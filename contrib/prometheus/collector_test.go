package prometheus_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	ttlprom "github.com/ttlpool/ttlpool/contrib/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a source that says what it was told.
type fixed struct{ stats ttlpool.Stats }

func (f *fixed) Stats() ttlpool.Stats { return f.stats }

func statsOf(hosts map[string]ttlpool.HostStats) ttlpool.Stats {
	s := ttlpool.Stats{Hosts: hosts}
	for _, h := range hosts {
		s.Dials += h.Dials
	}
	return s
}

// registered returns a transport and a registry that exports it.
func registered(t *testing.T, opts ...ttlprom.Option) (*ttlpool.Transport, *prometheus.Registry) {
	t.Helper()
	tr, err := ttlpool.NewTransport(ttlpool.WithTTL(10 * time.Second))
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(ttlprom.NewCollector(tr, opts...)))
	return tr, registry
}

// staleServer answers one request of each connection and hangs up on the
// second.
func staleServer(t *testing.T) *httptest.Server {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=16")
		if requests.Add(1) == 2 {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
			return
		}
		_, _ = io.WriteString(w, "fine")
	}))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, tr http.RoundTripper, url string) {
	t.Helper()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

func TestTheMetricsOfATransport(t *testing.T) {
	tr, registry := registered(t, ttlprom.WithLabels(prometheus.Labels{"pool": "backend"}))
	server := staleServer(t)
	get(t, tr, server.URL)
	get(t, tr, server.URL) // stale, and sent again

	host := strings.TrimPrefix(server.URL, "http://")
	want := `
# HELP ttlpool_connections Established connections, idle or in use.
# TYPE ttlpool_connections gauge
ttlpool_connections{host="HOST",pool="backend",state="idle"} 1
ttlpool_connections{host="HOST",pool="backend",state="in_use"} 0
ttlpool_connections{host="other",pool="backend",state="idle"} 0
ttlpool_connections{host="other",pool="backend",state="in_use"} 0
# HELP ttlpool_exchanges_total Exchanges begun, first tries and second.
# TYPE ttlpool_exchanges_total counter
ttlpool_exchanges_total{host="HOST",pool="backend"} 3
ttlpool_exchanges_total{host="other",pool="backend"} 0
# HELP ttlpool_hinted_timeout_seconds The server's keep-alive timeout as it said last; absent if it did not.
# TYPE ttlpool_hinted_timeout_seconds gauge
ttlpool_hinted_timeout_seconds{host="HOST",pool="backend"} 16
# HELP ttlpool_stale_total Exchanges that failed because the connection was stale.
# TYPE ttlpool_stale_total counter
ttlpool_stale_total{host="HOST",pool="backend"} 1
ttlpool_stale_total{host="other",pool="backend"} 0
# HELP ttlpool_ttl_seconds Effective TTL; absent if there is none.
# TYPE ttlpool_ttl_seconds gauge
ttlpool_ttl_seconds{host="HOST",pool="backend"} 10
`
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(strings.ReplaceAll(want, "HOST", host)),
		"ttlpool_connections", "ttlpool_exchanges_total", "ttlpool_hinted_timeout_seconds", "ttlpool_stale_total", "ttlpool_ttl_seconds"))

	families, err := registry.Gather()
	require.NoError(t, err)
	sums := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.Metric {
			sums[family.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	assert.EqualValues(t, 1, sums["ttlpool_retries_total"])
	assert.EqualValues(t, 1, sums["ttlpool_connections_closed_total"])
	assert.EqualValues(t, 1, sums["ttlpool_stale_idle_seconds"])
}

func TestTheNamesAreSound(t *testing.T) {
	tr, registry := registered(t)
	server := staleServer(t)
	get(t, tr, server.URL)
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
	n, err := testutil.GatherAndCount(registry)
	require.NoError(t, err)
	assert.Greater(t, n, 30)
}

func TestTheNumberOfHostsIsBounded(t *testing.T) {
	hosts := make(map[string]ttlpool.HostStats)
	for i := range 1000 {
		hosts[fmt.Sprintf("h%03d:80", i)] = ttlpool.HostStats{Counts: ttlpool.Counts{Dials: int64(i)}}
	}
	source := &fixed{statsOf(hosts)}
	c := ttlprom.NewCollector(source, ttlprom.WithMaxHosts(2))
	want := `
# HELP ttlpool_dials_total Dials begun.
# TYPE ttlpool_dials_total counter
ttlpool_dials_total{host="h998:80"} 998
ttlpool_dials_total{host="h999:80"} 999
ttlpool_dials_total{host="other"} 497503
`
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(want), "ttlpool_dials_total"))

	// Another becomes the busiest, one is forgotten: what has labels keeps them.
	hosts["h000:80"] = ttlpool.HostStats{Counts: ttlpool.Counts{Dials: 5000}}
	delete(hosts, "h001:80")
	source.stats = statsOf(hosts)
	want = strings.ReplaceAll(want, "497503", "502502")
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(want), "ttlpool_dials_total"))
}

func TestWithoutHostsAllIsOther(t *testing.T) {
	source := &fixed{statsOf(map[string]ttlpool.HostStats{"hub:80": {Counts: ttlpool.Counts{Dials: 3}}})}
	for _, n := range []int{0, -1} {
		require.NoError(t, testutil.CollectAndCompare(ttlprom.NewCollector(source, ttlprom.WithMaxHosts(n)), strings.NewReader(`
# HELP ttlpool_dials_total Dials begun.
# TYPE ttlpool_dials_total counter
ttlpool_dials_total{host="other"} 3
`), "ttlpool_dials_total"))
	}
}

// One such request would make all collections fail, until the process ends.
func TestAHostThatIsNotUTF8IsOther(t *testing.T) {
	source := &fixed{statsOf(map[string]ttlpool.HostStats{
		"hub:80":            {Counts: ttlpool.Counts{Dials: 3}},
		"a_\xff.invalid:80": {Counts: ttlpool.Counts{Dials: 4}},
	})}
	require.NoError(t, testutil.CollectAndCompare(ttlprom.NewCollector(source), strings.NewReader(`
# HELP ttlpool_dials_total Dials begun.
# TYPE ttlpool_dials_total counter
ttlpool_dials_total{host="hub:80"} 3
ttlpool_dials_total{host="other"} 4
`), "ttlpool_dials_total"))
}

func TestAPoolAloneCanBeExported(t *testing.T) {
	p, err := ttlpool.NewPool(nil)
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, prometheus.NewPedanticRegistry().Register(ttlprom.NewCollector(p)))
}
