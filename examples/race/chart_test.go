package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func assertWellFormed(t *testing.T, document []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(document))
	elements := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
	assert.Greater(t, elements, 20)
}

func TestChart(t *testing.T) {
	svg, err := chart(testReport())
	require.NoError(t, err)
	assertWellFormed(t, svg)
	for _, want := range []string{
		"http://a&amp;b/&lt;c&gt;", "prefers-color-scheme: dark",
		"idle time when the poll was sent, ms", "time from the restart", "aimed polls that failed",
		">http.Transport as is<", ">ttlpool TTL 500ms<", ">2 of 4 failed<", ">800<", "100 %",
	} {
		assert.True(t, bytes.Contains(svg, []byte(want)), want)
	}
	assert.False(t, bytes.Contains(svg, []byte("NaN")))
}

func TestChartOfNothing(t *testing.T) {
	r := testReport()
	for _, s := range r.Situations {
		for i := range s.Legs {
			s.Legs[i].samples = nil
		}
	}
	svg, err := chart(r)
	require.NoError(t, err)
	assertWellFormed(t, svg)
	assert.False(t, bytes.Contains(svg, []byte("NaN")))
}

func TestSamplesAreSplitInBuckets(t *testing.T) {
	ms := time.Millisecond
	buckets := splitSamples([]sample{
		{aimed: true, offset: -time.Hour, failure: failedEOF},
		{aimed: true, offset: -2 * ms},
		{aimed: true, offset: -1},
		{aimed: true, offset: 0, failure: failedReset},
		{aimed: true, offset: ms - 1},
		{aimed: true, offset: time.Hour},
		{failure: failedEOF}, // not aimed
	}, span{-2 * ms, 2 * ms}, 4)
	assert.Equal(t, []bucket{
		{low: -2 * ms, high: -ms, polls: 2, fails: 1},
		{low: -ms, high: 0, polls: 1},
		{low: 0, high: ms, polls: 2, fails: 1},
		{low: ms, high: 2 * ms, polls: 1},
	}, buckets)
	assert.InDelta(t, 0.5, buckets[0].share(), 1e-9)
	assert.Zero(t, bucket{}.share())
}

func TestSpanHoldsTheCloseAndNearlyAllPolls(t *testing.T) {
	ms := time.Millisecond
	assert.Equal(t, span{-ms, ms}, spanOf(nil))
	var samples []sample
	for i := range 1000 {
		samples = append(samples, sample{aimed: true, offset: time.Duration(i) * 3 * time.Microsecond})
	}
	samples = append(samples, sample{aimed: true, offset: time.Hour}, sample{offset: -time.Hour})
	assert.Equal(t, span{-ms, 3 * ms}, spanOf([]legResult{{samples: samples}}))
}

func TestNiceStep(t *testing.T) {
	for _, c := range []struct{ length, want time.Duration }{
		{8, 1}, {9, 2}, {16, 2}, {17, 5}, {40, 5}, {41, 10}, {81, 20}, {400, 50},
	} {
		assert.Equal(t, c.want, niceStep(c.length, 1, 8), "%d", c.length)
	}
}

func TestFloor(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{0: 0, 1: 0, 9: 0, 10: 10, -1: -10, -10: -10, -11: -20} {
		assert.Equal(t, want, floor(d, 10), "%d", d)
	}
}
