package testnet

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDelays(t *testing.T) {
	for name, tt := range map[string]struct {
		config Config
		want   [2]time.Duration
	}{
		"none":         {Config{}, [2]time.Duration{}},
		"round trip":   {Config{RTT: 20 * time.Millisecond}, [2]time.Duration{10 * time.Millisecond, 10 * time.Millisecond}},
		"odd":          {Config{RTT: 3}, [2]time.Duration{1, 2}},
		"one way":      {Config{ToClient: time.Second}, [2]time.Duration{ToClient: time.Second}},
		"each its own": {Config{ToServer: 1, ToClient: 2}, [2]time.Duration{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.config.delays()
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestContradictionsAreErrors(t *testing.T) {
	for _, c := range []Config{
		{RTT: -1},
		{ToServer: -1},
		{ToClient: -1},
		{RTT: 1, ToServer: 1},
		{RTT: 1, ToClient: 1},
	} {
		n, err := New(c)
		assert.Nil(t, n, "%+v", c)
		assert.ErrorContains(t, err, "testnet: ", "%+v", c)
	}
}

// verdict records what a test would have come to.
type verdict struct {
	testing.TB
	failed, skipped bool
}

func (v *verdict) Helper()               {}
func (v *verdict) Name() string          { return "TestOfSomebody" }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }
func (v *verdict) Skipf(string, ...any)  { v.skipped = true }

func TestWithoutANetworkATestFailsInCI(t *testing.T) {
	for ci, want := range map[string]verdict{
		"true": {failed: true},
		"":     {skipped: true},
	} {
		t.Setenv("CI", ci)
		var got verdict
		giveUp(&got, errors.New("the reason"))
		assert.Equal(t, want, got, "CI=%q", ci)
	}
}
