package contract

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
)

// zipped compresses text into one gzip member.
func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// zippedResponse is a response with this as its gzip body.
func zippedResponse(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// asItCame wants the body as the server sent it.
func asItCame(body string) want {
	return kept(200, body).with(map[string]string{"Content-Encoding": "gzip", "Content-Length": fmt.Sprint(len(body))})
}

// unzipped wants the body as the server meant it.
func unzipped(body string) want {
	return kept(200, body).uncompressed().ofLength(-1).
		with(map[string]string{"Content-Encoding": "", "Content-Length": ""})
}

var gz = zipped("hello")

func withoutCompression(t *http.Transport) { t.DisableCompression = true }

var gzips = []exchange{
	{
		name:   "gzip is asked for and undone",
		server: answer(zippedResponse(gz)),
		want: unzipped("hello").sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "", "")),
	},
	{
		name: "gzip in chunks",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(gz), gz)),
		want: unzipped("hello"),
	},
	{
		name: "gzip in chunks with a trailer",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n", len(gz), gz)),
		want: unzipped("hello").trailing("X-Sum: 1"),
	},
	{
		name:   "gzip without a length",
		server: answerAndFinish("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gz),
		want:   ended(200, "hello").uncompressed(),
	},
	{
		name:   "a long gzip body",
		server: answer(zippedResponse(zipped(long))),
		want:   unzipped(long),
	},
	{
		name:   "gzip in capitals",
		server: answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n%s", len(gz), gz)),
		want:   unzipped("hello"),
	},
	{
		name:   "x-gzip is left alone",
		server: answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: x-gzip\r\nContent-Length: %d\r\n\r\n%s", len(gz), gz)),
		want:   kept(200, gz).with(map[string]string{"Content-Encoding": "x-gzip"}),
	},
	{
		name:   "another coding is left alone",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello"),
		want:   kept(200, "hello").with(map[string]string{"Content-Encoding": "br"}),
	},
	{
		name:   "two members are one body",
		server: answer(zippedResponse(zipped("hel") + zipped("lo"))),
		want:   unzipped("hello"),
	},
	{
		name:   "gzip within gzip is undone once",
		server: answer(zippedResponse(zipped(gz))),
		want:   unzipped(gz),
	},
	{
		name:   "gzip of nothing",
		server: answer(zippedResponse(zipped(""))),
		want:   unzipped(""),
	},
	{
		name:   "gzip with no bytes at all",
		server: answer(zippedResponse("")),
		want:   kept(200, "").ofLength(0).with(map[string]string{"Content-Encoding": "gzip"}),
	},
	{
		name:   "gzip with no chunks at all",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		want:   unzipped(""),
	},
	{
		name:   "gzip that is none",
		server: answer(zippedResponse("this is not gzip at all")),
		want:   want{status: 200, bodyErr: "gzip: invalid header", unzipped: true, reused: true},
	},
	{
		name:   "gzip with a wrong checksum",
		server: answer(zippedResponse(gz[:len(gz)-8] + "\x00\x00\x00\x00" + gz[len(gz)-4:])),
		want:   want{status: 200, body: "hello", bodyErr: "gzip: invalid checksum", unzipped: true, reused: true},
	},
	{
		name:   "gzip cut off inside its data, within the length",
		server: answer(zippedResponse(gz[:len(gz)-10])),
		want:   want{status: 200, body: "hello", bodyErr: unexpectedEOF, unzipped: true, reused: true},
	},
	{
		name:   "gzip cut off inside its data by the end of the connection",
		server: answerAndFinish(zippedResponse(gz)[:len(zippedResponse(gz))-10]),
		want:   want{status: 200, body: "hello", bodyErr: unexpectedEOF, unzipped: true},
	},
	{
		name:   "gzip cut off inside its header",
		server: answer(zippedResponse(gz[:4])),
		want:   want{status: 200, bodyErr: unexpectedEOF, unzipped: true, reused: true},
	},
	{
		name:   "bytes after gzip",
		server: answer(zippedResponse(gz + "more than a header of gzip")),
		want:   want{status: 200, body: "hello", bodyErr: "gzip: invalid header", unzipped: true, reused: true},
	},
	{
		name:   "gzip read to its end need not be closed",
		server: answer(zippedResponse(gz)),
		use:    []act{readRest},
		want:   unzipped("hello"),
	},
	{
		name:   "gzip closed unread ends the connection",
		server: answer(zippedResponse(gz)),
		use:    []act{closeBody},
		want:   ended(200, "").uncompressed(),
	},
	{
		name:   "gzip closed cannot be read",
		server: answer(zippedResponse(gz)),
		use:    []act{closeBody, readsOnce},
		want:   ended(200, "").uncompressed().noting("Read: 0, http: read on closed response body"),
	},
	{
		name:   "gzip closed after a part cannot be read",
		server: answer(zippedResponse(gz)),
		use:    []act{read(1), closeBody, readsOnce},
		want:   kept(200, "h").uncompressed().noting("Read: 0, http: read on closed response body"),
	},
	{
		name:   "gzip is not looked at before the body is read",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n").then(await(returned), send(gz), finishes),
		want:   ended(200, "hello").uncompressed(),
	},
	{
		name:   "the answer to HEAD keeps its coding, and none is asked for",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 29\r\n\r\n"),
		want: kept(200, "").ofLength(29).with(map[string]string{"Content-Encoding": "gzip"}).sending(lines(
			"HEAD / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "", "")),
	},
	{
		name:   "a Range is answered as it comes, and no coding is asked for",
		header: fields("Range", "bytes=0-9"),
		server: answer(zippedResponse(gz)),
		want: asItCame(gz).sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Range: bytes=0-9", "", "")),
	},
	{
		name:   "a caller's own Accept-Encoding gets what the server sends",
		header: fields("Accept-Encoding", "gzip, br"),
		server: answer(zippedResponse(gz)),
		want: asItCame(gz).sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip, br", "", "")),
	},
	{
		name:   "a caller's own Accept-Encoding: gzip is the caller's affair",
		header: fields("Accept-Encoding", "gzip"),
		server: answer(zippedResponse(gz)),
		want:   asItCame(gz),
	},
	{
		name:   "an empty Accept-Encoding is none",
		header: fields("Accept-Encoding", ""),
		server: answer(zippedResponse(gz)),
		want:   unzipped("hello"),
	},
	{
		name:   "a transport without compression asks for none and leaves what comes",
		base:   withoutCompression,
		server: answer(zippedResponse(gz)),
		want: asItCame(gz).sending(lines(
			"GET / HTTP/1.1", "Host: HOST", "User-Agent: Go-http-client/1.1", "", "")),
	},
	{
		name:   "204 with a coding has nothing to undo",
		server: answer("HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"),
		want:   kept(204, "").with(map[string]string{"Content-Encoding": "gzip"}),
	},
	{
		name:   "gzip in answer to a POST",
		method: "POST", body: sized("hello"),
		server: answer(zippedResponse(gz)),
		want:   unzipped("hello"),
	},
}
