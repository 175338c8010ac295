package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeepAliveTimeout(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"timeout=5":           5 * time.Second,
		"timeout=5, max=100":  5 * time.Second,
		"max=100, Timeout=15": 15 * time.Second,
		" timeout = 2 ":       2 * time.Second,
		"":                    0,
		"max=100":             0,
		"timeout=0":           0,
		"timeout=-1":          0,
		"timeout=soon":        0,
		"timeout=99999999999": 0,
	} {
		got, ok := keepAliveTimeout(header)
		assert.Equal(t, want > 0, ok, "%q", header)
		if ok {
			assert.Equal(t, want, got, "%q", header)
		}
	}
}

func TestStatedTimeoutComesFromTheAnswer(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/polite" && r.Header.Get("Connection") == "keep-alive" { // as Apache httpd does
			w.Header().Set("Keep-Alive", "timeout=3, max=50")
		}
	}))
	defer backend.Close()
	got, err := statedTimeout(t.Context(), backendTarget(parseURL(t, backend.URL), "/polite"))
	require.NoError(t, err)
	assert.Equal(t, 3*time.Second, got)

	_, err = statedTimeout(t.Context(), backendTarget(parseURL(t, backend.URL), ""))
	assert.ErrorIs(t, err, errNoHint)
}

func TestBackendTarget(t *testing.T) {
	for text, want := range map[string]target{
		"http://hub":             {addrs: []string{"hub:80"}, getPath: "/"},
		"https://hub/kojihub?x":  {addrs: []string{"hub:443"}, getPath: "/kojihub?x"},
		"http://[::1]:8080/logs": {addrs: []string{"[::1]:8080"}, getPath: "/logs"},
	} {
		got := backendTarget(parseURL(t, text), "")
		assert.Equal(t, want.addrs, got.addrs, text)
		assert.Equal(t, want.getPath, got.getPath, text)
		assert.Equal(t, want.getPath, got.postPath, text)
	}
}
