package contract

import (
	"net/http"
	"strings"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

var long = strings.Repeat("0123456789abcdef", 20_000)

var bodies = []exchange{
	{
		name:   "a body with a length is read to its end",
		server: answer(hello),
		want:   kept(200, "hello").ofLength(5),
	},
	{
		name:   "an empty body has the length 0",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(200, "").ofLength(0),
	},
	{
		name:   "a body without a length ends with the connection",
		server: answerAndFinish("HTTP/1.1 200 OK\r\n\r\nhello"),
		want:   ended(200, "hello").ofLength(-1),
	},
	{
		name:   "a body without a length may be empty",
		server: answerAndFinish("HTTP/1.1 200 OK\r\n\r\n"),
		want:   ended(200, ""),
	},
	{
		name:   "a server may end its side right after a body with a length",
		server: answerAndFinish(hello),
		want:   ended(200, "hello"),
	},
	{
		name:   "a server may close right after a body with a length",
		server: answer(hello).then(closes),
		want:   ended(200, "hello"),
	},
	{
		name:   "a long body is read to its end",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + long),
		want:   kept(200, long),
	},
	{
		name:   "a long body without a length is read to its end",
		server: answerAndFinish("HTTP/1.1 200 OK\r\n\r\n" + long),
		want:   ended(200, long),
	},
	{
		name:   "bytes are handed on as they come",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").then(await("hel is read"), send("lo")),
		use:    []act{read(3), tells("hel is read"), readRest, closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:   "bytes of a body without a length are handed on as they come",
		server: answer("HTTP/1.1 200 OK\r\n\r\nhel").then(await("hel is read"), send("lo"), finishes),
		use:    []act{read(3), tells("hel is read"), readRest, closeBody},
		want:   ended(200, "hello"),
	},
	{
		name:   "RoundTrip returns with the header, before the body has come",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").then(await(returned), send("hello")),
		want:   kept(200, "hello"),
	},
	{
		name:   "a response may come byte by byte",
		server: script{readRequest, sendByteByByte(hello)},
		want:   kept(200, "hello"),
	},
	{
		name:   "a truncated body is an unexpected end",
		server: answerAndFinish("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
		want:   broken(200, "hello", unexpectedEOF),
	},
	{
		name:   "a body that never starts is an unexpected end",
		server: answerAndFinish("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
		want:   broken(200, "", unexpectedEOF),
	},
	{
		name:   "a reset inside a body with a length is an error",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").then(await("hello is read"), resets),
		use:    []act{read(5), tells("hello is read"), readRest},
		want:   broken(200, "hello", reset),
	},
	{
		name:   "a reset inside a body without a length is an error",
		server: answer("HTTP/1.1 200 OK\r\n\r\nhello").then(await("hello is read"), resets),
		use:    []act{read(5), tells("hello is read"), readRest},
		want:   broken(200, "hello", reset),
	},
	{
		name:   "without TLS's goodbye a body without a length passes for whole",
		modes:  []mode{overTLS},
		server: answer("HTTP/1.1 200 OK\r\n\r\nhello").then(drops),
		want:   ended(200, "hello"),
	},
	{
		name:   "without TLS's goodbye a body with a length is still whole",
		modes:  []mode{overTLS},
		server: answer(hello).then(drops),
		want:   ended(200, "hello"),
	},
	{
		name:   "bytes past the length spoil the connection",
		server: answer(hello + "!"),
		want:   ended(200, "hello"),
	},
	{
		name:   "a second response that nobody asked for spoils the connection",
		server: answer(hello + hello),
		want:   ended(200, "hello"),
	},
	{
		name:   "bytes that come after the response spoil the connection",
		server: answer(hello).then(await(finished), send("!")),
		want:   ended(200, "hello"),
	},
	{
		name:   "a body closed unread ends the connection",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
		use:    []act{closeBody},
		want:   ended(200, ""),
	},
	{
		name:   "a body closed half read ends the connection",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
		use:    []act{read(3), closeBody},
		want:   ended(200, "hel"),
	},
	{
		name:   "a whole body that has arrived, closed unread, ends the connection",
		server: answer(hello),
		use:    []act{closeBody},
		want:   ended(200, ""),
	},
	{
		name:   "a body read to its last byte needs no more to be at its end",
		server: answer(hello),
		use:    []act{read(5), closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:   "a body read to its end need not be closed",
		server: answer(hello),
		use:    []act{readRest},
		want:   kept(200, "hello"),
	},
	{
		name:   "an empty body need be neither read nor closed",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		use:    []act{},
		want:   kept(200, ""),
	},
	{
		name:   "the end of a body can be read again",
		server: answer(hello),
		use:    []act{readRest, readsOnce, readsOnce, closeBody},
		want:   kept(200, "hello").noting("Read: 0, EOF", "Read: 0, EOF"),
	},
	{
		name:   "a body closed after its end cannot be read",
		server: answer(hello),
		use:    []act{readRest, closeBody, readsOnce},
		want:   kept(200, "hello").noting("Read: 0, http: read on closed response body"),
	},
	{
		name:   "a body closed before its end cannot be read",
		server: answer(hello),
		use:    []act{read(1), closeBody, readsOnce},
		want:   ended(200, "h").noting("Read: 0, http: read on closed response body"),
	},
	{
		name:   "a body can be closed twice",
		server: answer(hello),
		use:    []act{read(1), closeBody, closeBody},
		want:   ended(200, "h"),
	},
	{
		name:   "an error of the body stays",
		server: answerAndFinish("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
		use:    []act{read(5), readsOnce, readsOnce, closeBody},
		want:   ended(200, "hello").noting("Read: 0, unexpected EOF", "Read: 0, unexpected EOF"),
	},
	{
		name:   "spaces around a length do not count",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: \t 5 \t\r\n\r\nhello"),
		want:   kept(200, "hello").ofLength(5),
	},
	{
		name:   "a length said twice in the same way counts once",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello").with(map[string]string{"Content-Length": "5"}),
	},
	{
		name:   "an error status is a response like any other",
		server: answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"),
		want:   kept(500, "oops"),
	},
	{
		name:   "a redirect is not followed",
		server: answer("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(302, "").with(map[string]string{"Location": "/elsewhere"}),
	},
	{
		name:   "a status of no known meaning is passed on",
		server: answer("HTTP/1.1 999 Whatever it means\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(999, ""),
	},
	{
		name:   "field names are made canonical and several values keep their order",
		server: answer("HTTP/1.1 200 OK\r\nx-one: 1\r\nX-TWO: b\r\nx-two: a\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(200, "").with(map[string]string{"X-One": "1", "X-Two": "b | a", "X-Empty": ""}),
	},
	{
		name:   "a field may go on in the next line",
		server: answer("HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\n\tthree\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(200, "").with(map[string]string{"X-Long": "one two three"}),
	},
	{
		name:   "lines may end in a bare LF",
		server: answer("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name:   "the response's TLS state is that of the connection",
		modes:  []mode{overTLS},
		server: answer(hello),
		use: []act{sees("handshake complete", func(r *http.Response) any {
			return r.TLS.HandshakeComplete
		}), readRest, closeBody},
		want: kept(200, "hello").noting("handshake complete: true"),
	},
}
