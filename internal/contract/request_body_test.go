package contract

import (
	"io"
	"net/http"
	"strings"
)

// posted is a POST that the server reads in full, of which this is on the wire after the first line.
func posted(body string, more ...string) want {
	return kept(200, "hello").sending(head("POST / HTTP/1.1", more...) + body)
}

// post is an exchange about the body of the request alone.
func post(name string, body *upload, w want) exchange {
	return exchange{name: name, method: "POST", body: body, server: answer(hello), want: w}
}

// get is the same with GET, which is not expected to have a body.
func get(name string, body *upload, w want) exchange {
	return exchange{name: name, body: body, server: answer(hello), want: w.uploading("closed once")}
}

// unfinished is a POST that cannot be sent in full.
func unfinished(name string, body *upload, err string) exchange {
	return exchange{name: name, method: "POST", body: body, wire: headOnly,
		server: script{readHead, hearEnd}, want: fails(err).uploading("closed once")}
}

// brokenClose is a body whose Close fails.
type brokenClose struct{ io.ReadCloser }

func (b brokenClose) Close() error {
	b.ReadCloser.Close()
	return errUpload
}

var requestBodies = []exchange{
	{
		name:   "a body in memory goes out in one write with its header",
		method: "POST", body: memory("hello"), writes: true,
		server: answer(hello),
		want:   posted("hello", "Content-Length: 5"),
	},
	{
		name:   "a header goes out before the first byte of its body is there",
		method: "POST", body: sized(moment("the head is read"), "hello"),
		server: script{readHead, tell("the head is read"), readBody, send(hello)},
		want:   posted("hello", "Content-Length: 5").uploading("closed once"),
	},
	{
		name:   "a header goes out before the first chunk of its body is there",
		method: "POST", body: stream(moment("the head is read"), "hello"), writes: true,
		server: script{readHead, tell("the head is read"), readBody, send(hello)},
		want:   posted("5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once"),
	},
	{
		name:   "each chunk goes out as it is read",
		method: "POST", body: stream("one", moment("one is heard"), "two"), writes: true,
		server: script{readHead, hear("3\r\none\r\n"), tell("one is heard"), hear("3\r\ntwo\r\n0\r\n\r\n"), send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "each part of a body of known length goes out as it is read",
		method: "POST", body: sized("one", moment("one is heard"), "two"), modes: []mode{plain},
		server: script{readHead, hear("one"), tell("one is heard"), hear("two"), send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	post("a body of known length", sized("hel", "lo"), posted("hello", "Content-Length: 5").uploading("closed once")),
	post("a body of unknown length", stream("hel", "lo"),
		posted("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once")),
	post("an empty body of unknown length", stream(),
		posted("0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once")),
	post("no body", nil, posted("", "Content-Length: 0")),
	post("a body that says 0 is sent in chunks all the same", stream("hello").ofLength(0),
		posted("5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once")),
	post("a body that says 0 and is empty is sent in chunks all the same", stream().ofLength(0),
		posted("0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once")),
	get("a GET with a body that says 0 and is empty has none", stream().ofLength(0), sent()),
	get("a GET with a body that says 0 and is not empty is sent in chunks", stream("hello").ofLength(0),
		kept(200, "hello").sending(head("GET / HTTP/1.1", "Transfer-Encoding: chunked")+"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n")),
	get("a GET with a body of unknown length that is empty has none", stream(), sent()),
	get("a GET with a body of one byte that says 0", stream("h").ofLength(0),
		kept(200, "hello").sending(head("GET / HTTP/1.1", "Transfer-Encoding: chunked")+"1\r\nh\r\n0\r\n\r\n")),
	{
		name: "a GET with a body that says 0 and fails",
		body: stream(errUpload).ofLength(0), wire: headOnly,
		server: script{readHead, hearEnd},
		want:   fails(bodyRead).uploading("closed once"),
	},
	{
		name:   "a GET with a body that says 0 and is slow is sent before the body is there",
		body:   stream(moment("the head is read"), "hello").ofLength(0),
		server: script{readHead, tell("the head is read"), readBody, send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	post("a read that gives nothing is not the end", stream("hel", "", "lo"),
		posted("3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once")),
	{
		name:   "http.NoBody is no body",
		method: "POST", request: func(r *http.Request) { r.Body = http.NoBody },
		server: answer(hello),
		want:   posted("", "Content-Length: 0"),
	},
	{
		name:   "http.NoBody of unknown length is no body",
		method: "POST", request: func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, -1 },
		server: answer(hello),
		want:   posted("", "Content-Length: 0"),
	},
	{
		name:   "a PUT without a body states its length",
		method: "PUT", server: answer(hello),
		want: kept(200, "hello").sending(head("PUT / HTTP/1.1", "Content-Length: 0")),
	},
	{
		name:   "a PATCH without a body states its length",
		method: "PATCH", server: answer(hello),
		want: kept(200, "hello").sending(head("PATCH / HTTP/1.1", "Content-Length: 0")),
	},
	{
		name:   "a DELETE without a body states none",
		method: "DELETE", server: answer(hello),
		want: kept(200, "hello").sending(head("DELETE / HTTP/1.1")),
	},
	{
		name: "a GET may have a body",
		body: sized("hello"), server: answer(hello),
		want: kept(200, "hello").sending(head("GET / HTTP/1.1", "Content-Length: 5") + "hello").uploading("closed once"),
	},
	{
		name:   "a body of known length can be sent in chunks",
		method: "POST", body: sized("hello"), request: func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		server: answer(hello),
		want:   posted("5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked").uploading("closed once"),
	},
	{
		name:   "a body of unknown length that may not be sent in chunks",
		method: "POST", body: stream("hello"), request: func(r *http.Request) { r.TransferEncoding = []string{"identity"} },
		server: script{readHead, hear("hello"), send(hello)},
		want:   kept(200, "hello").uploading("closed once"),
	},
	unfinished("a body shorter than its length", sized("hello").ofLength(10), "http: ContentLength=10 with Body length 5"),
	unfinished("a body longer than its length", sized("hello").ofLength(3), "http: ContentLength=3 with Body length 5"),
	unfinished("an empty body with a length", sized().ofLength(5), "http: ContentLength=5 with Body length 0"),
	unfinished("a body of unknown length that fails at once", stream(errUpload), bodyRead),
	unfinished("a body of unknown length that fails later", stream("hel", errUpload), bodyRead),
	unfinished("a body that ends too soon in its own words", stream("hel", io.ErrUnexpectedEOF), unexpectedEOF),
	{
		name:   "a body of known length that fails",
		method: "POST", body: sized("hel", errUpload).ofLength(5), wire: headOnly, modes: []mode{overTLS, opaque},
		server: script{readHead, hearEnd},
		want:   fails(bodyRead).uploading("closed once"),
	},
	{
		name:   "a body of known length that fails while the socket itself reads it",
		method: "POST", body: sized("hel", errUpload).ofLength(5), wire: headOnly, modes: []mode{plain},
		server: script{readHead, hearEnd},
		want:   fails(bodyRead + wrapped).uploading("closed once"),
	},
	{
		name:   "a body that fails on a connection used before is not sent again",
		method: "PUT", body: stream("hel", errUpload).replayable(), wire: headOnly, warm: 1,
		server: script{readHead, hearEnd},
		want:   fails(bodyRead).uploading("closed once"),
	},
	{
		name:   "a body that cannot be closed",
		method: "POST", body: stream("hello"), wire: headOnly,
		request: func(r *http.Request) { r.Body = brokenClose{r.Body} },
		server:  script{readHead, hearEnd},
		want:    fails(bodyRead + wrapped).uploading("closed once"),
	},
	{
		name:    "a length without a body",
		method:  "POST",
		request: func(r *http.Request) { r.ContentLength = 5 },
		want:    fails("http: Request.ContentLength=5 with nil Body"),
	},
	{
		name:   "a server that closes during the upload",
		method: "POST", body: stream(strings.Repeat("x", 1<<20), moment("the server has closed"), "more", "and more"),
		wire:   headOnly,
		server: script{readHead, hear("8000\r\nxx"), resets, tell("the server has closed")},
		want:   fails(reset).uploading("closed once"),
	},
}
