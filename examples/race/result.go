package main

import (
	"math"
	"slices"
	"time"
)

// report is the outcome of a run, as -json prints it.
type report struct {
	Backend    string            `json:"backend"`
	Timeout    seconds           `json:"timeout_s"`
	TTL        seconds           `json:"ttl_s"`
	Workers    int               `json:"workers"`
	Seed       uint64            `json:"seed"`
	Complete   bool              `json:"complete"` // false: ended before its time
	Situations []situationResult `json:"situations"`
}

type situationResult struct {
	Name string      `json:"name"`
	Legs []legResult `json:"legs"`

	restarts bool
}

type legResult struct {
	Name               string              `json:"name"`
	Requests           int                 `json:"requests"`
	Failed             int                 `json:"failed"`
	FailedBy           map[failureKind]int `json:"failed_by_kind"`
	FailedCalls        map[string]int      `json:"failed_by_call"`
	Calls              map[string]int      `json:"requests_by_call"`
	ProcessedTwice     *int                `json:"processed_twice"`        // null: the server does not tell
	UnsafeTwice        *int                `json:"unsafe_processed_twice"` // of them, those not declared repeatable
	Connections        int                 `json:"connections"`
	ConnectionsPer1000 float64             `json:"connections_per_1000"`
	P50                seconds             `json:"p50_s"` // of the answered
	P99                seconds             `json:"p99_s"`
	Example            string              `json:"example,omitempty"` // the text of one failure

	title   [2]string
	samples []sample
}

// seconds is a duration that JSON shows as a number.
type seconds float64

func inSeconds(d time.Duration) seconds { return seconds(d.Seconds()) }

func summarize(s situation, legs []*leg, workers [][]*worker, h *hub) situationResult {
	result := situationResult{Name: s.name, restarts: s.restarts}
	for i, l := range legs {
		var samples []sample
		for _, w := range workers[i] {
			samples = append(samples, w.samples...)
		}
		r := summarizeLeg(samples)
		r.Name, r.title = l.spec.name, l.spec.title
		r.Connections = int(l.dials.Load())
		if r.Requests > 0 {
			r.ConnectionsPer1000 = 1000 * float64(r.Connections) / float64(r.Requests)
		}
		if h != nil {
			all, unsafe := h.processedTwice(l.spec.name)
			r.ProcessedTwice, r.UnsafeTwice = &all, &unsafe
		}
		result.Legs = append(result.Legs, r)
	}
	return result
}

func summarizeLeg(samples []sample) legResult {
	r := legResult{
		Requests:    len(samples),
		FailedBy:    make(map[failureKind]int),
		FailedCalls: make(map[string]int),
		Calls:       make(map[string]int),
		samples:     samples,
	}
	var latencies []time.Duration
	for _, s := range samples {
		r.Calls[s.kind.String()]++
		if s.failure == "" {
			latencies = append(latencies, s.latency)
			continue
		}
		r.Failed++
		r.FailedBy[s.failure]++
		r.FailedCalls[s.kind.String()]++
		r.Example = s.text
	}
	slices.Sort(latencies)
	r.P50, r.P99 = inSeconds(percentile(latencies, 50)), inSeconds(percentile(latencies, 99))
	return r
}

// percentile is the smallest value that at least p percent of the sorted values do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}
