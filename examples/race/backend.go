package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// backendTarget is a real server: one path for every kind of call.
func backendTarget(backend *url.URL, path string) target {
	port := backend.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[backend.Scheme]
	}
	if path == "" {
		path = backend.RequestURI()
	}
	return target{
		url:      backend,
		addrs:    []string{net.JoinHostPort(backend.Hostname(), port)},
		getPath:  path,
		postPath: path,
	}
}

// hubTarget is the embedded hub.
func hubTarget(h *hub) target {
	return target{
		url:      &url.URL{Scheme: "http", Host: "hub"},
		addrs:    h.addrs,
		getPath:  logPath,
		postPath: rpcPath,
		isOurHub: true,
	}
}

var errNoHint = errors.New("no Keep-Alive header with a timeout in its answer; state it with -timeout")

// statedTimeout asks the server for its keep-alive timeout: a GET, and the Keep-Alive header of the answer.
func statedTimeout(ctx context.Context, to target) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	u := url.URL{Scheme: to.url.Scheme, Host: to.url.Host}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String()+to.getPath, nil)
	if err != nil {
		return 0, err
	}
	// Apache httpd answers with Keep-Alive only those who name it, though they need not in HTTP/1.1.
	req.Header.Set("Connection", "keep-alive")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, fmt.Errorf("backend: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("backend: %w", err)
	}
	timeout, ok := keepAliveTimeout(resp.Header.Get("Keep-Alive"))
	if !ok {
		return 0, fmt.Errorf("backend %s: %w", u.Host, errNoHint)
	}
	return timeout, nil
}

// keepAliveTimeout reads the timeout of "timeout=5, max=100", which is in seconds.
func keepAliveTimeout(header string) (time.Duration, bool) {
	for part := range strings.SplitSeq(header, ",") {
		name, text, _ := strings.Cut(part, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "timeout") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
		return time.Duration(seconds) * time.Second, err == nil && seconds > 0
	}
	return 0, false
}
