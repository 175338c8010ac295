package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// called runs the program.
func called(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return calledIn(t.Context(), args...)
}

func calledIn(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, complaints bytes.Buffer
	status = run(ctx, args, &out, &complaints)
	return status, out.String(), complaints.String()
}

func TestWrongCallsAreExplained(t *testing.T) {
	for _, row := range []struct {
		args []string
		says string
	}{
		{nil, "no URL given"},
		{[]string{"hub:80"}, "no URL of http or https"},
		{[]string{"ftp://hub/"}, "no URL of http or https"},
		{[]string{"http:///kojihub"}, "names no host"},
		{[]string{"http://hub:port/"}, "invalid port"},
		{[]string{"-max", "0s", "http://hub/"}, "-max and -stagger must be more than nothing"},
		{[]string{"-connections", "1", "http://hub/"}, "-connections must be 2 or more"},
		{[]string{"-requests", "-1", "http://hub/"}, "-requests must not be negative"},
		{[]string{"-header", "x", "http://hub/"}, "it has no colon"},
		{[]string{"-through", "http://proxy/"}, "-through takes the URL of a proxy"},
		{[]string{"-nonsense"}, "flag provided but not defined"},
	} {
		status, stdout, stderr := called(t, row.args...)
		assert.Equal(t, exitUsage, status, row.says)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, row.says)
	}
}

func TestHelpIsNoError(t *testing.T) {
	status, _, stderr := called(t, "-h")
	assert.Equal(t, exitFine, status)
	assert.Contains(t, stderr, "usage: ttlprobe")
}
