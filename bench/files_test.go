package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsMeasuredSaysHowManyFilesItNeeds(t *testing.T) {
	for _, known := range []struct {
		args  []string
		files int
	}{
		{nil, 10_000 + otherFiles},
		{[]string{"-sections", "Latency"}, 4*2*1000 + otherFiles},
		{[]string{"-sections", "Latency", "-clients", "ttlpool"}, 2*1000 + otherFiles},
		{[]string{"-sections", "Latency", "-rows", "^GET small$"}, 4*2*2 + otherFiles},
		{[]string{"-sections", "Idle", "-rows", "plaintext, 100 "}, 100 + otherFiles},
		{[]string{"-sections", "Tail", "-rows", "restarts"}, 1000 + otherFiles},
		{[]string{"-sections", "Pool"}, otherFiles},
	} {
		o, err := parseOptions(known.args)
		require.NoError(t, err)
		assert.Equal(t, known.files, (&bench{options: o}).filesNeeded(), "%v", known.args)
	}
}
