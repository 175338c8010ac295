package contract

import (
	"net/http"
	"time"
)

// closesIdleConnections does what the transport's owner may do at any time.
func closesIdleConnections(c *call) error {
	c.transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
	return nil
}

func forgetful(t *http.Transport) { t.IdleConnTimeout = 20 * time.Millisecond }

func keepsNone(t *http.Transport) { t.MaxIdleConnsPerHost = -1 }

func keepsOne(t *http.Transport) { t.MaxIdleConnsPerHost = 1 }

func keepsOneInAll(t *http.Transport) { t.MaxIdleConns = 1 }

func opensOne(t *http.Transport) { t.MaxConnsPerHost = 1 }

var reuses = []exchange{
	{
		name: "an idle connection serves again",
		warm: 1, server: answer(hello),
		want: kept(200, "hello").onConnections(1),
	},
	{
		name: "of two idle connections one serves",
		warm: 2, server: answer(hello),
		want: kept(200, "hello").onConnections(1),
	},
	{
		name: "an idle connection serves a POST",
		warm: 1, method: "POST", body: stream("hello"), server: answer(hello),
		want: kept(200, "hello").onConnections(1).uploading("closed once"),
	},
	{
		name:   "an idle connection that says keep-alive serves again",
		server: answer("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name: "an idle connection may have waited for its body to be closed",
		warm: 1, server: answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), use: []act{},
		want: kept(200, "").onConnections(1),
	},
	{
		name: "an idle connection is not used for a request to end it any longer than that",
		warm: 1, request: asksToClose, server: answer(hello),
		want: ended(200, "hello").onConnections(1).sending(closingGet),
	},
	{
		name: "without keep-alives every request has a connection of its own",
		base: withoutKeepAlives, server: answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		want: ended(200, ""),
	},
	{
		name: "a transport that keeps no idle connection",
		base: keepsNone, server: answer(hello),
		want: ended(200, "hello"),
	},
	{
		name: "a transport that keeps one idle connection",
		base: keepsOne, server: answer(hello),
		want: kept(200, "hello"),
	},
	{
		name: "a transport that keeps one idle connection in all",
		base: keepsOneInAll, server: answer(hello),
		want: kept(200, "hello"),
	},
	{
		name: "a transport that opens one connection at a time",
		base: opensOne, server: answer(hello),
		want: kept(200, "hello"),
	},
	{
		name: "a transport that opens one connection at a time, and this one has ended",
		base: opensOne, server: answerAndFinish("HTTP/1.1 200 OK\r\n\r\nhello"),
		want: ended(200, "hello"),
	},
	{
		name: "a transport that opens one connection at a time, and this one has failed",
		base: opensOne, server: closesUnanswered,
		want: fails(eof),
	},
	{
		name: "a transport that opens one connection at a time, and the caller cancels",
		base: opensOne, server: script{readRequest, cancels(nil), hearEnd},
		want: fails(canceled),
	},
	{
		name: "a transport that opens one connection at a time, and the protocol is switched",
		base: opensOne, header: wantsEcho, server: script{readHead, send(switching), hear("ping"), send("pong"), finishes},
		use:  []act{say("ping"), readRest, closeBody},
		want: ended(101, "pong"),
	},
	{
		name: "a transport that opens one connection at a time, and this one is stale",
		base: opensOne, warm: 1, server: closesUnanswered, next: answer(hello),
		want: kept(200, "hello").onConnections(2),
	},
	{
		name: "an idle connection is closed when its time is over",
		base: forgetful, server: answer(hello),
		want: ended(200, "hello"),
	},
	{
		name: "a connection in use is not closed when an idle one would be",
		base: forgetful, server: answer("HTTP/1.1 200 OK\r\n\r\nhel").then(pauses(3*20*time.Millisecond), send("lo"), finishes),
		want: ended(200, "hello"),
	},
	{
		name:   "idle connections are closed on demand",
		server: answer(hello), use: []act{readRest, closeBody, closesIdleConnections},
		want: ended(200, "hello"),
	},
	{
		name:   "a connection in use is not closed on demand, but when it is idle",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").then(await("hel is read"), send("lo")),
		use:    []act{read(3), closesIdleConnections, tells("hel is read"), readRest, closeBody},
		want:   ended(200, "hello"),
	},
	{
		name:   "an upgraded connection is not closed on demand",
		header: wantsEcho, server: script{readHead, send(switching), hear("ping"), send("pong"), finishes},
		use:  []act{closesIdleConnections, say("ping"), readRest, closeBody},
		want: ended(101, "pong"),
	},
}
