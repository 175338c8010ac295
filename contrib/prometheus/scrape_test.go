package prometheus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dashboard is what the tests read of dashboard.json.
type dashboard struct {
	Panels []struct {
		ID      int
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Panels)
	return d
}

var metricName = regexp.MustCompile(`ttlpool_[a-z_]+`)

func TestTheDashboardNamesWhatIsExported(t *testing.T) {
	tr, registry := registered(t)
	get(t, tr, staleServer(t).URL)
	exported := map[string]bool{"ttlpool_stale_idle_seconds_bucket": true, "ttlpool_learned_timeout_seconds": true} // the latter is absent until learned
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		exported[family.GetName()] = true
	}
	shown := make(map[string]bool)
	for _, panel := range readDashboard(t).Panels {
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				assert.True(t, exported[name], "%s: %s is not exported", panel.Title, name)
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	for name := range exported {
		assert.True(t, shown[strings.TrimSuffix(name, "_bucket")], "%s is on no panel", name)
	}
}

// TestPrometheusScrapesAndAnswersTheDashboard runs a Prometheus server.
func TestPrometheusScrapesAndAnswersTheDashboard(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("prometheus is not installed, and CI is set")
		}
		t.Skip("NOT TESTED: prometheus is not installed, so nothing has scraped the metrics")
	}
	tr, registry := registered(t)
	exporter := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer exporter.Close()
	server := staleServer(t)
	api := startPrometheus(t, program, strings.TrimPrefix(exporter.URL, "http://"))

	for range 2 { // until it has scraped twice, with requests in between, so that rates have a value
		seen := api.value(t, "scrape_samples_scraped")
		get(t, tr, server.URL)
		get(t, tr, server.URL)
		stats := tr.Stats()
		require.Eventually(t, func() bool {
			return api.value(t, "sum(ttlpool_exchanges_total)") == fmt.Sprint(stats.Requests)
		}, 60*time.Second, 200*time.Millisecond, "was %s", seen)
	}
	assert.Equal(t, "1", api.value(t, "sum(ttlpool_stale_total)"))
	assert.Equal(t, "16", api.value(t, "max(ttlpool_hinted_timeout_seconds)"))

	filled := strings.NewReplacer("$__rate_interval", "5m", "$host", ".*")
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			result := api.query(t, filled.Replace(target.Expr))
			if strings.Contains(target.Expr, "learned") {
				continue // evaluated, but nothing has been learned here
			}
			assert.NotEmpty(t, result, "%s: %s", panel.Title, target.Expr)
		}
	}
}

// prometheusAPI is a running server's.
type prometheusAPI struct{ url string }

// startPrometheus runs a server that scrapes one target, and ends it with the
// test.
func startPrometheus(t *testing.T, program, target string) prometheusAPI {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(`
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs:
  - job_name: ttlpool
    static_configs: [{targets: [%q]}]
`, target)), 0o600))
	address := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	cmd.WaitDelay = 5 * time.Second
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		http.DefaultClient.CloseIdleConnections()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	api := prometheusAPI{"http://" + address}
	require.Eventually(t, func() bool {
		resp, err := http.Get(api.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 60*time.Second, 100*time.Millisecond, "prometheus does not start")
	return api
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

type sample struct {
	Metric map[string]string
	Value  [2]any // when, and what as text
}

// query evaluates an expression now. One that is wrong fails the test.
func (a prometheusAPI) query(t *testing.T, expr string) []sample {
	t.Helper()
	resp, err := http.Get(a.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", expr, body)
	var answer struct {
		Data struct{ Result []sample }
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	return answer.Data.Result
}

// value is the first sample's, or empty.
func (a prometheusAPI) value(t *testing.T, expr string) string {
	t.Helper()
	if result := a.query(t, expr); len(result) > 0 {
		return result[0].Value[1].(string)
	}
	return ""
}
