package main

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaults(t *testing.T) {
	cfg, _, err := parseConfig(nil)
	require.NoError(t, err)
	cfg, err = cfg.forServer(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 800*time.Millisecond, cfg.timeout)
	assert.Equal(t, 500*time.Millisecond, cfg.ttl)
	assert.LessOrEqual(t, cfg.duration, 8*time.Second, "with a cold compile it still ends within 30 s")
}

func TestTheTTLFollowsTheTimeout(t *testing.T) {
	cfg, _, err := parseConfig(strings.Fields("-backend http://hub:8080/log -timeout 2s"))
	require.NoError(t, err)
	cfg, err = cfg.forServer(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1250*time.Millisecond, cfg.ttl)
	assert.Equal(t, "hub:8080", cfg.backend.Host)
}

func TestBadFlagsAreOneClearLine(t *testing.T) {
	for args, want := range map[string]string{
		"-nosuch":                     "not defined: -nosuch",
		"-workers many":               "invalid value",
		"-workers 0":                  "-workers must be",
		"-ttl 0":                      "-ttl must be positive",
		"-ttl -1s":                    "-ttl must be positive",
		"-timeout 0":                  "-timeout must be positive",
		"-duration 0":                 "-duration must be positive",
		"-backend hub:80":             "-backend",
		"-backend ftp://hub":          "want http://",
		"-backend http://":            "want http://",
		"-backend http://hub -path x": "-path must start with /",
		"-path /x":                    "-path needs -backend",
		"http://hub":                  "unexpected argument",
		"-duration 1s -timeout 800ms": "too short to see",
		"-timeout 1ns -duration 1s":   "too short",
	} {
		cfg, _, err := parseConfig(strings.Fields(args))
		if err == nil {
			_, err = cfg.forServer(t.Context())
		}
		require.ErrorContains(t, err, want, args)
		assert.NotContains(t, err.Error(), "\n", args)
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	_, help, err := parseConfig([]string{"-help"})
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"backend", "path", "timeout", "ttl", "duration", "workers", "seed", "json", "svg"} {
		assert.Contains(t, help, "  -"+name)
	}
}
