package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

const (
	hubTimeout = time.Second
	rightTTL   = 3 * hubTimeout / 4
	wrongTTL   = 10 * hubTimeout

	lanes        = 20 // each with a proxy and one caller: in a pool that is shared, connections do not grow old together
	defaultCalls = 10 * lanes
)

// numberOfCalls is how many are made through each proxy: TTLPOOL_KOJI_CALLS, or a few.
func numberOfCalls(t *testing.T) int {
	text := os.Getenv("TTLPOOL_KOJI_CALLS")
	if text == "" {
		return defaultCalls
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "TTLPOOL_KOJI_CALLS")
	return n
}

// TestNoCallFailsThroughTheReverseProxy makes calls at the moment at which the hub closes the connections between it and
// the proxy: through examples/reverseproxy with a TTL below the hub's timeout; with one above, where calls that only
// read are sent again; and through a proxy over http.Transport, which must fail for the test to mean anything.
func TestNoCallFailsThroughTheReverseProxy(t *testing.T) {
	calls, program := numberOfCalls(t), buildReverseProxy(t)
	t.Run("at once", func(t *testing.T) {
		t.Run("over ttlpool", func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, anyCall, func(t *testing.T, hub string) string {
				return startReverseProxy(t, program, hub, rightTTL)
			})
			twice := c.run(t, calls)
			assert.Empty(t, c.failures)
			assert.Zero(t, twice)
			assert.NotEmpty(t, c.builds)
			assert.Equal(t, c.builds, c.hub.Builds(), "those that the callers were told of are those of the hub")
		})
		t.Run("over ttlpool with a TTL that is too long, reading", func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, anyRead, func(t *testing.T, hub string) string {
				return startReverseProxy(t, program, hub, wrongTTL)
			})
			c.run(t, calls)
			assert.Empty(t, c.failures)
		})
		t.Run("over http.Transport", func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, anyCall, startPlainProxy)
			twice := c.run(t, calls)
			assert.NotEmpty(t, c.failures, "the calls were not aimed well")
			assert.Zero(t, twice)
		})
	})
}

func startHub(t *testing.T) (hub *kojihub.Hub, address string) {
	t.Helper()
	hub = kojihub.New(time.Second)
	server, err := kojihub.Listen(hub, hubTimeout)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return hub, server.URL
}

// buildReverseProxy builds examples/reverseproxy, to be run as its users run it.
func buildReverseProxy(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "reverseproxy")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../reverseproxy").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

var proxyListens = regexp.MustCompile(`msg="proxy listens" address=(\S+)`)

// startReverseProxy returns the address of the hub behind a proxy of its own.
func startReverseProxy(t *testing.T, program, hub string, ttl time.Duration) string {
	t.Helper()
	backend := strings.TrimSuffix(hub, kojihub.Path)
	ctx, kill := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, "-listen", "127.0.0.1:0", "-stats", "", "-backend", backend, "-ttl", ttl.String())
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	stale := make(chan int, 1)
	t.Cleanup(func() {
		kill()
		if n := <-stale; n > 0 {
			t.Logf("a proxy with TTL %v met %d stale connections", ttl, n)
		}
		_ = cmd.Wait() // it was killed
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if found := proxyListens.FindStringSubmatch(lines.Text()); found != nil {
			go func() { stale <- countStale(lines) }()
			return "http://" + found[1] + kojihub.Path
		}
	}
	stale <- 0
	require.Fail(t, "the proxy did not start")
	return ""
}

// countStale reads a log to its end.
func countStale(lines *bufio.Scanner) (n int) {
	for lines.Scan() {
		if strings.Contains(lines.Text(), `msg="stale connection"`) {
			n++
		}
	}
	return n
}

// startPlainProxy is the same over http.Transport.
func startPlainProxy(t *testing.T, hub string) string {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(hub, kojihub.Path))
	require.NoError(t, err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
	})
	t.Cleanup(func() {
		proxy.Close()
		transport.CloseIdleConnections()
	})
	return proxy.URL + kojihub.Path
}

// campaign is many calls, aimed at the moment at which the hub closes what is idle.
type campaign struct {
	hub   *kojihub.Hub
	lanes []*lane
	call  func(context.Context, *lane) error

	mu       sync.Mutex // guards the rest
	calls    int
	failures []error
	builds   map[string]int // that callers were told of, by source
}

// lane is one caller and the proxy that it calls through.
type lane struct {
	campaign *campaign
	id, turn int
	client   *koji.Client
	session  *koji.Session
	fastest  time.Duration // answer so far
}

func newCampaign(t *testing.T, call func(context.Context, *lane) error, startProxy func(t *testing.T, hub string) string) *campaign {
	t.Helper()
	c := &campaign{call: call, builds: make(map[string]int)}
	var hub string
	c.hub, hub = startHub(t)
	transport, err := ttlpool.NewTransport()
	require.NoError(t, err)
	t.Cleanup(func() { _ = transport.Close() })
	for id := range lanes {
		client, err := koji.New(startProxy(t, hub), transport)
		require.NoError(t, err)
		session, err := client.Login(t.Context(), fmt.Sprint("caller", id), kojihub.Password)
		require.NoError(t, err)
		c.lanes = append(c.lanes, &lane{campaign: c, id: id, client: client, session: session, fastest: time.Second})
	}
	return c
}

// run makes that many calls, and returns how many of them the hub has acted on twice.
func (c *campaign) run(t *testing.T, calls int) (twice int) {
	t.Helper()
	var all sync.WaitGroup
	for _, l := range c.lanes {
		all.Go(func() {
			for answered := time.Now(); l.turn < calls/lanes && t.Context().Err() == nil; l.turn++ {
				answered = l.callAt(t.Context(), l.aim(answered))
			}
		})
	}
	all.Wait()
	acted, twice := c.hub.ActedOn()
	t.Logf("%d calls, %d failed; the hub has acted on %d, on %d twice", c.calls, len(c.failures), acted, twice)
	if len(c.failures) > 0 {
		t.Logf("such as: %v", c.failures[0])
	}
	assert.Equal(t, calls/lanes*lanes, c.calls)
	assert.GreaterOrEqual(t, acted, c.calls-len(c.failures))
	return twice
}

// aim returns when to call next. Every fourth time is early. The others are spread over the race: from the earliest that
// can cross the hub's close on the wire to the latest at which the proxy may not have heard of it.
func (l *lane) aim(answered time.Time) time.Time {
	if l.turn%4 == 0 {
		return answered.Add(rand.N(hubTimeout))
	}
	earliest, latest := -2*l.fastest-time.Millisecond/2, 2*time.Millisecond
	return answered.Add(hubTimeout + earliest + rand.N(latest-earliest))
}

// callAt makes a call at some time, and returns when it was answered.
func (l *lane) callAt(ctx context.Context, at time.Time) time.Time {
	time.Sleep(time.Until(at)) // the hub's timeout at most
	begun := time.Now()
	err := l.campaign.call(ctx, l)
	answered := time.Now()
	l.fastest = min(l.fastest, answered.Sub(begun))
	l.campaign.mu.Lock()
	defer l.campaign.mu.Unlock()
	l.campaign.calls++
	if err != nil {
		l.campaign.failures = append(l.campaign.failures, err)
	}
	return answered
}

// anyCall reads something or starts a build.
func anyCall(ctx context.Context, l *lane) error {
	if rand.N(3) > 0 {
		return anyRead(ctx, l)
	}
	source := fmt.Sprintf("hello-%d-%d", l.id, l.turn)
	_, err := l.session.StartBuild(ctx, source, "f44")
	if err == nil {
		l.campaign.mu.Lock()
		defer l.campaign.mu.Unlock()
		l.campaign.builds[source]++
	}
	return err
}

// anyRead reads something, with or without the session, and checks that the answer is its own.
func anyRead(ctx context.Context, l *lane) error {
	api := l.client.API
	if rand.N(2) == 0 {
		api = l.session.API
	}
	question := fmt.Sprintf("caller %d, turn %d", l.id, l.turn)
	answer, err := api.Call(ctx, "echo", question)
	if err != nil {
		return err
	}
	if list, ok := answer.([]any); !ok || len(list) != 1 || list[0] != question {
		return errors.New("somebody else's answer")
	}
	return nil
}
