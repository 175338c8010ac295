package contract

import (
	"io"
	"net/http"
	"strings"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

var wantsEcho = fields("Connection", "Upgrade", "Upgrade", "echo")

func writable(r *http.Response) any { _, ok := r.Body.(io.Writer); return ok }

// sees101 is a caller's first look.
var sees101 = sees("the body can be written to", writable)

var upgrades = []exchange{
	{
		name:   "after 101 both sides speak",
		header: wantsEcho,
		server: script{readHead, send(switching), hear("ping"), send("pong"), hear("ping"), send("pong"), finishes},
		use:    []act{sees101, say("ping"), read(4), say("ping"), read(4), readRest, closeBody},
		want: ended(101, "pongpong").noting("the body can be written to: true").sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Connection: Upgrade", "Upgrade: echo",
			"Accept-Encoding: gzip", "", "pingping")),
	},
	{
		name:   "what comes together with 101 is not lost",
		header: wantsEcho,
		server: script{readHead, send(switching + "welcome"), hear("ping"), send("pong"), finishes},
		use:    []act{read(7), say("ping"), readRest, closeBody},
		want:   ended(101, "welcomepong"),
	},
	{
		name:   "the server speaks first",
		header: wantsEcho,
		server: script{readHead, send(switching), await(returned), send("welcome"), finishes},
		want:   ended(101, "welcome"),
	},
	{
		name:   "a lot goes both ways",
		header: wantsEcho,
		server: script{readHead, send(switching), hear(long), send(long), finishes},
		use:    []act{say(long), readRest, closeBody},
		want:   ended(101, long),
	},
	{
		name:   "the caller ends its side and still hears the server",
		modes:  []mode{plain},
		header: wantsEcho,
		server: script{readHead, send(switching), echoes},
		use:    []act{say("ping"), endsWriting, readRest, closeBody},
		want:   ended(101, "ping").noting("CloseWrite: "),
	},
	{
		name:   "the caller ends its side under TLS",
		modes:  []mode{overTLS},
		header: wantsEcho,
		server: script{readHead, send(switching), echoes},
		use:    []act{say("ping"), endsWriting, readRest, closeBody},
		want:   ended(101, "ping").noting("CloseWrite: "),
	},
	{
		name:   "a connection that cannot end one side says so",
		modes:  []mode{opaque},
		header: wantsEcho,
		server: script{readHead, send(switching), hear("ping"), send("pong"), finishes},
		use:    []act{endsWriting, say("ping"), readRest, closeBody},
		want:   ended(101, "pong").noting("CloseWrite: feature not supported"),
	},
	{
		name:   "closing the body closes the connection",
		header: wantsEcho,
		server: script{readHead, send(switching), hear("ping"), hearEnd, tell("the end is heard")},
		use:    []act{say("ping"), closeBody, awaits("the end is heard")},
		want:   ended(101, ""),
	},
	{
		name:   "the server closes",
		header: wantsEcho,
		server: script{readHead, send(switching), closes},
		want:   ended(101, ""),
	},
	{
		name:   "the server resets",
		header: wantsEcho,
		server: script{readHead, send(switching), await(returned), resets},
		want:   broken(101, "", reset),
	},
	{
		name:   "cancelling afterwards does not touch the connection",
		header: wantsEcho,
		server: script{readHead, send(switching), hear("ping"), send("pong"), finishes},
		use:    []act{cancelsItself, say("ping"), readRest, closeBody},
		want:   ended(101, "pong"),
	},
	{
		name:   "the answer to a request with a body",
		method: "POST", body: sized("hello"), header: wantsEcho,
		server: script{readRequest, send(switching), hear("ping"), send("pong"), finishes},
		use:    []act{say("ping"), readRest, closeBody},
		want:   ended(101, "pong").uploading("closed once"),
	},
	{
		name:   "a length in 101 does not bind the new protocol",
		header: wantsEcho,
		server: script{readHead, send(strings.TrimSuffix(switching, "\r\n") + "Content-Length: 2\r\n\r\n"),
			hear("ping"), send("pong"), finishes},
		use:  []act{say("ping"), readRest, closeBody},
		want: ended(101, "pong"),
	},
	{
		name:   "103 before 101",
		header: wantsEcho, trace: noteInformational,
		server: script{readHead, send(hints + switching), hear("ping"), send("pong"), finishes},
		use:    []act{say("ping"), readRest, closeBody},
		want:   ended(101, "pong").noting("103 Link: </style.css>"),
	},
	{
		name:   "101 without an Upgrade field has no body",
		header: wantsEcho,
		server: answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"),
		use:    []act{sees101, readRest, closeBody},
		want:   ended(101, "").noting("the body can be written to: false"),
	},
	{
		name:   "101 without a Connection field has no body",
		header: wantsEcho,
		server: answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n"),
		use:    []act{sees101, readRest, closeBody},
		want:   ended(101, "").noting("the body can be written to: false"),
	},
	{
		name:   "a refused upgrade is an ordinary response",
		header: wantsEcho,
		server: answer(hello),
		use:    []act{sees101, readRest, closeBody},
		want:   kept(200, "hello").noting("the body can be written to: false"),
	},
	{
		name:   "an upgrade the server demands is an ordinary response",
		server: answer("HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 5\r\n\r\nhello"),
		use:    []act{sees101, readRest, closeBody},
		want:   kept(426, "hello").noting("the body can be written to: false"),
	},
	{
		name:   "an upgrade keeps its Connection field where connections are not kept",
		header: wantsEcho,
		base:   func(t *http.Transport) { t.DisableKeepAlives = true },
		server: script{readHead, send(switching), hear("ping"), send("pong"), finishes},
		use:    []act{say("ping"), readRest, closeBody},
		want: ended(101, "pong").sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Connection: Upgrade", "Upgrade: echo",
			"Accept-Encoding: gzip", "", "ping")),
	},
	{
		name:   "an upgrade on a connection used before",
		header: wantsEcho, warm: 1,
		server: script{readHead, send(switching), hear("ping"), send("pong"), finishes},
		use:    []act{say("ping"), readRest, closeBody},
		want:   ended(101, "pong"),
	},
	{
		name:   "a protocol whose first words are those of a response, on a connection used before",
		header: wantsEcho, warm: 1,
		server: script{readHead, send(switching + hello), finishes},
		want:   ended(101, hello),
	},
}
