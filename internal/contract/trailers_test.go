package contract

import (
	"net/http"
	"strings"
)

const announced = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-More\r\n\r\n5\r\nhello\r\n0\r\n"

var trailers = []exchange{
	{
		name:   "an announced trailer",
		server: answer(announced + "X-Sum: 1\r\nX-More: 2\r\n\r\n"),
		want:   kept(200, "hello").trailing("X-More: 2\nX-Sum: 1").with(map[string]string{"Trailer": ""}),
	},
	{
		name:   "a trailer that was not announced",
		server: answer(chunked + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
		want:   kept(200, "hello").trailing("X-Sum: 1"),
	},
	{
		name:   "an announced trailer that does not come",
		server: answer(announced + "X-Sum: 1\r\n\r\n"),
		want:   kept(200, "hello").trailing("X-More: \nX-Sum: 1"),
	},
	{
		name:   "an announced trailer and another one",
		server: answer(announced + "X-Sum: 1\r\nX-Other: 3\r\n\r\n"),
		want:   kept(200, "hello").trailing("X-More: \nX-Other: 3\nX-Sum: 1"),
	},
	{
		name:   "an announced trailer has no value before the body's end",
		server: answer(announced + "X-Sum: 1\r\nX-More: 2\r\n\r\n"),
		use:    []act{sees("trailer", func(r *http.Response) any { return flatten(r.Trailer) }), readRest, closeBody},
		want:   kept(200, "hello").noting("trailer: X-More: \nX-Sum: "),
	},
	{
		name:   "a trailer of several values, in any case",
		server: answer(chunked + "0\r\nx-SUM: 1\r\nX-Sum: 2\r\n\r\n"),
		want:   kept(200, "").trailing("X-Sum: 1 | 2"),
	},
	{
		name:   "an announced trailer that goes on in the next line",
		server: answer(announced + "X-Sum: 1\r\n 2\r\n\r\n"),
		want:   kept(200, "hello").trailing("X-More: \nX-Sum: 1 2"),
	},
	{
		name:   "a trailer that comes late",
		server: answer(chunked+"5\r\nhello\r\n").then(await("hello is read"), send("0\r\nX-Sum: 1\r\n\r\n")),
		use:    []act{read(5), tells("hello is read"), readRest, closeBody},
		want:   kept(200, "hello").trailing("X-Sum: 1"),
	},
	{
		name:   "a trailer without a colon",
		server: answerAndFinish(announced + "nonsense\r\n\r\n"),
		want:   broken(200, "hello", `malformed MIME header: missing colon: "nonsense"`),
	},
	{
		name:   "a trailer cut off",
		server: answerAndFinish(announced + "X-Sum: 1\r\n"),
		want:   broken(200, "hello", "http: suspiciously long trailer after chunked body"),
	},
	{
		name:   "a trailer that is suspiciously long",
		server: answerAndFinish(announced + "X-Sum: " + strings.Repeat("1", 10_000) + "\r\n\r\n"),
		want:   broken(200, "hello", "http: suspiciously long trailer after chunked body"),
	},
	{
		name:   "a length announced as a trailer",
		server: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n"),
		want:   fails(`bad trailer key "Content-Length"`),
	},
	{
		name:   "a body with a length has no trailer, whatever is announced",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTrailer: X-Sum\r\n\r\nhello"),
		want:   kept(200, "hello").with(map[string]string{"Trailer": "X-Sum"}),
	},
	{
		name:   "the answer to HEAD has no trailer",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"),
		want:   kept(200, "").trailing("X-Sum: "),
	},
	{
		name:   "a trailer of the request, set while its body is read",
		method: "POST",
		body:   stream("hello", func(r *http.Request) { r.Trailer.Set("X-Sum", "1") }),
		request: func(r *http.Request) {
			r.Trailer = http.Header{"X-Sum": nil, "X-More": nil}
		},
		server: answer(hello),
		want: kept(200, "hello").sending(lines(
			"POST / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Transfer-Encoding: chunked",
			"Trailer: X-More,X-Sum", "Accept-Encoding: gzip", "",
			"5", "hello", "0", "X-Sum: 1", "", "")),
	},
	{
		name:    "a trailer of the request needs a chunked body",
		method:  "POST",
		body:    sized("hello"),
		request: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"1"}} },
		server:  answer(hello),
		want: kept(200, "hello").sending(lines(
			"POST / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Content-Length: 5",
			"Accept-Encoding: gzip", "", "hello")),
	},
	{
		name:    "a trailer of a request without a body is not sent",
		request: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"1"}} },
		server:  answer(hello),
		want: kept(200, "hello").sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "", "")),
	},
	{
		name:    "a length as a trailer of the request is refused",
		method:  "POST",
		body:    stream("hello"),
		request: func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} },
		want:    fails(`invalid Trailer key "Content-Length"`).uploading("closed once"),
	},
	{
		name:    "a trailer of the request with a name that is none is refused",
		method:  "POST",
		body:    stream("hello"),
		request: func(r *http.Request) { r.Trailer = http.Header{"X Sum": nil} },
		want:    fails(`net/http: invalid trailer field name "X Sum"`).uploading("closed once"),
	},
	{
		name:    "a trailer of the request with a value that is none is refused",
		method:  "POST",
		body:    stream("hello"),
		request: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"1\r\nX-Injected: 2"}} },
		want:    fails(`net/http: invalid trailer field value for "X-Sum"`).uploading("closed once"),
	},
	{
		name:   "trailers both ways",
		method: "POST",
		body:   stream("hello", func(r *http.Request) { r.Trailer.Set("X-Sum", "1") }),
		request: func(r *http.Request) {
			r.Trailer = http.Header{"X-Sum": nil}
		},
		server: answer(announced + "X-Sum: 2\r\n\r\n"),
		want:   kept(200, "hello").trailing("X-More: \nX-Sum: 2"),
	},
}
