package xmlrpc

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

func encode(v any) (value, error) {
	switch v := v.(type) {
	case nil:
		return scalar("nil", ""), nil
	case int:
		return encodeInt(int64(v)), nil
	case int64:
		return encodeInt(v), nil
	case bool:
		if v {
			return scalar("boolean", "1"), nil
		}
		return scalar("boolean", "0"), nil
	case float64:
		return encodeDouble(v)
	case string:
		return scalar("string", v), validText(v)
	case time.Time:
		return encodeTime(v)
	case []byte:
		return scalar("base64", base64.StdEncoding.EncodeToString(v)), nil
	case []any:
		return encodeArray(v)
	case map[string]any:
		return encodeStruct(v)
	}
	return value{}, fmt.Errorf("XML-RPC has no type for %T", v)
}

func scalar(kind, text string) value {
	return value{Typed: []element{{XMLName: xml.Name{Local: kind}, Text: text}}}
}

// encodeInt writes i8, which the standard does not have, only where int is too small.
func encodeInt(n int64) value {
	kind := "int"
	if n > math.MaxInt32 || n < math.MinInt32 {
		kind = "i8"
	}
	return scalar(kind, strconv.FormatInt(n, 10))
}

func encodeDouble(f float64) (value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value{}, fmt.Errorf("XML-RPC cannot carry %v", f)
	}
	return scalar("double", strconv.FormatFloat(f, 'f', -1, 64)), nil // the standard has no exponents
}

// timeLayout is the one form of a date that the standard shows.
const timeLayout = "20060102T15:04:05"

func encodeTime(t time.Time) (value, error) {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return value{}, fmt.Errorf("XML-RPC cannot carry the year %d", year)
	}
	return scalar("dateTime.iso8601", t.Format(timeLayout)), nil
}

func encodeArray(items []any) (value, error) {
	values := make([]value, 0, len(items))
	for i, item := range items {
		v, err := encode(item)
		if err != nil {
			return value{}, fmt.Errorf("item %d: %w", i, err)
		}
		values = append(values, v)
	}
	return value{Typed: []element{{XMLName: xml.Name{Local: "array"}, Data: []data{{values}}}}}, nil
}

func encodeStruct(fields map[string]any) (value, error) {
	members := make([]member, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := validText(name); err != nil {
			return value{}, fmt.Errorf("member's name: %w", err)
		}
		v, err := encode(fields[name])
		if err != nil {
			return value{}, fmt.Errorf("member %s: %w", name, err)
		}
		members = append(members, member{name, v})
	}
	return value{Typed: []element{{XMLName: xml.Name{Local: "struct"}, Members: members}}}, nil
}
