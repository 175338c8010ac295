package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
)

// The part of XML-RPC that Koji's clients and hub exchange when somebody watches a build, on encoding/xml.

type methodCall struct {
	XMLName xml.Name `xml:"methodCall"`
	Method  string   `xml:"methodName"`
	Params  []param  `xml:"params>param"`
}

type methodResponse struct {
	XMLName xml.Name `xml:"methodResponse"`
	Params  []param  `xml:"params>param"`
	Fault   *param   `xml:"fault"`
}

type param struct {
	Value value `xml:"value"`
}

// value is one XML-RPC value: one of its pointers is set, or none for a string without a type element.
type value struct {
	Int     *int64       `xml:"int"`
	I4      *int64       `xml:"i4"`
	Boolean *int         `xml:"boolean"`
	Double  *float64     `xml:"double"`
	String  *string      `xml:"string"`
	Nil     *struct{}    `xml:"nil"` // an extension of the standard that Koji uses
	Array   *arrayValue  `xml:"array"`
	Struct  *structValue `xml:"struct"`
	Text    string       `xml:",chardata"`
	Unknown *unknown     `xml:",any"`
}

type unknown struct {
	XMLName xml.Name
}

type arrayValue struct {
	Data []value `xml:"data>value"`
}

type structValue struct {
	Members []member `xml:"member"`
}

type member struct {
	Name  string `xml:"name"`
	Value value  `xml:"value"`
}

// faultError is a call that the hub refused, as XML-RPC's fault.
type faultError struct {
	Code   int64
	String string
}

func (e *faultError) Error() string { return fmt.Sprintf("fault %d: %s", e.Code, e.String) }

func writeCall(w io.Writer, method string, args ...any) error {
	call := methodCall{Method: method}
	for _, arg := range args {
		v, err := encodeValue(arg)
		if err != nil {
			return fmt.Errorf("call of %s: %w", method, err)
		}
		call.Params = append(call.Params, param{v})
	}
	return writeDocument(w, call)
}

func readCall(r io.Reader) (method string, args []any, err error) {
	var call methodCall
	if err := xml.NewDecoder(r).Decode(&call); err != nil {
		return "", nil, fmt.Errorf("method call: %w", err)
	}
	for _, p := range call.Params {
		arg, err := decodeValue(p.Value)
		if err != nil {
			return "", nil, fmt.Errorf("call of %s: %w", call.Method, err)
		}
		args = append(args, arg)
	}
	return call.Method, args, nil
}

func writeResponse(w io.Writer, result any) error {
	v, err := encodeValue(result)
	if err != nil {
		return fmt.Errorf("method response: %w", err)
	}
	return writeDocument(w, methodResponse{Params: []param{{v}}})
}

func writeFault(w io.Writer, fault *faultError) error {
	v, err := encodeValue(map[string]any{"faultCode": fault.Code, "faultString": fault.String})
	if err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	return writeDocument(w, methodResponse{Fault: &param{v}})
}

// readResponse returns the result of a call; a fault is an error that is a *faultError.
func readResponse(r io.Reader) (any, error) {
	var response methodResponse
	if err := xml.NewDecoder(r).Decode(&response); err != nil {
		return nil, fmt.Errorf("method response: %w", err)
	}
	if response.Fault != nil {
		return nil, decodeFault(response.Fault.Value)
	}
	if len(response.Params) != 1 {
		return nil, fmt.Errorf("method response: %d results, want 1", len(response.Params))
	}
	return decodeValue(response.Params[0].Value)
}

func decodeFault(v value) error {
	decoded, err := decodeValue(v)
	if err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	fields, _ := decoded.(map[string]any)
	code, _ := fields["faultCode"].(int64)
	text, _ := fields["faultString"].(string)
	return &faultError{Code: code, String: text}
}

func writeDocument(w io.Writer, document any) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	return xml.NewEncoder(w).Encode(document)
}

func encodeValue(v any) (value, error) {
	switch v := v.(type) {
	case nil:
		return value{Nil: &struct{}{}}, nil
	case int64:
		return value{Int: &v}, nil
	case float64:
		return value{Double: &v}, nil
	case string:
		return value{String: &v}, nil
	case bool:
		var bit int
		if v {
			bit = 1
		}
		return value{Boolean: &bit}, nil
	case []any:
		return encodeArray(v)
	case map[string]any:
		return encodeStruct(v)
	}
	return value{}, fmt.Errorf("XML-RPC has no type for %T", v)
}

func encodeArray(items []any) (value, error) {
	array := &arrayValue{}
	for _, item := range items {
		v, err := encodeValue(item)
		if err != nil {
			return value{}, err
		}
		array.Data = append(array.Data, v)
	}
	return value{Array: array}, nil
}

func encodeStruct(fields map[string]any) (value, error) {
	object := &structValue{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		v, err := encodeValue(fields[name])
		if err != nil {
			return value{}, fmt.Errorf("member %s: %w", name, err)
		}
		object.Members = append(object.Members, member{name, v})
	}
	return value{Struct: object}, nil
}

func decodeValue(v value) (any, error) {
	switch {
	case v.Int != nil:
		return *v.Int, nil
	case v.I4 != nil:
		return *v.I4, nil
	case v.Boolean != nil:
		return *v.Boolean != 0, nil
	case v.Double != nil:
		return *v.Double, nil
	case v.String != nil:
		return *v.String, nil
	case v.Nil != nil:
		return nil, nil
	case v.Array != nil:
		return decodeArray(v.Array)
	case v.Struct != nil:
		return decodeStruct(v.Struct)
	case v.Unknown != nil:
		return nil, fmt.Errorf("value of unknown type %s", v.Unknown.XMLName.Local)
	}
	return v.Text, nil
}

func decodeArray(array *arrayValue) (any, error) {
	items := make([]any, 0, len(array.Data))
	for _, v := range array.Data {
		item, err := decodeValue(v)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func decodeStruct(object *structValue) (any, error) {
	fields := make(map[string]any, len(object.Members))
	for _, m := range object.Members {
		if _, twice := fields[m.Name]; twice {
			return nil, fmt.Errorf("member %s is there twice", m.Name)
		}
		v, err := decodeValue(m.Value)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", m.Name, err)
		}
		fields[m.Name] = v
	}
	return fields, nil
}
