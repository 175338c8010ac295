package main

import (
	"math"
	"strconv"
	"strings"
)

// thousands writes a number with a comma before each three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// quantity writes a measured value with three digits that mean something, or
// with all before the point.
func quantity(v float64) string {
	switch size := math.Abs(v); {
	case size >= 100:
		return thousands(int(math.Round(v)))
	case size >= 10:
		return decimals(v, 1)
	}
	return decimals(v, 2)
}

func decimals(v float64, n int) string { return strconv.FormatFloat(v, 'f', n, 64) }

// whole writes a count, which is a fraction only because it is an average.
func whole(v float64) string { return thousands(int(math.Round(v))) }

// factor writes a ratio.
func factor(v float64) string { return decimals(v, 2) }

// scaled writes a value in the largest unit in which it is not below 1.
func scaled(v, step float64, units ...string) string {
	i := 0
	for ; i < len(units)-1 && math.Abs(v) >= step; i++ {
		v /= step
	}
	return strings.TrimSuffix(quantity(v), ".00") + " " + units[i]
}

func duration(ns float64) string     { return scaled(ns, 1000, "ns", "µs", "ms", "s") }
func microseconds(µs float64) string { return duration(1e3 * µs) }
func milliseconds(ms float64) string { return duration(1e6 * ms) }

func size(b float64) string {
	if b < 1024 {
		return whole(b) + " B"
	}
	return scaled(b, 1024, "B", "KiB", "MiB")
}
