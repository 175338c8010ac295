package contract

import (
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
)

const hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"

var errTrace = errors.New("the caller's trace refused a 1xx response")

// refuseInformational is a trace that ends the request with the first 1xx response.
func refuseInformational(*call) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return errTrace }}
}

// countInformational notes how many 1xx responses there were.
func countInformational(c *call) *httptrace.ClientTrace {
	n := 0
	return &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { n++; return nil },
		PutIdleConn:    func(error) { c.note("%d informational responses", n) },
	}
}

// tellInformational tells the stage of each 1xx response.
func tellInformational(c *call) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
		c.stage.tell("1xx is delivered")
		return nil
	}}
}

func smallHeaders(t *http.Transport) { t.MaxResponseHeaderBytes = 4096 }

var informational = []exchange{
	{
		name:   "100 that nobody asked for is skipped",
		server: answer(goAhead + hello),
		want:   kept(200, "hello"),
	},
	{
		name:   "100 that nobody asked for is skipped for a request with a body",
		method: "POST", body: sized("hello"),
		server: answer(goAhead + hello),
		want:   kept(200, "hello"),
	},
	{
		name:   "103 is skipped when nobody traces",
		server: answer(hints + hello),
		want:   kept(200, "hello").with(map[string]string{"Link": ""}),
	},
	{
		name:   "103 is delivered with its header",
		trace:  noteInformational,
		server: answer(hints + hello),
		want:   kept(200, "hello").noting("103 Link: </style.css>"),
	},
	{
		name:   "several of them are delivered in order",
		trace:  noteInformational,
		server: answer("HTTP/1.1 102 Processing\r\n\r\n" + hints + goAhead + hints + "HTTP/1.1 199 Odd\r\nX-A: b\r\n\r\n" + hello),
		want: kept(200, "hello").noting(
			"102 ", "103 Link: </style.css>", "100 ", "103 Link: </style.css>", "199 X-A: b"),
	},
	{
		name:   "103 is delivered before the final response has come",
		trace:  tellInformational,
		server: script{readRequest, send(hints), await("1xx is delivered"), send(hello)},
		want:   kept(200, "hello"),
	},
	{
		name:   "103 before a response to HEAD",
		method: "HEAD", trace: noteInformational,
		server: answer(hints + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		want:   kept(200, "").ofLength(5).noting("103 Link: </style.css>"),
	},
	{
		name:   "103 before 204",
		trace:  noteInformational,
		server: answer(hints + "HTTP/1.1 204 No Content\r\n\r\n"),
		want:   kept(204, "").noting("103 Link: </style.css>"),
	},
	{
		name:   "103 before a response that ends the connection",
		server: answer(hints + "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "Connection: close in 103 means nothing",
		server: answer("HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + hello),
		want:   kept(200, "hello"),
	},
	{
		name:   "103 may state a length, and has no body",
		server: answer("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + hello),
		want:   kept(200, "hello"),
	},
	{
		name:   "103 may state a coding, and has no body",
		server: answer("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + hello),
		want:   kept(200, "hello"),
	},
	{
		name:   "a trace that refuses ends the request",
		trace:  refuseInformational,
		server: script{readRequest, send(hints), hearEnd},
		want:   fails(errTrace.Error()),
	},
	{
		name:   "103 and then the end",
		server: answerAndFinish(hints),
		want:   fails(unexpectedEOF),
	},
	{
		name:   "103 and then a reset",
		trace:  tellInformational,
		server: script{readRequest, send(hints), await("1xx is delivered"), resets},
		want:   fails(reset),
	},
	{
		name:   "103 and then garbage",
		server: answer(hints + "garbage\r\n\r\n"),
		want:   fails(`malformed HTTP response "garbage"`),
	},
	{
		name:   "103 and then the caller cancels",
		server: script{readRequest, send(hints), cancels(nil), hearEnd},
		want:   fails(canceled),
	},
	{
		name:   "a flood that nobody traces ends at the header limit",
		base:   smallHeaders,
		server: script{readRequest, sendEndlessly(hints)},
		want:   fails(headerTooLarge),
	},
	{
		name:   "a flood that is delivered has no limit",
		base:   smallHeaders,
		trace:  countInformational,
		server: answer(strings.Repeat(hints, 500) + hello),
		want:   kept(200, "hello").noting("500 informational responses"),
	},
	{
		name:   "a single one over the header limit",
		base:   smallHeaders,
		trace:  noteInformational,
		server: script{readRequest, sendEndlessly("HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 20_000))},
		want:   fails(headerTooLarge),
	},
	{
		name:   "101 that nobody asked for has no body and ends the connection",
		server: answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
		want:   ended(101, ""),
	},
}
