package contract

import "strings"

// refused is a response that ends the request with this error, whoever closes the connection.
func refused(name, raw, err string) exchange {
	return exchange{name: name, server: answerAndFinish(raw), want: fails(err)}
}

// accepted is a response that is taken as it is, odd or not.
func accepted(name, raw string, w want) exchange {
	return exchange{name: name, server: answer(raw), want: w}
}

const noBody = "Content-Length: 0\r\n\r\n"

var malformed = []exchange{
	// The status line.
	refused("garbage", "garbage\r\n\r\n", `malformed HTTP response "garbage"`),
	refused("garbage without an end", "garbage", `malformed HTTP response "garbage"`),
	refused("binary garbage", "\x00\x01\x02\xff\xfe\r\n\r\n", `malformed HTTP response "\x00\x01\x02\xff\xfe"`),
	refused("a TLS alert in the clear", "\x15\x03\x01\x00\x02\x02\x16\r\n", `malformed HTTP response "\x15\x03\x01\x00\x02\x02\x16"`),
	refused("an HTTP/2 preface", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n\r\n",
		`malformed HTTP response "\x00\x00\x12\x04\x00\x00\x00\x00\x00"`),
	refused("nothing at all", "", eof),
	refused("one byte", "H", `malformed HTTP response "H"`),
	refused("an empty line", "\r\n", `malformed HTTP response ""`),
	refused("an empty line before the status line", "\r\n"+hello, `malformed HTTP response ""`),
	refused("a space before the status line", " "+hello, `malformed HTTP status code "HTTP/1.1"`),
	refused("a status line without a status", "HTTP/1.1\r\n"+noBody, `malformed HTTP response "HTTP/1.1"`),
	refused("a status that is no number", "HTTP/1.1 abc OK\r\n"+noBody, `malformed HTTP status code "abc"`),
	refused("a status of two digits", "HTTP/1.1 20 OK\r\n"+noBody, `malformed HTTP status code "20"`),
	refused("a status of four digits", "HTTP/1.1 2000 OK\r\n"+noBody, `malformed HTTP status code "2000"`),
	refused("a status with a sign", "HTTP/1.1 -20 OK\r\n"+noBody, `malformed HTTP status code "-20"`),
	accepted("a status that begins with a plus sign", "HTTP/1.1 +20 OK\r\n"+noBody, ended(20, "")),
	accepted("a status below all others", "HTTP/1.1 000 Nothing\r\n"+noBody, ended(0, "")),
	accepted("two spaces before the status", "HTTP/1.1  200 OK\r\n"+noBody, kept(200, "")),
	accepted("a status line without a text", "HTTP/1.1 200\r\n"+noBody, kept(200, "")),
	accepted("a status line with an empty text", "HTTP/1.1 200 \r\n"+noBody, kept(200, "")),
	accepted("a status line with a long text", "HTTP/1.1 200 "+strings.Repeat("OK ", 2000)+"\r\n"+noBody, kept(200, "")),
	accepted("a status line with bytes above ASCII", "HTTP/1.1 200 \xc3\xa4\xff\r\n"+noBody, kept(200, "")),
	refused("a tab in place of the space", "HTTP/1.1\t200 OK\r\n"+noBody, `malformed HTTP status code "OK"`),
	refused("another protocol", "ICY 200 OK\r\n"+noBody, `malformed HTTP version "ICY"`),
	refused("the protocol's name in small letters", "http/1.1 200 OK\r\n"+noBody, `malformed HTTP version "http/1.1"`),
	refused("a version without a minor number", "HTTP/1 200 OK\r\n"+noBody, `malformed HTTP version "HTTP/1"`),
	refused("a version of two digits", "HTTP/1.10 200 OK\r\n"+noBody, `malformed HTTP version "HTTP/1.10"`),
	refused("a version that is no number", "HTTP/x.y 200 OK\r\n"+noBody, `malformed HTTP version "HTTP/x.y"`),

	// The header.
	refused("a field without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n"+noBody,
		`malformed MIME header: missing colon: "nonsense"`),
	refused("a field without a name", "HTTP/1.1 200 OK\r\n: value\r\n"+noBody, `malformed MIME header line: ": value"`),
	refused("a field with a control character in its name", "HTTP/1.1 200 OK\r\nX-\x01: a\r\n"+noBody,
		`malformed MIME header line: "X-\x01: a"`),
	refused("a field with a NUL in its value", "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\n"+noBody,
		`malformed MIME header line: "X-A: a\x00b"`),
	refused("a header that begins with a space", "HTTP/1.1 200 OK\r\n X-A: b\r\n"+noBody,
		"malformed MIME header initial line: \" X-A: b\""),
	refused("a header without an end", "HTTP/1.1 200 OK\r\nX-A: b\r\n", unexpectedEOF),
	refused("a header cut off in a name", "HTTP/1.1 200 OK\r\nX-", `malformed MIME header: missing colon: "X-"`),
	refused("a header cut off in a value", "HTTP/1.1 200 OK\r\nX-A: b", unexpectedEOF),
	refused("a header cut off in its last line", "HTTP/1.1 200 OK\r\nX-A: b\r\n\r", `malformed MIME header: missing colon: "\r"`),
	refused("a status line cut off", "HTTP/1.1 200 OK", unexpectedEOF),
	refused("only a status line", "HTTP/1.1 200 OK\r\n", unexpectedEOF),
	accepted("a space before the colon keeps its field apart", "HTTP/1.1 200 OK\r\nX-A : b\r\n"+noBody,
		kept(200, "").with(map[string]string{"X-A": ""})),
	accepted("a space within a name", "HTTP/1.1 200 OK\r\nX A: b\r\n"+noBody, kept(200, "")),
	accepted("a length with a space before the colon is no length",
		"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n"+noBody, kept(200, "")),
	accepted("a value with bytes above ASCII", "HTTP/1.1 200 OK\r\nX-A: \xc3\xa4\xff\r\n"+noBody,
		kept(200, "").with(map[string]string{"X-A": "\xc3\xa4\xff"})),
	accepted("a value with a colon and quotes", "HTTP/1.1 200 OK\r\nX-A: a:\"b\";c\r\n"+noBody,
		kept(200, "").with(map[string]string{"X-A": `a:"b";c`})),
	accepted("a name with every sign that is allowed", "HTTP/1.1 200 OK\r\nX!#$%&'*+-.^_`|~9: a\r\n"+noBody, kept(200, "")),
	refused("a lone CR in a value", "HTTP/1.1 200 OK\r\nX-A: a\rb\r\n"+noBody, `malformed MIME header line: "X-A: a\rb"`),

	// The length.
	refused("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", `bad Content-Length "+3"`),
	refused("a length below zero", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", `bad Content-Length "-3"`),
	refused("a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: three\r\n\r\nabc", `bad Content-Length "three"`),
	refused("a length in hexadecimal", "HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc", `bad Content-Length "0x3"`),
	refused("a length beyond any number", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
		`bad Content-Length "99999999999999999999"`),
	refused("an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nabc", `invalid empty Content-Length ""`),
	refused("two lengths in one field", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", `bad Content-Length "3, 3"`),
	refused("two lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
		`http: message cannot contain multiple Content-Length headers; got ["3" "4"]`),
	refused("a bad length beside the chunked coding",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", `bad Content-Length "x"`),
	refused("a bad length in 204", "HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n", `bad Content-Length "x"`),
	accepted("a length with leading zeros", "HTTP/1.1 200 OK\r\nContent-Length: 003\r\n\r\nabc", kept(200, "abc")),

	// The coding.
	refused("an unknown transfer coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\n",
		`unsupported transfer encoding: "rot13"`),
	refused("the identity coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
		`unsupported transfer encoding: "identity"`),
	refused("two codings in one field", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		`unsupported transfer encoding: "gzip, chunked"`),
	refused("the chunked coding twice in one field", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		`unsupported transfer encoding: "chunked, chunked"`),
	refused("the chunked coding in two fields",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		`too many transfer encodings: ["chunked" "chunked"]`),
	refused("an empty coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nabc", `unsupported transfer encoding: ""`),
	refused("a coding hidden by a control character", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		`malformed MIME header line: "Transfer-Encoding: \vchunked"`),

	// The connection.
	{
		name:   "garbage ends a connection used before, and is not tried again",
		warm:   1,
		server: answer("garbage\r\n\r\n"),
		want:   fails(`malformed HTTP response "garbage"`),
	},
	{
		name:   "half a header on a connection used before is not tried again",
		warm:   1,
		server: answerAndFinish("HTTP/1.1 200 OK\r\nX-"),
		want:   fails(`malformed MIME header: missing colon: "X-"`),
	},
	{
		name:   "garbage in answer to a POST",
		method: "POST", body: sized("hello"),
		server: answer("garbage\r\n\r\n"),
		want:   fails(`malformed HTTP response "garbage"`).uploading("closed once"),
	},
	{
		name:   "garbage while the server keeps the connection open",
		server: answer("garbage\r\n\r\n").then(hearEnd),
		want:   fails(`malformed HTTP response "garbage"`),
	},
}
