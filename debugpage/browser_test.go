package debugpage_test

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/debugpage"
)

// TestAFullPageInABrowserUnderLoad has Chromium show a pool that is at work.
// With TTLPOOL_PICTURE=FILE the picture is kept; docs/debugpage.png is one.
func TestAFullPageInABrowserUnderLoad(t *testing.T) {
	browser := chromium(t)
	l := startLoad(t)
	page := httptest.NewServer(debugpage.Handler(l.transport))
	defer page.Close()

	picture := filepath.Join(t.TempDir(), "page.png")
	if kept := os.Getenv("TTLPOOL_PICTURE"); kept != "" {
		picture = kept
		l.run(t, 20*time.Second)
	}
	runBrowser(t, browser, page.URL, "--window-size=1280,1180", "--screenshot="+picture)
	data, err := os.ReadFile(picture)
	require.NoError(t, err)
	shown, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	assert.Equal(t, 1280, shown.Bounds().Dx())
	colours := make(map[any]bool)
	for x := 0; x < 1280; x += 3 {
		for y := 0; y < 1180; y += 3 {
			colours[shown.At(x, y)] = true
		}
	}
	assert.Greater(t, len(colours), 20, "the page is blank")

	dom := runBrowser(t, browser, page.URL+"/?refresh=10", "--window-size=400,900", "--dump-dom")
	for _, text := range []string{"hub.internal:80", "search.internal:80", "<b>in use</b>", "idempotent", "</svg>"} {
		assert.Contains(t, dom, text)
	}
	assert.Positive(t, l.transport.Stats().InUse, "there was no load")
}

// chromium returns the browser's path. Without it the test says so, and fails
// where everything is to be tested.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("chromium is not installed, and CI is set")
	}
	t.Skip("NOT TESTED: chromium is not installed, so the page was not shown in a browser")
	return ""
}

// runBrowser shows one page and returns what the browser prints.
func runBrowser(t *testing.T, browser, url string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	flags = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
	}, flags...)
	cmd := exec.CommandContext(ctx, browser, append(flags, url)...)
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

// load is a transport with requests under way to five servers.
type load struct {
	transport *ttlpool.Transport
	client    *http.Client
}

func startLoad(t *testing.T) *load {
	addresses := map[string]string{
		"hub.internal:80":    closingServer(t, 100).Listener.Addr().String(),
		"search.internal:80": hintingServer(t).Listener.Addr().String(),
		"logs.internal:80":   streamingServer(t).Listener.Addr().String(),
		"brief.internal:80":  briefServer(t).Listener.Addr().String(),
		"tasks.internal:80":  closingServer(t, 3).Listener.Addr().String(),
	}
	var dialer net.Dialer
	transport, err := ttlpool.NewTransport(
		ttlpool.WithTTL(30*time.Second),
		ttlpool.WithHost("hub.internal", ttlpool.WithTTL(10*time.Second)),
		ttlpool.WithBase(&http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addresses[address])
		}}))
	require.NoError(t, err)
	l := &load{transport: transport, client: &http.Client{Transport: transport}}
	ctx, cancel := context.WithCancel(context.Background())
	var requests sync.WaitGroup
	for i := range 8 {
		requests.Go(func() {
			for ctx.Err() == nil {
				l.send(ctx, "GET", "http://hub.internal/")
				if i%4 == 0 {
					l.send(ctx, "POST", "http://hub.internal/")
				}
				l.send(ctx, "GET", "http://search.internal/")
				pause(ctx, time.Duration(i+1)*20*time.Millisecond)
			}
		})
	}
	for i := range 5 {
		requests.Go(func() {
			for ctx.Err() == nil {
				l.send(ctx, "GET", "http://tasks.internal/")
				pause(ctx, time.Duration(i+1)*900*time.Millisecond)
			}
		})
	}
	for range 2 {
		requests.Go(func() { l.send(ctx, "GET", "http://logs.internal/") })
		requests.Go(func() {
			for ctx.Err() == nil {
				l.send(ctx, "GET", "http://brief.internal/")
				pause(ctx, 1200*time.Millisecond)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		requests.Wait()
		_ = transport.Close()
	})
	require.Eventually(t, func() bool {
		s := transport.Stats()
		return s.Retries > 0 && s.Hosts["search.internal:80"].Reuses > 0 && s.InUse >= 2
	}, 30*time.Second, 10*time.Millisecond)
	return l
}

// run lets the load go on for the picture's sake.
func (l *load) run(t *testing.T, d time.Duration) { pause(t.Context(), d) }

func (l *load) send(ctx context.Context, method, url string) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("x"))
	if err != nil {
		return
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return // some are meant to fail
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func serve(t *testing.T, idle time.Duration, handler http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.Config.IdleTimeout = idle
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// closingServer hangs up on one request in so many, on a connection that has
// served before: what the race looks like.
func closingServer(t *testing.T, oneIn int64) *httptest.Server {
	type usesKey struct{}
	var requests atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uses := r.Context().Value(usesKey{}).(*atomic.Int64).Add(1)
		if requests.Add(1)%oneIn == 2 && uses > 1 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		_, _ = io.WriteString(w, "fine")
	}))
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, usesKey{}, new(atomic.Int64))
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func hintingServer(t *testing.T) *httptest.Server {
	return serve(t, 5*time.Second, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=5")
		_, _ = io.WriteString(w, "found")
	})
}

// streamingServer sends lines until its client goes.
func streamingServer(t *testing.T) *httptest.Server {
	return serve(t, 0, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "a line of a log\n")
			_ = http.NewResponseController(w).Flush()
			pause(r.Context(), 100*time.Millisecond)
		}
	})
}

// briefServer closes idle connections after a second, and does not say so.
func briefServer(t *testing.T) *httptest.Server {
	return serve(t, time.Second, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "brief") })
}
