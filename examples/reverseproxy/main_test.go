package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestFlags(t *testing.T) {
	cfg, _, err := parseConfig(strings.Fields("-listen :1 -backend http://hub:80 -ttl 7s"))
	require.NoError(t, err)
	assert.Equal(t, ":1", cfg.listen)
	assert.Equal(t, "hub:80", cfg.backend.Host)
	assert.Equal(t, 7*time.Second, cfg.ttl)

	_, help, err := parseConfig([]string{"-h"})
	require.ErrorIs(t, err, flag.ErrHelp)
	assert.Contains(t, help, "-backend URL")
}

func TestBadFlagsAreOneClearLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "-backend",
		"-backend hub:80":                 "want http://",
		"-backend http://":                "want http://",
		"-backend ftp://hub":              "want http://",
		"-backend http://hub -ttl 0":      "-ttl must be positive",
		"-backend http://hub -idle -1s":   "-idle must be positive",
		"-backend http://hub -grace -1s":  "-grace",
		"-backend http://hub -max-age -1": "-max-age",
		"-backend http://hub more":        "unexpected argument",
		"-nosuch":                         "not defined: -nosuch",
	} {
		_, _, err := parseConfig(strings.Fields(args))
		require.ErrorContains(t, err, want, args)
		assert.NotContains(t, err.Error(), "\n", args)
	}
}

func TestRunServesUntilTheContextEnds(t *testing.T) {
	backend := httptest.NewServer(http.NotFoundHandler())
	defer backend.Close()
	logs := make(logLines, 16)
	cfg := testConfig(t, backend.URL)
	cfg.listen, cfg.stats = "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, cfg, slog.New(slog.NewJSONHandler(logs, nil))) }()

	proxy := "http://" + logs.next(t, "proxy listens")["address"].(string)
	listen := logs.next(t, "stats listen")
	stats, page := listen["url"].(string), listen["page"].(string)
	client := newClient(t)
	assert.Equal(t, http.StatusNotFound, get(t, client, proxy+"/x").StatusCode)
	assert.Equal(t, http.StatusOK, get(t, client, stats).StatusCode)
	assert.Contains(t, text(t, get(t, client, page)), cfg.backend.Host, "the page shows the connection")
	cancel()
	assert.NoError(t, <-ended)
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, c := range []struct{ listen, stats string }{
		{taken.Addr().String(), ""},
		{"127.0.0.1:0", taken.Addr().String()},
	} {
		cfg := testConfig(t, "http://127.0.0.1:1")
		cfg.listen, cfg.stats = c.listen, c.stats
		err := run(t.Context(), cfg, slog.New(slog.DiscardHandler))
		assert.ErrorContains(t, err, taken.Addr().String())
	}
}
