package xmlrpc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

func decode(v value) (any, error) {
	switch len(v.Typed) {
	case 0:
		return v.Text, nil
	case 1:
	default:
		return nil, fmt.Errorf("a value of two types, %s and %s", v.Typed[0].XMLName.Local, v.Typed[1].XMLName.Local)
	}
	e := v.Typed[0]
	if strings.TrimSpace(v.Text) != "" {
		return nil, fmt.Errorf("text beside a value of type %s", e.XMLName.Local)
	}
	decoded, err := decodeElement(e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.XMLName.Local, err)
	}
	return decoded, nil
}

func decodeElement(e element) (any, error) {
	kind := e.XMLName.Local
	switch {
	case e.Unknown != nil:
		return nil, fmt.Errorf("<%s> in it", e.Unknown.XMLName.Local)
	case len(e.Data) > 0 && kind != "array":
		return nil, errors.New("<data> in it")
	case len(e.Members) > 0 && kind != "struct":
		return nil, errors.New("<member> in it")
	}
	switch kind {
	case "nil":
		return nil, nil
	case "int", "i4", "i8":
		return strconv.ParseInt(strings.TrimSpace(e.Text), 10, 64)
	case "boolean":
		return decodeBoolean(strings.TrimSpace(e.Text))
	case "double":
		return decodeDouble(strings.TrimSpace(e.Text))
	case "string":
		return e.Text, nil
	case "dateTime.iso8601":
		return decodeTime(strings.TrimSpace(e.Text))
	case "base64":
		return decodeBase64(e.Text)
	case "array":
		return decodeArray(e.Data)
	case "struct":
		return decodeStruct(e.Members)
	}
	return nil, errors.New("unknown type")
}

func decodeBoolean(text string) (any, error) {
	switch text {
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	return nil, fmt.Errorf("%q is neither 0 nor 1", text)
}

func decodeDouble(text string) (any, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		err = fmt.Errorf("%q is not a number", text)
	}
	return f, err
}

func decodeTime(text string) (any, error) {
	if len(text) != len(timeLayout) { // time.Parse takes fractions of a second that the layout does not have
		return nil, fmt.Errorf("%q is not of the form %s", text, timeLayout)
	}
	return time.Parse(timeLayout, text)
}

// decodeBase64 takes white space anywhere, which Python breaks its lines with.
func decodeBase64(text string) (any, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

func decodeArray(parts []data) (any, error) {
	if len(parts) != 1 {
		return nil, fmt.Errorf("%d times <data>, want 1", len(parts))
	}
	items := make([]any, 0, len(parts[0].Values))
	for i, v := range parts[0].Values {
		item, err := decode(v)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		items = append(items, item)
	}
	return items, nil
}

func decodeStruct(members []member) (any, error) {
	fields := make(map[string]any, len(members))
	for _, m := range members {
		if _, twice := fields[m.Name]; twice {
			return nil, fmt.Errorf("member %s is there twice", m.Name)
		}
		v, err := decode(m.Value)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.Name, err)
		}
		fields[m.Name] = v
	}
	return fields, nil
}
