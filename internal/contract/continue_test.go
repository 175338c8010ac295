package contract

import (
	"net/http"
	"time"
)

const (
	goAhead  = "HTTP/1.1 100 Continue\r\n\r\n"
	declines = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno"
	// declinesForGood also ends the connection.
	declinesForGood = "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
)

var expectContinue = fields("Expect", "100-continue")

// patient waits for 100 for longer than any exchange lasts, impatient hardly at all.
func patient(t *http.Transport) { t.ExpectContinueTimeout = 2 * patience }

func impatient(t *http.Transport) { t.ExpectContinueTimeout = 20 * time.Millisecond }

const (
	postHead = "POST / HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\n" +
		"Content-Length: 5\r\nExpect: 100-continue\r\nAccept-Encoding: gzip\r\n\r\n"
	postWhole = postHead + "hello"
)

var continues = []exchange{
	{
		name:   "the body waits for 100",
		method: "POST", header: expectContinue, body: sized(must("100 is sent"), "hello"), base: patient,
		server: script{readHead, tell("100 is sent"), send(goAhead), readBody, send(hello)},
		want:   kept(200, "hello").sending(postWhole).uploading("closed once"),
	},
	{
		name:   "a body in memory waits for 100 as well",
		method: "POST", header: expectContinue, body: memory("hello"), base: patient,
		server: script{readHead, send(goAhead), readBody, send(hello)},
		want:   kept(200, "hello").sending(postWhole),
	},
	{
		name:   "a body of unknown length waits for 100",
		method: "POST", header: expectContinue, body: stream(must("100 is sent"), "hello"), base: patient,
		server: script{readHead, tell("100 is sent"), send(goAhead), readBody, send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "a body that says its length is 0 is not looked at before 100",
		method: "POST", header: expectContinue, body: stream(must("100 is sent"), "hello").ofLength(0), base: patient,
		server: script{readHead, tell("100 is sent"), send(goAhead), readBody, send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "the expectation in another case",
		method: "POST", header: fields("Expect", "100-Continue"), body: sized(must("100 is sent"), "hello"), base: patient,
		server: script{readHead, tell("100 is sent"), send(goAhead), readBody, send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "an expectation without a body is only a header",
		header: expectContinue, base: patient,
		server: answer(hello),
		want:   kept(200, "hello"),
	},
	{
		name:   "without 100 the body goes out when the timeout has passed",
		method: "POST", header: expectContinue, body: sized("hello"), base: impatient,
		server: answer(hello),
		want:   kept(200, "hello").sending(postWhole).uploading("closed once"),
	},
	{
		name:   "with no timeout set the body goes out at once",
		method: "POST", header: expectContinue, body: sized("hello"),
		server: answer(hello),
		want:   kept(200, "hello").sending(postWhole).uploading("closed once"),
	},
	{
		name:   "100 after the body has gone out on its own is skipped",
		method: "POST", header: expectContinue, body: sized("hello"), base: impatient,
		server: answer(goAhead + hello),
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "a second 100 is skipped",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send(goAhead + goAhead), readBody, send(goAhead + hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "100 may have fields",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send("HTTP/1.1 100 Go on\r\nX-Hint: 1\r\n\r\n"), readBody, send(hello)},
		want:   kept(200, "hello").with(map[string]string{"X-Hint": ""}),
	},
	{
		name:   "100, then 103, then the answer",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient, trace: noteInformational,
		server: script{readHead, send(goAhead), readBody, send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + hello)},
		want:   kept(200, "hello").noting("100 ", "103 Link: </a>"),
	},
	{
		name:   "103 is not the word that the body waits for",
		method: "POST", header: expectContinue, body: sized(must("100 is sent"), "hello"), base: patient,
		server: script{
			readHead, send("HTTP/1.1 103 Early Hints\r\n\r\n"), tell("100 is sent"), send(goAhead), readBody, send(hello)},
		want: kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "a final answer on a connection that stays needs the body all the same",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send(declines), readBody},
		want:   kept(417, "no").sending(postWhole).uploading("closed once"),
	},
	{
		name:   "a final 200 without 100 is an answer",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send(hello), readBody},
		want:   kept(200, "hello").sending(postWhole).uploading("closed once"),
	},
	{
		name:   "a final answer that ends the connection spares the body",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send(declinesForGood)},
		want:   ended(417, "no").sending(postHead).uploading("closed once"),
	},
	{
		name:   "a final answer in HTTP/1.0 spares the body",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send("HTTP/1.0 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")},
		want:   ended(417, "no").sending(postHead).uploading("closed once"),
	},
	{
		name:   "a final answer without a length spares the body",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send("HTTP/1.1 500 Internal Server Error\r\n\r\noops"), finishes},
		want:   ended(500, "oops").sending(postHead).uploading("closed once"),
	},
	{
		name:   "a final answer to a request that ends the connection spares the body",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		request: func(r *http.Request) { r.Close = true },
		server:  script{readHead, send(declines)},
		want:    ended(417, "no").uploading("closed once"),
	},
	{
		name:   "a server that closes instead of answering",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, closes},
		want:   fails(eof).sending(postHead).uploading("closed once"),
	},
	{
		name:   "a server that resets instead of answering",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, resets},
		want:   fails(reset).sending(postHead).uploading("closed once"),
	},
	{
		name:   "a server that closes after 100",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send(goAhead), readBody, closes},
		want:   fails(unexpectedEOF).sending(postWhole).uploading("closed once"),
	},
	{
		name:   "a server that sends garbage instead of 100",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, send("garbage\r\n\r\n")},
		want:   fails(`malformed HTTP response "garbage"`).sending(postHead).uploading("closed once"),
	},
	{
		name:   "a caller who cancels while the body waits",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		server: script{readHead, cancels(nil), hearEnd},
		want:   fails(canceled).sending(postHead).uploading("closed once"),
	},
	{
		name:   "a caller whose deadline passes while the body waits",
		method: "POST", header: expectContinue, body: sized("hello"), base: patient,
		deadline: shortly, wire: nothing, noProbe: true,
		server: script{readHead, hearEnd},
		want:   fails(deadline).uploading("closed once"),
	},
	{
		name:   "a body that fails after 100",
		method: "POST", header: expectContinue, body: stream("he", errUpload), base: patient,
		server: script{readHead, send(goAhead), hearEnd},
		want:   fails(bodyRead).uploading("closed once"),
	},
	{
		name:   "the header timeout starts when the body is out",
		method: "POST", header: expectContinue, body: sized("hello"), noProbe: true,
		base: func(t *http.Transport) {
			t.ExpectContinueTimeout = 400 * time.Millisecond
			t.ResponseHeaderTimeout = 200 * time.Millisecond
		},
		server: script{readHead, readBody, hearEnd},
		want:   fails(headerTimeout).sending(postWhole).uploading("closed once"),
	},
}
