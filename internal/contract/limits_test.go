package contract

import (
	"net/http"
	"strings"
	"time"
)

func hurried(t *http.Transport) { t.ResponseHeaderTimeout = 500 * time.Millisecond }

// longerThanHurried is a time that a hurried transport does not wait.
const longerThanHurried = 700 * time.Millisecond

// fieldOf makes a response with one field of n bytes.
func fieldOf(n int) string {
	return "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", n) + "\r\nContent-Length: 5\r\n\r\nhello"
}

var limits = []exchange{
	{
		name:   "a header within the limit",
		base:   smallHeaders,
		server: answer(fieldOf(3500)),
		want:   kept(200, "hello"),
	},
	{
		name:   "a header over the limit",
		base:   smallHeaders,
		server: answer(fieldOf(40_000)),
		want:   fails(headerTooLarge),
	},
	{
		name:   "many fields over the limit",
		base:   smallHeaders,
		server: answer("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Short: x\r\n", 4000) + "\r\n"),
		want:   fails(headerTooLarge),
	},
	{
		name:   "an endless field",
		base:   smallHeaders,
		server: script{readRequest, send("HTTP/1.1 200 OK\r\nX-Long: "), sendEndlessly(strings.Repeat("x", 1000))},
		want:   fails(headerTooLarge),
	},
	{
		name:   "endless fields",
		base:   smallHeaders,
		server: script{readRequest, send("HTTP/1.1 200 OK\r\n"), sendEndlessly(strings.Repeat("X-Short: x\r\n", 100))},
		want:   fails(headerTooLarge),
	},
	{
		name:   "an endless status line",
		base:   smallHeaders,
		server: script{readRequest, send("HTTP/1.1 200 "), sendEndlessly(strings.Repeat("OK", 500))},
		want:   fails(headerTooLarge),
	},
	{
		name:   "a body over the limit for headers",
		base:   smallHeaders,
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + long),
		want:   kept(200, long),
	},
	{
		name:   "each response on a connection has the whole limit",
		base:   smallHeaders,
		warm:   1,
		server: answer(fieldOf(3500)),
		want:   kept(200, "hello"),
	},
	{
		name:   "a header of 100 KB is within the limit that no limit means",
		server: answer(fieldOf(100_000)),
		want:   kept(200, "hello"),
	},
	{
		name: "a server that does not answer runs into the header timeout",
		base: hurried, noProbe: true,
		server: script{readRequest, hearEnd},
		want:   fails(headerTimeout),
	},
	{
		name: "a server that does not finish its header runs into the timeout",
		base: hurried, noProbe: true,
		server: script{readRequest, send("HTTP/1.1 200 OK\r\nContent-"), hearEnd},
		want:   fails(headerTimeout),
	},
	{
		name: "103 does not stop the header timeout",
		base: hurried, noProbe: true,
		server: script{readRequest, send(hints), hearEnd},
		want:   fails(headerTimeout),
	},
	{
		name: "the header timeout ends a request with a body",
		base: hurried, noProbe: true,
		method: "POST", body: stream("hello"),
		server: script{readRequest, hearEnd},
		want:   fails(headerTimeout).uploading("closed once"),
	},
	{
		name:   "the header timeout is not for the body of the response",
		base:   hurried,
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").then(pauses(longerThanHurried), send("hello")),
		want:   kept(200, "hello"),
	},
	{
		name:   "the header timeout is not for the body of the request",
		base:   hurried,
		method: "POST", body: stream("hello", moment("time has passed"), "hello"),
		server: script{readHead, pauses(longerThanHurried), tell("time has passed"), readBody, send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name: "the header timeout on a connection used before is not tried again",
		base: hurried, noProbe: true,
		warm:   1,
		server: script{readRequest, hearEnd},
		want:   fails(headerTimeout),
	},
}
