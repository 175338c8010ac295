package contract

import "strings"

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

var chunkedBodies = []exchange{
	{
		name:   "a chunked body of one chunk",
		server: answer(chunked + "5\r\nhello\r\n0\r\n\r\n"),
		want:   kept(200, "hello").ofLength(-1),
	},
	{
		name:   "a chunked body of several chunks",
		server: answer(chunked + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
		want:   kept(200, "hello"),
	},
	{
		name:   "an empty chunked body",
		server: answer(chunked + "0\r\n\r\n"),
		want:   kept(200, ""),
	},
	{
		name:   "a chunk larger than any buffer",
		server: answer(chunked + "4e200\r\n" + long + "\r\n0\r\n\r\n"),
		want:   kept(200, long),
	},
	{
		name:   "many small chunks",
		server: answer(chunked + strings.Repeat("1\r\nx\r\n", 1000) + "0\r\n\r\n"),
		want:   kept(200, strings.Repeat("x", 1000)),
	},
	{
		name:   "a chunk size in capitals and with leading zeros",
		server: answer(chunked + "000A\r\n0123456789\r\n0\r\n\r\n"),
		want:   kept(200, "0123456789"),
	},
	{
		name:   "spaces after a chunk size",
		server: answer(chunked + "5  \r\nhello\r\n0\r\n\r\n"),
		want:   kept(200, "hello"),
	},
	{
		name:   "chunk extensions are skipped",
		server: answer(chunked + "5;name=value;quoted=\"a;b\"\r\nhello\r\n0;last\r\n\r\n"),
		want:   kept(200, "hello"),
	},
	{
		name:   "chunk size lines that end in a bare LF",
		server: answerAndFinish(chunked + "5\nhello\r\n0\n\r\n"),
		want:   broken(200, "", "chunked line ends with bare LF"),
	},
	{
		name:   "chunk data that ends in a bare LF",
		server: answerAndFinish(chunked + "5\r\nhello\n0\r\n\r\n"),
		want:   broken(200, "hello", "malformed chunked encoding"),
	},
	{
		name:   "the coding's name in another case",
		server: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
		want:   kept(200, "hello"),
	},
	{
		name:   "chunks are handed on as they come",
		server: answer(chunked+"3\r\nhel\r\n").then(await("hel is read"), send("2\r\nlo\r\n0\r\n\r\n")),
		use:    []act{read(3), tells("hel is read"), readRest, closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:   "half a chunk is handed on as it comes",
		server: answer(chunked+"5\r\nhel").then(await("hel is read"), send("lo\r\n0\r\n\r\n")),
		use:    []act{read(3), tells("hel is read"), readRest, closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:   "a last chunk that comes late",
		server: answer(chunked+"5\r\nhello\r\n").then(await("hello is read"), send("0\r\n\r\n")),
		use:    []act{read(5), tells("hello is read"), readRest, closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:   "a chunked body may come byte by byte",
		server: script{readRequest, sendByteByByte(chunked + "5\r\nhello\r\n0\r\n\r\n")},
		want:   kept(200, "hello"),
	},
	{
		name:   "a chunked body closed before its last chunk has come ends the connection",
		server: answer(chunked + "5\r\nhello\r\n"),
		use:    []act{read(5), closeBody},
		want:   ended(200, "hello"),
	},
	{
		name:   "a chunked body closed unread ends the connection",
		server: answer(chunked + "5\r\nhello\r\n0\r\n\r\n"),
		use:    []act{closeBody},
		want:   ended(200, ""),
	},
	{
		name:   "a chunked body read to its end need not be closed",
		server: answer(chunked + "5\r\nhello\r\n0\r\n\r\n"),
		use:    []act{readRest},
		want:   kept(200, "hello"),
	},
	{
		name:   "a chunked body then a close",
		server: answerAndFinish(chunked + "5\r\nhello\r\n0\r\n\r\n"),
		want:   ended(200, "hello"),
	},
	{
		name:   "bytes after the last chunk spoil the connection",
		server: answer(chunked + "5\r\nhello\r\n0\r\n\r\n!"),
		want:   ended(200, "hello"),
	},
	{
		name:   "a length beside the chunked coding is dropped",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
		want:   kept(200, "hello").with(map[string]string{"Content-Length": ""}).ofLength(-1),
	},
	{
		name:   "a chunked body cut off inside a chunk",
		server: answerAndFinish(chunked + "5\r\nhel"),
		want:   broken(200, "hel", unexpectedEOF),
	},
	{
		name:   "a chunked body cut off between chunks",
		server: answerAndFinish(chunked + "5\r\nhello\r\n"),
		want:   broken(200, "hello", unexpectedEOF),
	},
	{
		name:   "a chunked body cut off inside a chunk size",
		server: answerAndFinish(chunked + "5\r\nhello\r\n1"),
		want:   broken(200, "hello", unexpectedEOF),
	},
	{
		name:   "a chunked body cut off after its last chunk, before the final line",
		server: answerAndFinish(chunked + "5\r\nhello\r\n0\r\n"),
		want:   broken(200, "hello", "http: unexpected EOF reading trailer"),
	},
	{
		name:   "a chunked body cut off by a reset",
		server: answer(chunked+"5\r\nhel").then(await("hel is read"), resets),
		use:    []act{read(3), tells("hel is read"), readRest},
		want:   broken(200, "hel", reset),
	},
	{
		name:   "a chunk size that is no number",
		server: answerAndFinish(chunked + "xyz\r\nhello\r\n0\r\n\r\n"),
		want:   broken(200, "", "invalid byte in chunk length"),
	},
	{
		name:   "a chunk size with a sign",
		server: answerAndFinish(chunked + "-5\r\nhello\r\n0\r\n\r\n"),
		want:   broken(200, "", "invalid byte in chunk length"),
	},
	{
		name:   "a chunk size with a hexadecimal prefix",
		server: answerAndFinish(chunked + "0x5\r\nhello\r\n0\r\n\r\n"),
		want:   broken(200, "", "invalid byte in chunk length"),
	},
	{
		name:   "an empty chunk size",
		server: answerAndFinish(chunked + "\r\nhello\r\n0\r\n\r\n"),
		want:   broken(200, "", "empty hex number for chunk length"),
	},
	{
		name:   "a chunk size of too many digits",
		server: answerAndFinish(chunked + "10000000000000005\r\nhello\r\n0\r\n\r\n"),
		want:   broken(200, "", "http chunk length too large"),
	},
	{
		name:   "a chunk longer than its size",
		server: answerAndFinish(chunked + "3\r\nhello\r\n0\r\n\r\n"),
		want:   broken(200, "hel", "malformed chunked encoding"),
	},
	{
		name:   "a chunk size line without an end",
		server: answerAndFinish(chunked + "5;" + strings.Repeat("x", 10_000)),
		want:   broken(200, "", "header line too long"),
	},
	{
		name:   "chunks that are nearly all extension",
		server: answerAndFinish(chunked + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\ny\r\n", 30) + "0\r\n\r\n"),
		want:   broken(200, strings.Repeat("y", 16), "chunked encoding contains too much non-data"),
	},
}
