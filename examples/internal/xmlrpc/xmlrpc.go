// Package xmlrpc reads and writes the documents of XML-RPC as Koji's clients and hub exchange them: the standard, with
// nil and 64-bit integers. What they say is
//
//	XML-RPC           Go
//	int, i4, i8       int64 (int is written too; beyond 32 bits as i8)
//	boolean           bool
//	double            float64
//	string            string
//	dateTime.iso8601  time.Time, in UTC: it has no zone, nor fractions of a second
//	base64            []byte
//	nil               nil
//	array             []any
//	struct            map[string]any
package xmlrpc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// Fault is a call that the server refused.
type Fault struct {
	Code   int64
	String string
}

func (f *Fault) Error() string { return fmt.Sprintf("fault %d: %s", f.Code, f.String) }

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

// WriteCall writes the call of a method. An argument that XML-RPC cannot carry is an error, and nothing is written.
func WriteCall(w io.Writer, method string, args ...any) error {
	if err := validText(method); err != nil {
		return fmt.Errorf("method name: %w", err)
	}
	call := methodCall{Method: method}
	for i, arg := range args {
		v, err := encode(arg)
		if err != nil {
			return fmt.Errorf("call of %s: argument %d: %w", method, i+1, err)
		}
		call.Params = append(call.Params, param{v})
	}
	return writeDocument(w, call)
}

// ReadCall reads the call of a method, to the end of r.
func ReadCall(r io.Reader) (method string, args []any, err error) {
	var call methodCall
	if err := readDocument(r, &call); err != nil {
		return "", nil, fmt.Errorf("method call: %w", err)
	}
	if call.Method == "" {
		return "", nil, errors.New("method call: without a method's name")
	}
	for i, p := range call.Params {
		arg, err := decode(p.Value)
		if err != nil {
			return "", nil, fmt.Errorf("call of %s: argument %d: %w", call.Method, i+1, err)
		}
		args = append(args, arg)
	}
	return call.Method, args, nil
}

// WriteResponse writes the result of a call. A result that XML-RPC cannot carry is an error, and nothing is written.
func WriteResponse(w io.Writer, result any) error {
	v, err := encode(result)
	if err != nil {
		return fmt.Errorf("method response: %w", err)
	}
	return writeDocument(w, methodResponse{Params: []param{{v}}})
}

// WriteFault writes the refusal of a call.
func WriteFault(w io.Writer, f *Fault) error {
	v, err := encode(map[string]any{"faultCode": f.Code, "faultString": f.String})
	if err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	return writeDocument(w, methodResponse{Fault: &param{v}})
}

// ReadResponse reads the result of a call, to the end of r. A refusal is an error that is a [*Fault].
func ReadResponse(r io.Reader) (any, error) {
	var response methodResponse
	if err := readDocument(r, &response); err != nil {
		return nil, fmt.Errorf("method response: %w", err)
	}
	switch {
	case response.Fault != nil && len(response.Params) > 0:
		return nil, errors.New("method response: both a fault and a result")
	case response.Fault != nil:
		return nil, readFault(response.Fault.Value)
	case len(response.Params) != 1:
		return nil, fmt.Errorf("method response: %d results, want 1", len(response.Params))
	}
	result, err := decode(response.Params[0].Value)
	if err != nil {
		return nil, fmt.Errorf("method response: %w", err)
	}
	return result, nil
}

func readFault(v value) error {
	decoded, err := decode(v)
	if err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	fields, _ := decoded.(map[string]any)
	code, hasCode := fields["faultCode"].(int64)
	text, hasText := fields["faultString"].(string)
	if !hasCode || !hasText {
		return errors.New("fault: without faultCode or faultString")
	}
	return &Fault{Code: code, String: text}
}

func writeDocument(w io.Writer, document any) error {
	text, err := xml.Marshal(document)
	if err != nil {
		return err
	}
	_, err = w.Write(append([]byte(xml.Header), text...))
	return err
}

// readDocument reads one document, and that nothing but white space and comments follows it.
func readDocument(r io.Reader, document any) error {
	decoder := xml.NewDecoder(r)
	if err := decoder.Decode(document); err != nil {
		return err
	}
	for {
		switch token, err := decoder.Token(); token := token.(type) {
		case xml.StartElement:
			return fmt.Errorf("<%s> after the document", token.Name.Local)
		case xml.CharData:
			if len(bytes.TrimSpace(token)) > 0 {
				return errors.New("text after the document")
			}
		case nil:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
