package koji

import (
	"fmt"
	"time"
)

// fields takes a struct of XML-RPC apart. It keeps the first error, so that one look at the end is enough. What is
// missing or nil is a zero value: hubs of different age have different fields.
type fields struct {
	what   string
	values map[string]any
	err    error
}

func fieldsOf(what string, v any) *fields {
	values, ok := v.(map[string]any)
	f := &fields{what: what, values: values}
	if !ok {
		f.err = fmt.Errorf("koji: %s is a %T, not a struct", what, v)
	}
	return f
}

func (f *fields) int(name string) int64   { return field[int64](f, name) }
func (f *fields) text(name string) string { return field[string](f, name) }

// time reads seconds since the Unix epoch, which hubs send beside each date.
func (f *fields) time(name string) time.Time {
	var seconds float64
	switch v := f.values[name].(type) {
	case nil:
		return time.Time{}
	case int64: // a whole number of them
		seconds = float64(v)
	default:
		seconds = field[float64](f, name)
	}
	return time.UnixMicro(int64(seconds * 1e6))
}

func field[T any](f *fields, name string) T {
	var zero T
	v := f.values[name]
	if v == nil {
		return zero
	}
	got, ok := v.(T)
	if !ok && f.err == nil {
		f.err = fmt.Errorf("koji: %s: %s is a %T, not a %T", f.what, name, v, zero)
	}
	return got
}
