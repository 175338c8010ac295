package contract

import "net/http"

func withoutKeepAlives(t *http.Transport) { t.DisableKeepAlives = true }

func asksToClose(r *http.Request) { r.Close = true }

var closingGet = lines("GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Connection: close",
	"Accept-Encoding: gzip", "", "")

var http10 = []exchange{
	{
		name:   "HTTP/1.0 ends the connection",
		server: answer("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "HTTP/1.0 without a length",
		server: answerAndFinish("HTTP/1.0 200 OK\r\n\r\nhello"),
		want:   ended(200, "hello").ofLength(-1),
	},
	{
		name:   "HTTP/1.0 with a length that is not reached",
		server: answerAndFinish("HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
		want:   broken(200, "hello", unexpectedEOF),
	},
	{
		name:   "HTTP/1.0 with keep-alive",
		server: answer("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name:   "HTTP/1.0 with keep-alive in another case",
		server: answer("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name:   "HTTP/1.0 with keep-alive and an empty body",
		server: answer("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(200, ""),
	},
	{
		name:   "HTTP/1.0 with keep-alive and no length",
		server: answerAndFinish("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "HTTP/1.0 knows no chunks",
		server: answerAndFinish("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
		want:   ended(200, "5\r\nhello\r\n0\r\n\r\n"),
	},
	{
		name:   "HTTP/1.0 knows no chunks beside a length",
		server: answer("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "HTTP/1.0 with keep-alive and close",
		server: answer("HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "Connection: close ends the connection",
		server: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello").with(map[string]string{"Connection": ""}),
	},
	{
		name:   "Connection: close with chunks",
		server: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
		want:   ended(200, "hello"),
	},
	{
		name:   "Connection: close without a length",
		server: answerAndFinish("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "Connection: close with an empty body",
		server: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		want:   ended(200, ""),
	},
	{
		name:   "Connection: close in another case and among others",
		server: answer("HTTP/1.1 200 OK\r\nConnection: foo, CLOSE\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "Connection: close in a second field",
		server: answer("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "Connection with something else means nothing",
		server: answer("HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name:   "Proxy-Connection: close means nothing",
		server: answer("HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name:    "a request that asks to close",
		request: asksToClose,
		server:  answer(hello),
		want:    ended(200, "hello").sending(closingGet),
	},
	{
		name:    "a request that asks to close, answered with an empty body",
		request: asksToClose,
		server:  answer("HTTP/1.1 204 No Content\r\n\r\n"),
		want:    ended(204, "").sending(closingGet),
	},
	{
		name:    "a request that asks to close and a response that closes",
		request: asksToClose,
		server:  answerAndFinish("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"),
		want:    ended(200, "hello").sending(closingGet),
	},
	{
		name:   "a request that asks to close by its header alone",
		header: fields("Connection", "close"),
		server: answerAndFinish(hello),
		want:   ended(200, "hello").sending(closingGet),
	},
	{
		name:    "a request that asks to close twice says it once",
		header:  fields("Connection", "close"),
		request: asksToClose,
		server:  answer(hello),
		want:    ended(200, "hello").sending(closingGet),
	},
	{
		name:   "a transport without keep-alives asks to close",
		base:   withoutKeepAlives,
		server: answer(hello),
		want:   ended(200, "hello"),
	},
	{
		name:   "a transport without keep-alives leaves another Connection field",
		base:   withoutKeepAlives,
		header: fields("Connection", "foo"),
		server: answer(hello),
		want:   ended(200, "hello"),
	},
	{
		name:    "a transport without keep-alives asks to close once",
		base:    withoutKeepAlives,
		request: asksToClose,
		server:  answer(hello),
		want:    ended(200, "hello").sending(closingGet),
	},
	{
		name:   "a transport without keep-alives and an empty body",
		base:   withoutKeepAlives,
		server: answer("HTTP/1.1 204 No Content\r\n\r\n"),
		want:   ended(204, ""),
	},
	{
		name:   "a version below 1.0",
		server: answerAndFinish("HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(200, "hello"),
	},
	{
		name:   "a version above 1.1",
		server: answer("HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
	{
		name:   "version 2.0 in the words of version 1",
		server: answer("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello"),
	},
}
