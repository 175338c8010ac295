package xmlrpc

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var everyType = map[string]any{
	"id":       int64(-42),
	"largest":  int64(math.MaxInt64),
	"smallest": int64(math.MinInt64),
	"weight":   1.5,
	"tiny":     5e-324,
	"huge":     -math.MaxFloat64,
	"name":     "a <b> & \"c\" é \U0001F980\r\n\t ",
	"empty":    "",
	"done":     true,
	"failed":   false,
	"parent":   nil,
	"built":    time.Date(2026, 3, 1, 23, 59, 58, 0, time.UTC),
	"log":      []byte("\x1b[31mfailed\x00\xff"),
	"list":     []any{int64(1), "two", []any{}, map[string]any{"deep": nil}, map[string]any{}},
}

func TestCallsRoundTrip(t *testing.T) {
	for _, args := range [][]any{nil, {int64(1)}, {int64(1), "two", everyType}} {
		var document bytes.Buffer
		require.NoError(t, WriteCall(&document, "getTaskInfo", args...))
		method, got, err := ReadCall(&document)
		require.NoError(t, err)
		assert.Equal(t, "getTaskInfo", method)
		assert.Equal(t, args, got)
	}
}

func TestResponsesRoundTrip(t *testing.T) {
	for _, result := range []any{nil, "", " text ", int64(1), everyType, []any{}, []byte{}} {
		var document bytes.Buffer
		require.NoError(t, WriteResponse(&document, result))
		got, err := ReadResponse(&document)
		require.NoError(t, err)
		assert.Equal(t, result, got)
	}
}

func TestFaultsRoundTrip(t *testing.T) {
	var document bytes.Buffer
	require.NoError(t, WriteFault(&document, &Fault{1000, "Invalid method: x"}))
	_, err := ReadResponse(&document)
	assert.Equal(t, &Fault{1000, "Invalid method: x"}, err)
	assert.EqualError(t, err, "fault 1000: Invalid method: x")
}

func TestOnlyWhatIntCannotHoldIsAnI8(t *testing.T) {
	for n, want := range map[int64]string{
		math.MaxInt32:     "<int>2147483647</int>",
		math.MaxInt32 + 1: "<i8>2147483648</i8>",
		math.MinInt32:     "<int>-2147483648</int>",
		math.MinInt32 - 1: "<i8>-2147483649</i8>",
	} {
		var document bytes.Buffer
		require.NoError(t, WriteResponse(&document, n))
		assert.Contains(t, document.String(), "<value>"+want+"</value>")
	}
}

// What Python's xmlrpc.client writes is laid out in its own way.
func TestReadsWhatPythonWrites(t *testing.T) {
	method, args, err := ReadCall(strings.NewReader(`<?xml version='1.0'?>
<methodCall>
<methodName>echo</methodName>
<params>
<param>
<value><i4>7</i4></value>
</param>
<param>
<value>no type means string</value>
</param>
<param>
<value><struct>
<member>
<name>request</name>
<value><boolean>1</boolean></value>
</member>
</struct></value>
</param>
<param>
<value><array><data>
<value><nil/></value>
<value><double>1e-05</double></value>
<value><dateTime.iso8601>20260301T23:59:58</dateTime.iso8601></value>
<value><base64>
AAECAwQF
Bgc=
</base64></value>
</data></array></value>
</param>
</params>
</methodCall>
`))
	require.NoError(t, err)
	assert.Equal(t, "echo", method)
	assert.Equal(t, []any{
		int64(7), "no type means string", map[string]any{"request": true},
		[]any{nil, 1e-05, time.Date(2026, 3, 1, 23, 59, 58, 0, time.UTC), []byte{0, 1, 2, 3, 4, 5, 6, 7}},
	}, args)
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	value := func(v string) string {
		return "<methodResponse><params><param><value>" + v + "</value></param></params></methodResponse>"
	}
	for document, want := range map[string]string{
		"":                                    "EOF",
		"hello":                               "EOF",
		"<methodCall/>":                       "expected element type <methodResponse>",
		"<methodResponse><params>":            "unexpected EOF",
		"<methodResponse><params/>":           "unexpected EOF",
		"<methodResponse/>":                   "0 results",
		value("") + "more":                    "text after the document",
		value("") + "<more/>":                 "<more> after the document",
		value("") + "<more":                   "unexpected EOF",
		value("<int>x</int>"):                 "int: ",
		value("<int/>"):                       "int: ",
		value("<i8>9223372036854775808</i8>"): "out of range",
		value("<int>1</int><int>2</int>"):     "two types",
		value("1<int>2</int>"):                "text beside",
		value("<boolean>true</boolean>"):      "neither 0 nor 1",
		value("<double>NaN</double>"):         "not a number",
		value("<double>1e999</double>"):       "out of range",
		value("<dateTime.iso8601>2026-03-01</dateTime.iso8601>"):                                    "not of the form",
		value("<dateTime.iso8601>20261301T00:00:00</dateTime.iso8601>"):                             "month",
		value("<base64>!</base64>"):                                                                 "base64: ",
		value("<array/>"):                                                                           "0 times <data>",
		value("<array><data><value><int>x</int></value></data></array>"):                            "item 0",
		value("<struct><member><name>a</name></member><member><name>a</name></member></struct>"):    "twice",
		value("<struct><member><name>a</name><value><x/></value></member></struct>"):                "member a: x: unknown type",
		value("<string><b>bold</b></string>"):                                                       "string: <b> in it",
		value("<string><data/></string>"):                                                           "<data> in it",
		value("<nil><member/></nil>"):                                                               "<member> in it",
		"<methodResponse><fault><value>no</value></fault></methodResponse>":                         "without faultCode",
		"<methodResponse><fault><value><x/></value></fault></methodResponse>":                       "fault: x: unknown type",
		"<methodResponse><params><param/></params><fault/></methodResponse>":                        "both",
		value(strings.Repeat("<array><data><value>", 4000)):                                         "depth",
		`<?xml version="1.0" encoding="ISO-8859-1"?>` + value("\xe9"):                               "encoding",
		"<methodResponse><params><param><value>\x00</value></param></params></methodResponse>":      "illegal character",
		"<methodResponse><params><param><value>&unknown;</value></param></params></methodResponse>": "invalid character entity",
	} {
		_, err := ReadResponse(strings.NewReader(document))
		require.ErrorContains(t, err, want, document)
		_, isFault := errors.AsType[*Fault](err)
		assert.False(t, isFault, document)
	}
	_, _, err := ReadCall(strings.NewReader("<methodCall/>"))
	assert.ErrorContains(t, err, "without a method's name")
}

func TestRefusesWhatItCannotWrite(t *testing.T) {
	for _, c := range []struct {
		arg  any
		want string
	}{
		{make(chan int), "no type for chan int"},
		{[]any{1, uint8(2)}, "argument 1: item 1: XML-RPC has no type for uint8"},
		{map[string]any{"a": struct{}{}}, "member a"},
		{map[string]any{"\x00": 1}, "U+0000"},
		{"\x1b[31m", "U+001B"},
		{"\xff", "not UTF-8"},
		{math.NaN(), "NaN"},
		{math.Inf(-1), "-Inf"},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "year 10000"},
	} {
		var document bytes.Buffer
		assert.ErrorContains(t, WriteCall(&document, "x", c.arg), c.want)
		assert.Zero(t, document.Len(), "nothing is written")
	}
	assert.Error(t, WriteCall(&bytes.Buffer{}, "\x00"))
	assert.Error(t, WriteResponse(&bytes.Buffer{}, "\x00"))
	assert.Error(t, WriteFault(&bytes.Buffer{}, &Fault{1, "\x00"}))
}
