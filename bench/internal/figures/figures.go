// Package figures writes numbers for people.
package figures

import (
	"math"
	"strconv"
	"strings"
)

// Thousands writes a number with a comma before each three digits.
func Thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Quantity writes a measured value with three digits that mean something, or
// with all before the point.
func Quantity(v float64) string {
	switch size := math.Abs(v); {
	case size >= 100:
		return Whole(v)
	case size >= 10:
		return Decimals(v, 1)
	}
	return Decimals(v, 2)
}

// Decimals writes a value with so many digits behind the point.
func Decimals(v float64, n int) string { return strconv.FormatFloat(v, 'f', n, 64) }

// Whole writes a count, which is a fraction only because it is an average.
func Whole(v float64) string { return Thousands(int(math.Round(v))) }

// Factor writes a ratio.
func Factor(v float64) string { return Decimals(v, 2) }

// Duration writes nanoseconds.
func Duration(ns float64) string { return scaled(ns, 1000, "ns", "µs", "ms", "s") }

// Microseconds writes microseconds.
func Microseconds(µs float64) string { return Duration(1e3 * µs) }

// Milliseconds writes milliseconds.
func Milliseconds(ms float64) string { return Duration(1e6 * ms) }

// Size writes bytes.
func Size(b float64) string {
	if math.Abs(b) < 1024 {
		return Whole(b) + " B"
	}
	return scaled(b, 1024, "B", "KiB", "MiB", "GiB")
}

// scaled writes a value in the largest unit in which it is not below 1.
func scaled(v, step float64, units ...string) string {
	i := 0
	for ; i < len(units)-1 && math.Abs(v) >= step; i++ {
		v /= step
	}
	return strings.TrimSuffix(Quantity(v), ".00") + " " + units[i]
}
