package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var everyType = map[string]any{
	"id":     int64(-42),
	"weight": 1.5,
	"name":   "a <b> & \"c\" é",
	"empty":  "",
	"done":   true,
	"failed": false,
	"parent": nil,
	"list":   []any{int64(1), "two", []any{}, map[string]any{"deep": nil}},
}

func TestCallsRoundTrip(t *testing.T) {
	for _, args := range [][]any{nil, {int64(1)}, {int64(1), "two", everyType}} {
		var document bytes.Buffer
		require.NoError(t, writeCall(&document, "getTaskInfo", args...))
		method, got, err := readCall(&document)
		require.NoError(t, err)
		assert.Equal(t, "getTaskInfo", method)
		assert.Equal(t, args, got)
	}
}

func TestResponsesRoundTrip(t *testing.T) {
	for _, result := range []any{nil, "", "text", int64(1), everyType, []any{}} {
		var document bytes.Buffer
		require.NoError(t, writeResponse(&document, result))
		got, err := readResponse(&document)
		require.NoError(t, err)
		assert.Equal(t, result, got)
	}
}

func TestFaultsRoundTrip(t *testing.T) {
	var document bytes.Buffer
	require.NoError(t, writeFault(&document, &faultError{1000, "invalid method: x"}))
	_, err := readResponse(&document)
	assert.Equal(t, &faultError{1000, "invalid method: x"}, err)
}

func TestReadsWhatOtherClientsWrite(t *testing.T) {
	method, args, err := readCall(strings.NewReader(`<?xml version='1.0'?>
		<methodCall>
		<methodName>getTaskInfo</methodName>
		<params>
		<param><value><i4>7</i4></value></param>
		<param>
		<value>no type means string</value>
		</param>
		<param><value><struct>
		<member><name>request</name><value><boolean>1</boolean></value></member>
		</struct></value></param>
		</params>
		</methodCall>`))
	require.NoError(t, err)
	assert.Equal(t, "getTaskInfo", method)
	assert.Equal(t, []any{int64(7), "no type means string", map[string]any{"request": true}}, args)
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	for name, document := range map[string]string{
		"nothing":      "",
		"not XML":      "hello",
		"other root":   "<methodResponse/>",
		"cut short":    "<methodCall><methodName>x</methodName>",
		"not a number": "<methodCall><params><param><value><int>x</int></value></param></params></methodCall>",
		"unknown type": "<methodCall><params><param><value><base64>eA==</base64></value></param></params></methodCall>",
	} {
		_, _, err := readCall(strings.NewReader(document))
		assert.Error(t, err, name)
	}
	_, err := readResponse(strings.NewReader("<methodResponse><params/></methodResponse>"))
	assert.Error(t, err, "no result")
	assert.Error(t, writeCall(&bytes.Buffer{}, "x", []any{make(chan int)}), "no XML-RPC type")
}
