package contract

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// The server has these answer their first request, and then fail.
var (
	closesUnanswered = script{readRequest, closes}
	resetsUnanswered = script{readRequest, resets}
	// closesIdle closes before the request is sent.
	closesIdle = script{await(idle), finishes, leavesTimeToNotice, tell(noticed)}
)

const noticed moment = "the client could notice that the server closed"

// leavesTimeToNotice waits for the client to close as well, in whatever way. Some only look when they need the
// connection.
func leavesTimeToNotice(p *peer) error {
	if err := p.tcp.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		return err
	}
	_ = hearEnd(p)
	return p.tcp.SetReadDeadline(time.Time{})
}

var (
	byKey    = fields("Idempotency-Key", "k")
	byOldKey = fields("X-Idempotency-Key", "k")

	errGetBody = errors.New("the caller's GetBody failed")
)

// retried is a request that a stale connection fails and a new one serves.
func retried(name, method string, server script) exchange {
	x := exchange{name: name, method: method, warm: 1, server: server, next: answer(hello),
		want: kept(200, "hello").onConnections(2)}
	if method == "HEAD" {
		x.next = answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
		x.want.body = ""
	}
	return x
}

// lost is a request that is not sent again.
func lost(name, method string, server script, err string) exchange {
	return exchange{name: name, method: method, warm: 1, server: server, want: fails(err).onConnections(1)}
}

func (x exchange) withBody(u *upload) exchange {
	x.body = u
	return x
}

func (x exchange) withHeader(h http.Header) exchange {
	x.header = h
	return x
}

func (x exchange) uploading(fate string) exchange {
	x.want = x.want.uploading(fate)
	return x
}

var stales = []exchange{
	retried("a GET is sent again after an end", "GET", closesUnanswered),
	retried("a GET is sent again after a reset", "GET", resetsUnanswered),
	retried("a HEAD is sent again after an end", "HEAD", closesUnanswered),
	retried("a HEAD is sent again after a reset", "HEAD", resetsUnanswered),
	retried("an OPTIONS is sent again", "OPTIONS", closesUnanswered),
	retried("a TRACE is sent again", "TRACE", closesUnanswered),
	retried("a GET with a body that can be had again is sent again", "GET", closesUnanswered).
		withBody(sized("hello").replayable()).uploading("closed once; closed once"),
	retried("a POST with a key is sent again", "POST", closesUnanswered).withHeader(byKey),
	retried("a POST with a key of the old name is sent again", "POST", resetsUnanswered).withHeader(byOldKey),
	retried("a POST with an empty key is sent again", "POST", closesUnanswered).withHeader(fields("Idempotency-Key", "")),
	retried("a POST with a key and a body in memory is sent again", "POST", closesUnanswered).
		withHeader(byKey).withBody(memory("hello")),
	retried("a POST with a key and a body that can be had again is sent again", "POST", closesUnanswered).
		withHeader(byKey).withBody(stream("hello").replayable()).uploading("closed once; closed once"),
	lost("a POST is not sent again after an end", "POST", closesUnanswered, eof),
	lost("a POST is not sent again after a reset", "POST", resetsUnanswered, reset),
	lost("a POST with a body is not sent again", "POST", closesUnanswered, eof).
		withBody(stream("hello")).uploading("closed once"),
	lost("a POST with a body in memory is not sent again", "POST", closesUnanswered, eof).withBody(memory("hello")),
	lost("a PATCH is not sent again", "PATCH", closesUnanswered, eof),
	lost("a method of its own is not sent again", "PROPFIND", closesUnanswered, eof),
	lost("a POST that waits for 100 is not sent again", "POST", script{readHead, closes}, eof).
		withHeader(expectContinue).withBody(sized("hello")).patiently().uploading("closed once"),
	lost("a GET is not sent again after a byte of its answer", "GET", answerAndFinish("H"), `malformed HTTP response "H"`),
	lost("a GET is not sent again after 103", "GET", answerAndFinish(hints), unexpectedEOF),
	{
		name: "a body that cannot be had again is an error",
		warm: 1, method: "POST", header: byKey, body: sized("hello"),
		request: func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, errGetBody } },
		server:  closesUnanswered,
		want:    fails(errGetBody.Error()).uploading("closed once").onConnections(1),
	},
	{
		name: "a second try that fails is the end",
		warm: 1, server: closesUnanswered, next: closesUnanswered,
		want: fails(eof).onConnections(2),
	},
	{
		name: "a second try is served like any other",
		warm: 1, server: closesUnanswered, next: answerAndFinish("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno"),
		want: ended(503, "no").onConnections(2),
	},
	{
		name:   "a new connection that fails is not tried again",
		server: closesUnanswered,
		want:   fails(eof).onConnections(1),
	},
	{
		name:   "a new connection that is reset is not tried again",
		server: resetsUnanswered,
		want:   fails(reset).onConnections(1),
	},
	{
		name:  "a connection seen to be closed is not used for a GET",
		modes: []mode{plain, overTLS}, warm: 1, after: noticed,
		server: closesIdle, next: answer(hello),
		want: kept(200, "hello").onConnections(1),
	},
	{
		name:  "a connection seen to be closed is not used for a POST",
		modes: []mode{plain, overTLS}, warm: 1, after: noticed,
		method: "POST", body: stream("hello"),
		server: closesIdle, next: answer(hello),
		want: kept(200, "hello").onConnections(1).uploading("closed once"),
	},
	{
		name:  "408 on an idle connection is no answer",
		modes: []mode{plain, overTLS}, warm: 1, after: noticed,
		server: append(script{await(idle), send("HTTP/1.1 408 Request Timeout\r\n\r\n")}, closesIdle...), next: answer(hello),
		want: kept(200, "hello").onConnections(1),
	},
	{
		name: "a GET meets one stale connection after the other",
		warm: 2, server: closesUnanswered, next: answer(hello),
		want: kept(200, "hello").onConnections(3),
	},
	lost("a PUT", "PUT", closesUnanswered, eof),
	lost("a PUT with a body in memory", "PUT", closesUnanswered, eof).withBody(memory("hello")),
	lost("a PUT with a body that is only there once", "PUT", closesUnanswered, eof).
		withBody(stream("hello")).uploading("closed once"),
	lost("a DELETE", "DELETE", closesUnanswered, eof),
	lost("a DELETE after a reset", "DELETE", resetsUnanswered, reset),
	lost("a GET with a body that is only there once", "GET", closesUnanswered, eof).
		withBody(sized("hello")).uploading("closed once"),
	lost("a POST with a key and a body that is only there once", "POST", closesUnanswered, eof).
		withHeader(byKey).withBody(stream("hello")).uploading("closed once"),
}

func (x exchange) patiently() exchange {
	x.base = patient
	return x
}
