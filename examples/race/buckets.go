package main

import (
	"math"
	"slices"
	"time"
)

// bucket is the polls sent in one stretch of time around a close.
type bucket struct {
	low, high    time.Duration // offsets from the close
	polls, fails int
}

func (b bucket) share() float64 {
	if b.polls == 0 {
		return 0
	}
	return float64(b.fails) / float64(b.polls)
}

// span is a range of offsets.
type span struct{ low, high time.Duration }

// spanOf is where nearly all the aimed polls of the legs lie: a few that woke far too late would squeeze the rest.
// It is in whole milliseconds and contains the close.
func spanOf(legs []legResult) span {
	var offsets []time.Duration
	for _, l := range legs {
		for _, s := range l.samples {
			if s.aimed {
				offsets = append(offsets, s.offset)
			}
		}
	}
	slices.Sort(offsets)
	low := min(percentile(offsets, 1), -time.Millisecond)
	high := max(percentile(offsets, 98), time.Millisecond)
	return span{
		low:  floor(low, time.Millisecond),
		high: -floor(-high, time.Millisecond),
	}
}

// splitSamples counts the aimed polls of one leg in buckets of equal width, at most most of them. Polls before the span
// count in the first bucket, later ones in the last.
func splitSamples(samples []sample, over span, most int64) []bucket {
	width := niceStep(over.high-over.low, 10*time.Microsecond, most)
	var buckets []bucket
	for low := over.low; low < over.high; low += width {
		buckets = append(buckets, bucket{low: low, high: low + width})
	}
	for _, s := range samples {
		if !s.aimed {
			continue
		}
		b := &buckets[min(max(int((s.offset-over.low)/width), 0), len(buckets)-1)]
		b.polls++
		if s.failure != "" {
			b.fails++
		}
	}
	return buckets
}

// niceStep is the smallest of 1, 2, 5, 10, 20 ... units that covers length in at most most steps.
func niceStep(length, unit time.Duration, most int64) time.Duration {
	for {
		for _, times := range []time.Duration{1, 2, 5} {
			if length <= times*unit*time.Duration(most) {
				return times * unit
			}
		}
		unit *= 10
	}
}

// ceilShare rounds the top of a scale up to a readable share, at most everything.
func ceilShare(share float64) float64 {
	return min(max(math.Ceil(share*10)/10, 0.1), 1)
}

func floor(d, unit time.Duration) time.Duration {
	whole := d.Truncate(unit)
	if whole > d {
		whole -= unit
	}
	return whole
}
