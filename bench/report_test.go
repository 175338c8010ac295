package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool/bench/internal/results"
)

func TestPercentilesAreThoseOfTheWindow(t *testing.T) {
	var load []timing
	for i := 1; i <= 1000; i++ {
		load = append(load, timing{Begun: time.Second, Took: time.Duration(i) * time.Microsecond, Failed: i == 1})
	}
	load = append(load, timing{Begun: 0, Took: time.Hour}, timing{Begun: 2 * time.Second, Took: time.Hour})
	n, values := percentiles(load, window{time.Second, 2 * time.Second})
	assert.Equal(t, 1000, n)
	assert.Equal(t, []results.Value{
		{Value: 500, Unit: "p50-µs"}, {Value: 990, Unit: "p99-µs"}, {Value: 999, Unit: "p99.9-µs"},
		{Value: 1000, Unit: "max-µs"}, {Value: 1, Unit: "failed"},
	}, values)
}

func TestATableGoesWhereItsMarksAre(t *testing.T) {
	const report = "before\n<!-- table T, written by bench -->\nold\n<!-- end of table -->\nafter\n"
	got, err := replaceTable([]byte(report), "T", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "before\n<!-- table T, written by bench -->\nnew\n<!-- end of table -->\nafter\n", string(got))
	_, err = replaceTable([]byte(report), "U", "new\n")
	assert.ErrorContains(t, err, "U")
}
