// Package results keeps what was measured, in the format of Go benchmarks, so
// that benchstat can compare two runs.
package results

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// Key names a series of measurements.
type Key struct{ Section, Row, Client string }

// Value is a measurement with its unit, such as 12 ns/op.
type Value struct {
	Value float64
	Unit  string
}

// Set is all that was measured. It is not safe for concurrent use.
type Set struct {
	keys   []Key // in the order in which they came first
	series map[Key]map[string][]float64
	config map[string]string
	out    *benchfmt.Writer // or nil
}

// NewSet returns an empty set that writes down what is added, unless out is nil.
func NewSet(out io.Writer) *Set {
	s := &Set{series: make(map[Key]map[string][]float64), config: make(map[string]string)}
	if out != nil {
		s.out = benchfmt.NewWriter(out)
	}
	return s
}

// Add adds one measurement of n operations.
func (s *Set) Add(k Key, n int, values ...Value) error {
	s.keep(k, values)
	if s.out == nil {
		return nil
	}
	record := &benchfmt.Result{Name: benchfmt.Name(k.encode()), Iters: n}
	for _, v := range values {
		record.Values = append(record.Values, benchfmt.Value{Value: v.Value, Unit: v.Unit})
	}
	return s.out.Write(record)
}

func (s *Set) keep(k Key, values []Value) {
	series := s.series[k]
	if series == nil {
		series = make(map[string][]float64)
		s.series[k] = series
		s.keys = append(s.keys, k)
	}
	for _, v := range values {
		series[v.Unit] = append(series[v.Unit], v.Value)
	}
}

// Rows are the names of a section's rows, in the order in which they were
// measured.
func (s *Set) Rows(section string) []string {
	return s.distinct(func(k Key) (string, bool) { return k.Row, k.Section == section })
}

// Clients are the names of those who were measured in a section.
func (s *Set) Clients(section string) []string {
	return s.distinct(func(k Key) (string, bool) { return k.Client, k.Section == section })
}

func (s *Set) distinct(of func(Key) (name string, counts bool)) []string {
	var names []string
	seen := make(map[string]bool)
	for _, k := range s.keys {
		if name, counts := of(k); counts && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// Summary is the median of a series with its confidence interval, as benchstat
// reports it. It is not there if nothing was measured.
func (s *Set) Summary(k Key, unit string) (summary benchmath.Summary, ok bool) {
	values := s.series[k][unit]
	if len(values) == 0 {
		return summary, false
	}
	sample := benchmath.NewSample(append([]float64(nil), values...), &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(sample, 0.95), true
}

// Ratio is the median of the ratios of two series, measurement by measurement:
// what was measured in the same round was measured under the same conditions.
func (s *Set) Ratio(k, to Key, unit string) (ratio float64, ok bool) {
	ours, theirs := s.series[k][unit], s.series[to][unit]
	n := min(len(ours), len(theirs))
	if n == 0 {
		return 0, false
	}
	ratios := make([]float64, n)
	for i := range ratios {
		ratios[i] = ours[i] / theirs[i]
	}
	sample := benchmath.NewSample(ratios, &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(sample, 0.95).Center, true
}

// Largest is the largest of a series, or NaN.
func (s *Set) Largest(k Key, unit string) float64 {
	values := s.series[k][unit]
	if len(values) == 0 {
		return math.NaN()
	}
	return slices.Max(values)
}

// Config is what was read of the circumstances under a key, or empty.
func (s *Set) Config(key string) string { return s.config[key] }

// Read adds what is written down in the format of Go benchmarks.
func (s *Set) Read(in io.Reader, name string) error {
	r := benchfmt.NewReader(in, name)
	for r.Scan() {
		switch record := r.Result().(type) {
		case *benchfmt.Result:
			k, ok := decode(string(record.Name))
			if !ok {
				return fmt.Errorf("%s: %s is no name of ours", name, record.Name)
			}
			s.keep(k, Values(record))
			for _, c := range record.Config {
				s.config[c.Key] = string(c.Value)
			}
		case *benchfmt.SyntaxError:
			return record
		}
	}
	return r.Err()
}

// Values are those of one line, in the units in which they are written.
func Values(record *benchfmt.Result) []Value {
	values := make([]Value, len(record.Values))
	for i, v := range record.Values {
		values[i] = Value{v.Value, v.Unit}
		if v.OrigUnit != "" { // benchfmt makes seconds of nanoseconds
			values[i] = Value{v.OrigValue, v.OrigUnit}
		}
	}
	return values
}

// The names are those of benchmarks, which contain no space, and a slash only
// between their parts.
var (
	encoder = strings.NewReplacer(" ", "_", "/", "%2F")
	decoder = strings.NewReplacer("_", " ", "%2F", "/")
)

func (k Key) encode() string {
	return fmt.Sprintf("%s/row=%s/client=%s", k.Section, encoder.Replace(k.Row), encoder.Replace(k.Client))
}

func decode(name string) (k Key, ok bool) {
	section, rest, found := strings.Cut(name, "/row=")
	row, client, also := strings.Cut(rest, "/client=")
	return Key{section, decoder.Replace(row), decoder.Replace(client)}, found && also
}
