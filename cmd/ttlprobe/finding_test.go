package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// seen is an observation of a connection that was used last at one age, and
// ended at another.
func seen(used, ended time.Duration, how how, hint string) *observation {
	begin := time.Unix(1_000, 0)
	return &observation{
		requests: 1, opened: begin, answered: begin.Add(used),
		ending: ending{at: begin.Add(ended), how: how},
		facts:  facts{protocol: "HTTP/1.1", server: "Apache", keepAlive: hint},
	}
}

const s = time.Second

func TestFindings(t *testing.T) {
	for _, row := range []struct {
		name     string
		observed []*observation
		served   int
		closes   string
		set      string
	}{
		{"an idle timer", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 6*s, byFIN, "timeout=5, max=100"), seen(2*s, 7*s, byFIN, "")}, 0,
			"when idle for 5.00 s, anew with each request (3 by FIN)", "WithTTL(4s), or any idle timeout of its clients to that or less"},
		{"a limit of age", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 5*s, byFIN, ""), seen(2*s, 5*s, byReset, "")}, 0,
			"at an age of 5.00 s, however lately it was used (1 by RST, 2 by FIN)", "WithMaxAge(4s); elsewhere, a connection's greatest age"},
		{"a coarse timer", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 7*s, byFIN, ""), seen(2*s, 7500*time.Millisecond, byFIN, "")}, 0,
			"when idle for 5.00 s to 6.00 s (3 by FIN)", "WithTTL(4s), or any idle timeout of its clients to that or less"},
		{"one that states less than it does", []*observation{seen(0, 6*s, byFIN, "timeout=5"), seen(s, 7*s, byFIN, "timeout=5")}, 0,
			"when idle for 6.00 s, anew with each request (2 by FIN)", "WithTTL(4s), or any idle timeout of its clients to that or less"},
		{"one that states more than it does", []*observation{seen(0, 2*s, byFIN, "timeout=5"), seen(s, 3*s, byFIN, "timeout=5")}, 0,
			"when idle for 2.00 s, anew with each request (2 by FIN)", "WithTTL(1.5s), or any idle timeout of its clients to that or less"},
		{"a cap", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 6*s, byFIN, "")}, 100,
			"when idle for 5.00 s, anew with each request (2 by FIN)", "WithTTL(4s), or any idle timeout of its clients to that or less; WithMaxUses(100)"},
		{"some are still open", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 9*s, stillOpen, "")}, 0,
			"when idle for 5.00 s, anew with each request (1 by FIN, 1 still open)", "WithTTL(4s), or any idle timeout of its clients to that or less"},
		{"all are, and nothing was stated", []*observation{seen(0, 9*s, stillOpen, ""), seen(s, 9*s, stillOpen, "")}, 0,
			"not within 9.00 s", "WithTTL to less than the longest that you know to be safe, or look longer with -max"},
		{"all are, and something was", []*observation{seen(0, 9*s, stillOpen, "timeout=60"), nil}, 0,
			"not within 9.00 s", "WithTTL(59s), or any idle timeout of its clients to that or less"},
		{"a short timer", []*observation{seen(0, 80*time.Millisecond, byFIN, ""), seen(0, 80*time.Millisecond, byFIN, "")}, 0,
			"when idle for 0.08 s, anew with each request (2 by FIN)", "WithTTL(60ms), or any idle timeout of its clients to that or less"},
		{"nothing was held", []*observation{nil, nil}, 0, "nothing could be held idle",
			"WithTTL to less than the longest that you know to be safe, or look longer with -max"},
		{"none is kept", []*observation{{requests: 1, closeAsked: true}}, 0, "after each response (Connection: close)", "nothing: there is nothing to reuse"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := analyse("http://hub/", row.observed, row.served)
			assert.Equal(t, row.closes, f.closes())
			assert.Equal(t, row.set, f.advice())
		})
	}
}

func TestHints(t *testing.T) {
	for field, want := range map[string]struct {
		timeout time.Duration
		further int
	}{
		"timeout=5, max=100":     {5 * s, 100},
		`TIMEOUT = "15" , max=x`: {15 * s, 0},
		"":                       {},
		"timeout=-1":             {},
		"timeout=99999999999":    {},
	} {
		timeout, further := stated(field)
		assert.Equal(t, want.timeout, timeout, field)
		assert.Equal(t, want.further, further, field)
	}
}

func TestTheTextOfAFinding(t *testing.T) {
	f := analyse("http://hub/", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 6*s, byNotify, "timeout=5, max=100")}, 101)
	f.Said = "HTTP/1.1 408 Request Timeout"
	f.facts.tls, f.facts.via = "TLS 1.3", "1.1 proxy01"
	var text bytes.Buffer
	require.NoError(t, writeText(&text, f))
	assert.Equal(t, `http://hub/
  speaks   HTTP/1.1, TLS 1.3, Server: Apache, Via: 1.1 proxy01
  states   Keep-Alive: timeout=5, max=100
  closes   when idle for 5.00 s, anew with each request (1 by FIN, 1 by TLS close_notify)
  says     "HTTP/1.1 408 Request Timeout", unasked, before it closes
  cap      after 101 requests on one connection
  set      WithTTL(4s), or any idle timeout of its clients to that or less; WithMaxUses(101)

`, text.String())
}

func TestAFindingInJSON(t *testing.T) {
	f := analyse("http://hub/", []*observation{seen(0, 5*s, byFIN, ""), seen(s, 6*s, byFIN, "timeout=6, max=100")}, 0)
	var text bytes.Buffer
	require.NoError(t, writeJSON(&text, []*finding{f}))
	assert.JSONEq(t, `[{"url": "http://hub/", "protocol": "HTTP/1.1", "server": "Apache", "stated_timeout_seconds": 6, "stated_max": 100,
		"idle_timeout_seconds": 5, "idle_timeout_latest_seconds": 5, "endings": {"FIN": 2}, "ttl_seconds": 4}]`, text.String())
}

func TestHopsAreCompared(t *testing.T) {
	server := func(timeout time.Duration) *finding {
		if timeout == 0 {
			return analyse("", []*observation{seen(0, 9*s, stillOpen, "")}, 0)
		}
		return analyse("", []*observation{seen(0, timeout, byFIN, ""), seen(s, timeout+s, byFIN, "")}, 0)
	}
	none := analyse("", []*observation{{requests: 1, closeAsked: true}}, 0)
	for _, row := range []struct {
		name           string
		proxy, backend *finding
		says           string
	}{
		{"the backend is sooner", server(15 * s), server(5 * s), "races at the second hop. Set its idle timeout or TTL towards the backend to 4s."},
		{"Koji's", server(15 * s), server(16 * s), "that the backend's is the longer one\nsaves nothing"},
		{"far apart", server(5 * s), server(60 * s), "set your client's TTL to 4s, and the proxy's towards the backend to 59s"},
		{"the backend keeps none", server(5 * s), none, "is between you and the proxy"},
		{"not seen", server(0), server(5 * s), "look longer with -max"},
	} {
		var text bytes.Buffer
		require.NoError(t, writeHops(&text, row.proxy, row.backend))
		assert.Contains(t, text.String(), row.says, row.name)
	}
}

func TestTheBarFillsUp(t *testing.T) {
	assert.Equal(t, "[..............................]   0.0 s of 2m0s, 0 of 4 closed ", bar(0, 2*time.Minute, 0, 4))
	assert.Equal(t, "[###############...............]  60.0 s of 2m0s, 1 of 4 closed ", bar(time.Minute, 2*time.Minute, 1, 4))
	assert.Equal(t, "[##############################] 180.0 s of 2m0s, 4 of 4 closed ", bar(3*time.Minute, 2*time.Minute, 4, 4))
}

// On a terminal the bar is drawn in one place, and taken away at the end.
func TestTheBarIsDrawnOnATerminal(t *testing.T) {
	var screen bytes.Buffer
	p := newProgress(&screen, time.Minute)
	p.live = true
	p.begin(nil, 4)
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return screen.Len() > 0
	}, 10*s, 10*time.Millisecond)
	p.end()
	assert.Contains(t, screen.String(), "0 of 4 closed")
	assert.True(t, bytes.HasSuffix(screen.Bytes(), []byte(" \r")))
	assert.NotContains(t, screen.String(), "\n")
}
