package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	assert.Equal(t, time.Duration(50), percentile(hundred, 50))
	assert.Equal(t, time.Duration(99), percentile(hundred, 99))
	assert.Equal(t, time.Duration(100), percentile(hundred, 100))
	assert.Equal(t, time.Duration(1), percentile(hundred, 0))
	assert.Equal(t, time.Duration(7), percentile([]time.Duration{7}, 99))
	assert.Equal(t, time.Duration(2), percentile([]time.Duration{1, 2, 3}, 50))
	assert.Zero(t, percentile(nil, 50))
}

// testReport has failures in the first leg, and a backend whose name wants escaping.
func testReport() report {
	failing := []sample{
		{kind: postLength, aimed: true, offset: -1500 * time.Microsecond, latency: time.Millisecond},
		{kind: postStream, aimed: true, offset: 100 * time.Microsecond, failure: failedEOF, text: "EOF"},
		{kind: getLog, latency: 3 * time.Millisecond},
		{kind: postLength, aimed: true, offset: 3 * time.Millisecond, failure: failedTimeout, text: "late"},
	}
	r := report{Backend: "http://a&b/<c>", Timeout: 0.8, TTL: 0.5, Workers: 2, Seed: 3, Complete: true}
	for _, s := range []situationResult{{Name: "idle timeout"}, {Name: "restart", restarts: true}} {
		for i, spec := range legSpecs(500 * time.Millisecond) {
			l := summarizeLeg(failing[:min(1, i)])
			if i == 0 {
				l = summarizeLeg(failing)
			}
			l.Name, l.title = spec.name, spec.title
			s.Legs = append(s.Legs, l)
		}
		r.Situations = append(r.Situations, s)
	}
	return r
}

func TestSummaryOfALeg(t *testing.T) {
	l := testReport().Situations[0].Legs[0]
	assert.Equal(t, 4, l.Requests)
	assert.Equal(t, 2, l.Failed)
	assert.Equal(t, map[failureKind]int{failedEOF: 1, failedTimeout: 1}, l.FailedBy)
	assert.Equal(t, map[string]int{"POST": 1, "POST, streamed": 1}, l.FailedCalls)
	assert.Equal(t, map[string]int{"POST": 2, "POST, streamed": 1, "GET": 1}, l.Calls)
	assert.Equal(t, seconds(0.001), l.P50)
	assert.Equal(t, seconds(0.003), l.P99)
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeTable(&out, testReport()))
	text := out.String()
	for _, want := range []string{
		"http://a&b/<c>, keep-alive timeout 800ms; TTL 500ms; 2 workers per proxy; seed 3\n",
		"Polls aimed at the idle timeout\n",
		"requests                                        4               1               1\n",
		"  timeout                                       1               0               0\n",
		"  of POST                                  1 of 2          0 of 1          0 of 1\n",
		"processed twice                           unknown         unknown         unknown\n",
		"unknown: only the embedded hub counts",
		"A failure of http.Transport as is at the idle timeout:\n  late\n",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "wrong answer", "a kind that did not occur and is not of the race")
	assert.NotContains(t, text, "stopped early")
	assert.NotContains(t, text, "TTL is not below")
}

func TestTableSaysWhatLimitsIt(t *testing.T) {
	r := testReport()
	r.Complete, r.TTL = false, r.Timeout
	var out bytes.Buffer
	require.NoError(t, writeTable(&out, r))
	assert.Contains(t, out.String(), "stopped early")
	assert.Contains(t, out.String(), "TTL is not below")
}

func TestNumbersForReaders(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		assert.Equal(t, want, count(n))
	}
	for s, want := range map[seconds]string{0.000123456: "123µs", 0.00123456: "1.23ms", 0.0123456: "12ms", 16: "16s"} {
		assert.Equal(t, want, duration(s))
	}
}
