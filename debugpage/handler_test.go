package debugpage_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/debugpage"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made is a Source that says what it was made to say.
type made struct {
	stats ttlpool.Stats
	conns []ttlpool.ConnStatus
}

func (m made) Stats() ttlpool.Stats {
	s := m.stats
	s.Hosts = make(map[string]ttlpool.HostStats)
	for address, h := range m.stats.Hosts {
		s.Hosts[address] = h
	}
	return s
}

func (m made) Conns() []ttlpool.ConnStatus { return append([]ttlpool.ConnStatus(nil), m.conns...) }

func example() made {
	counts := ttlpool.Counts{
		Open: 2, Idle: 1, InUse: 1, Dials: 7, Reuses: 1234, Requests: 1241, Stale: 3, Retries: 2, NotRetried: 1,
		Closed:      map[ttlpool.CloseReason]int64{ttlpool.ClosedHungUp: 4, ttlpool.ClosedStale: 3, ttlpool.ClosedTTL: 0},
		RetriesBy:   map[ttlpool.RetryReason]int64{ttlpool.RetryUnseen: 2},
		StaleByIdle: []ttlpool.IdleBucket{{UpTo: 20 * time.Second, Count: 3}, {Count: 1}},
	}
	return made{
		stats: ttlpool.Stats{Counts: counts, Hosts: map[string]ttlpool.HostStats{
			"hub:80": {
				Counts: counts, TTL: 10 * time.Second, Hinted: 16 * time.Second, LearnedTimeout: 15900 * time.Millisecond,
				Learned: ttlpool.Evidence{Timeout: 15900 * time.Millisecond, From: 15900 * time.Millisecond, To: 16200 * time.Millisecond, Closes: 5},
			},
			"other:80": {},
		}},
		conns: []ttlpool.ConnStatus{
			{
				ConnInfo: ttlpool.ConnInfo{Address: "hub:80", Age: 4*time.Minute + 10*time.Second, Idle: 5 * time.Second, Uses: 31, Read: 2048},
				Protocol: "HTTP/1.1", Local: "192.0.2.1:4711", TTL: 10 * time.Second, ClosesIn: 5 * time.Second, ClosesFor: ttlpool.ClosedTTL,
			},
			{ConnInfo: ttlpool.ConnInfo{Address: "other:80", Leases: 2}, Protocol: "HTTP/2.0", TLS: true},
		},
	}
}

func ask(t *testing.T, source debugpage.Source, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	debugpage.Handler(source).ServeHTTP(w, req)
	return w
}

func TestThePageShowsHostsAndConnections(t *testing.T) {
	w := ask(t, example(), "GET", "/debug/ttlpool")
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	page := w.Body.String()
	for _, text := range []string{
		"hub:80", "other:80", "15.9 s <small>5 closes, 15.9 s to 16.2 s</small>", "16 s", "1\u202f234", "4m10s",
		`<rect width="50" height="8"/>`, "5 s <small>ttl</small>", "192.0.2.1:4711", "<b>in use</b> × 2", "HTTP/2.0, TLS",
		"2.0 KiB", "hung_up", "unseen", "up to 20 s", "over 20 s", "99.4 %",
	} {
		assert.Contains(t, page, text)
	}
	assert.NotContains(t, page, "<script")
	assert.NotContains(t, page, "http-equiv")
	assert.NotContains(t, page, "http://")
	assert.NotContains(t, page, "ZgotmplZ")
}

func TestAnEmptyPoolHasAPageToo(t *testing.T) {
	page := ask(t, made{}, "GET", "/").Body.String()
	assert.Contains(t, page, "None is open")
	assert.Contains(t, page, "None so far")
	assert.Contains(t, page, "</html>")
}

func TestWhatComesFromOutsideIsEscaped(t *testing.T) {
	const evil = `<script>alert("x")</script>:80`
	source := example()
	source.stats.Hosts[evil] = ttlpool.HostStats{}
	source.conns[0].Address, source.conns[1].Local = evil, `"><img src=x>`
	for _, target := range []string{"/", "/?host=" + `%22%3E%3Cscript%3E`} {
		page := ask(t, source, "GET", target).Body.String()
		assert.NotContains(t, page, "<script")
		assert.NotContains(t, page, "<img")
	}
	assert.Contains(t, ask(t, source, "GET", "/").Body.String(), "&lt;script&gt;")
}

func TestThePolicyAllowsTheStyleAndNothingElse(t *testing.T) {
	policy := ask(t, example(), "GET", "/").Header().Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.Contains(t, policy, "frame-ancestors 'none'")
	assert.NotContains(t, policy, "unsafe")
	assert.NotContains(t, ask(t, example(), "GET", "/").Body.String(), ` style="`, "the policy would ignore it")
}

func TestThePageIsJSONForThoseWhoAskForIt(t *testing.T) {
	for name, w := range map[string]*httptest.ResponseRecorder{
		"query":  ask(t, example(), "GET", "/?format=json", "Accept", "text/html"),
		"Accept": ask(t, example(), "GET", "/", "Accept", "application/json"),
	} {
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"), name)
		var back struct {
			Time  time.Time
			Stats struct {
				Requests int64
				Hosts    map[string]struct{ TTL time.Duration }
			}
			Conns []struct {
				Address  string
				ClosesIn time.Duration
			}
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &back), name)
		assert.EqualValues(t, 1241, back.Stats.Requests)
		assert.Equal(t, 10*time.Second, back.Stats.Hosts["hub:80"].TTL)
		require.Len(t, back.Conns, 2)
		assert.Equal(t, 5*time.Second, back.Conns[0].ClosesIn)
		assert.WithinDuration(t, time.Now(), back.Time, time.Minute)
	}
	browser := ask(t, example(), "GET", "/", "Accept", "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8")
	assert.Contains(t, browser.Header().Get("Content-Type"), "text/html")
}

func TestAFilterShowsTheAddressesThatContainIt(t *testing.T) {
	page := ask(t, example(), "GET", "/?host=hub").Body.String()
	assert.Contains(t, page, "hub:80")
	assert.NotContains(t, page, "other:80")
	page = ask(t, example(), "GET", "/?host=nosuch").Body.String()
	assert.Contains(t, page, "None that contains “nosuch”")
}

func TestThePageLoadsItselfAgainIfAsked(t *testing.T) {
	assert.Contains(t, ask(t, example(), "GET", "/?refresh=2").Body.String(), `<meta http-equiv="refresh" content="2">`)
	for _, bad := range []string{"0", "-1", "3601", "x", "2;url=//evil", "99999999999999999999"} {
		w := ask(t, example(), "GET", "/?refresh="+strings.ReplaceAll(bad, ";", "%3B"))
		assert.Equal(t, http.StatusBadRequest, w.Code, bad)
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		w := ask(t, example(), method, "/")
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	w := ask(t, example(), "HEAD", "/")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Zero(t, w.Body.Len())
	assert.NotEqual(t, "0", w.Header().Get("Content-Length"))
}

func TestALargePoolHasAPageOfBoundedSize(t *testing.T) {
	source := made{stats: ttlpool.Stats{Hosts: make(map[string]ttlpool.HostStats)}}
	for i := range 5000 {
		address := fmt.Sprintf("h%04d:80", i)
		source.stats.Hosts[address] = ttlpool.HostStats{Counts: ttlpool.Counts{Open: 1, Requests: int64(i)}}
		source.conns = append(source.conns, ttlpool.ConnStatus{ConnInfo: ttlpool.ConnInfo{Address: address}})
	}
	w := ask(t, source, "GET", "/")
	page := w.Body.String()
	assert.Less(t, len(page), 1<<20)
	for _, text := range []string{"4\u202f800 more are not shown", "4\u202f500 more are not shown", `<th scope="row">h4999:80</th>`} {
		assert.True(t, strings.Contains(page, text), text) // not assert.Contains, which would print the page
	}
	w = ask(t, source, "GET", "/?format=json&host=h49")
	var raw map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &raw))
	var conns []struct{ Address string }
	require.NoError(t, json.Unmarshal(raw["Conns"], &conns))
	assert.Len(t, conns, 100)
}
