package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ttlpool/ttlpool/examples/internal/kojihub"
	"github.com/ttlpool/ttlpool/examples/kojiclient/koji"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	cfg, _, err := parseConfig(strings.Fields("-hub http://hub/kojihub -server-timeout 16s -poll 2s task-info 7"))
	require.NoError(t, err)
	assert.Equal(t, "http://hub/kojihub", cfg.hub)
	assert.Equal(t, 16*time.Second, cfg.timeout)
	assert.Equal(t, 2*time.Second, cfg.poll)
	assert.Equal(t, "task-info", cfg.command.name)
	assert.Equal(t, "7", cfg.arg)

	cfg, _, err = parseConfig([]string{"-demo"})
	require.NoError(t, err)
	assert.Equal(t, "watch-task", cfg.command.name)

	_, help, err := parseConfig([]string{"-h"})
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, c := range commands {
		assert.Contains(t, help, "  "+c.name)
	}
}

func TestBadFlagsAreOneClearLine(t *testing.T) {
	for args, want := range map[string]string{
		"":                                "no command",
		"tasks":                           "want one of -hub and -demo",
		"-hub http://hub -demo":           "want one of -hub and -demo",
		"-hub http://hub":                 "no command",
		"-hub http://hub dance":           `no command "dance"`,
		"-hub http://hub build":           "build needs NVR",
		"-hub http://hub tasks 1":         `unexpected argument "1"`,
		"-hub http://hub task-info 1 2":   `unexpected argument "2"`,
		"-demo watch-task 1 2":            `unexpected argument "2"`,
		"-demo -poll -1s":                 "must not be negative",
		"-demo -server-timeout -1s tasks": "must not be negative",
		"-nosuch":                         "not defined: -nosuch",
	} {
		_, _, err := parseConfig(strings.Fields(args))
		require.ErrorContains(t, err, want, args)
		assert.NotContains(t, err.Error(), "\n", args)
	}
}

func TestTheDemonstrationAnswersEveryCommand(t *testing.T) {
	for command, want := range map[string]string{
		"api-version": "1\n",
		"build":       "build 1: hello-2.12-1.fc44, building, of packager\nby task 2147483648\n",
		"tasks":       "2147483648 build (noarch): ", // free or open: the demonstration goes on
		"task-info":   "2147483648 build (noarch): ",
	} {
		cfg, _, err := parseConfig([]string{"-demo", command})
		require.NoError(t, err)
		var out, notes strings.Builder
		require.NoError(t, run(t.Context(), cfg, &out, &notes), command)
		assert.Contains(t, out.String(), want)
		assert.Contains(t, notes.String(), "1 calls on 1 connections; stale: 0, sent again: 0\n")
	}
}

func TestAHubThatCannotBeReachedIsAnError(t *testing.T) {
	refused := httptest.NewServer(http.NotFoundHandler())
	refused.Close()
	for hub, want := range map[string]string{"hub": "is not of the form", refused.URL: "koji: getAPIVersion: "} {
		cfg, _, err := parseConfig([]string{"-hub", hub, "api-version"})
		require.NoError(t, err)
		assert.ErrorContains(t, run(t.Context(), cfg, &strings.Builder{}, &strings.Builder{}), want)
	}
	cfg, _, err := parseConfig([]string{"-demo", "task-info", "x"})
	require.NoError(t, err)
	assert.ErrorContains(t, run(t.Context(), cfg, &strings.Builder{}, &strings.Builder{}), `task "x": not a number`)
}

// within is a way to a hub in the same process, for tests in which the time is not real.
type within struct{ hub http.Handler }

func (w within) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	w.hub.ServeHTTP(recorder, req)
	return recorder.Result(), nil
}

// building returns a client of a hub that has just begun to build a source, at one second a unit.
func building(t *testing.T, source string) (koji.API, int64) {
	t.Helper()
	client, err := koji.New("http://hub"+kojihub.Path, within{kojihub.New(time.Second)})
	require.NoError(t, err)
	session, err := client.Login(t.Context(), "packager", kojihub.Password)
	require.NoError(t, err)
	id, err := session.StartBuild(t.Context(), source, "f44")
	require.NoError(t, err)
	return client.API, id
}

func TestWatchTaskShowsEachChangeWhenItHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, id := building(t, "hello")
		var out timed
		require.NoError(t, watchTask(t.Context(), api, id, time.Second, &out))
		assert.Equal(t, `0s: 2147483648 build (noarch): free
1s: 2147483648 build (noarch): free -> open
1s:   2147483649 buildSRPMFromSCM (noarch): free
2s:   2147483649 buildSRPMFromSCM (noarch): free -> open
4s:   2147483649 buildSRPMFromSCM (noarch): open -> closed
4s:   2147483650 buildArch (x86_64): free
4s:   2147483651 buildArch (aarch64): free
5s:   2147483650 buildArch (x86_64): free -> open
6s:   2147483651 buildArch (aarch64): free -> open
10s:   2147483650 buildArch (x86_64): open -> closed
11s:   2147483651 buildArch (aarch64): open -> closed
11s:   2147483652 tagBuild (noarch): open
12s: 2147483648 build (noarch): open -> closed
12s:   2147483652 tagBuild (noarch): open -> closed
12s: 2147483648 build (noarch): done in 12s
`, out.text.String())
	})
}

// timed is a writer that notes when each line was written.
type timed struct {
	begun time.Time
	text  strings.Builder
}

func (w *timed) Write(line []byte) (int, error) {
	if w.begun.IsZero() {
		w.begun = time.Now()
	}
	w.text.WriteString(time.Since(w.begun).String() + ": ")
	return w.text.Write(line)
}

func TestAFailedTaskIsAnErrorThatSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, id := building(t, "broken")
		err := watchTask(t.Context(), api, id, time.Second, &strings.Builder{})
		var fault *koji.Fault
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, koji.FaultBuild, fault.Code)
		assert.EqualError(t, err, "2147483648 build (noarch): failed: koji: getTaskResult: BuildError: "+
			"error building package (arch aarch64): broken")
	})
}

func TestWatchLogsShowsEachLineOnceAndNamesTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, id := building(t, "hello")
		var out strings.Builder
		require.NoError(t, watchLogs(t.Context(), api, id, time.Second, &out))
		text := out.String()
		assert.True(t, strings.HasPrefix(text, "==> build.log of task 2147483649 <==\n+ noarch: line 1 of"), text)
		assert.Equal(t, 8, strings.Count(text, "+ noarch: line"))
		for _, arch := range []string{"x86_64", "aarch64"} {
			assert.Equal(t, 20, strings.Count(text, "+ "+arch+": line"))
			assert.Equal(t, 1, strings.Count(text, "+ "+arch+": line 20 of the build of hello\n"))
		}
		assert.Greater(t, strings.Count(text, "==> build.log of task 2147483650 <=="), 1, "they take turns")
		assert.True(t, strings.HasSuffix(text, "2147483648 build (noarch): done in 12s\n"), text)
	})
}

func TestWatchingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, id := building(t, "hello")
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3500*time.Millisecond, interrupted)
		defer cancel()
		assert.ErrorIs(t, watchTask(ctx, api, id, time.Second, &strings.Builder{}), interrupted)
	})
}

func TestATaskThatThereIsNotIsAnError(t *testing.T) {
	api, _ := building(t, "hello")
	assert.ErrorIs(t, watchTask(t.Context(), api, 7, time.Second, &strings.Builder{}), koji.ErrNotFound)
	assert.ErrorIs(t, watchLogs(t.Context(), api, 7, time.Second, &strings.Builder{}), koji.ErrNotFound)
}
