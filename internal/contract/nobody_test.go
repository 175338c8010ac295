package contract

var noBodies = []exchange{
	{
		name:   "HEAD keeps the length it would have had",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		want:   kept(200, "").ofLength(5),
	},
	{
		name:   "HEAD of a chunked response",
		method: "HEAD",
		server: answer(chunked),
		want:   kept(200, "").ofLength(-1),
	},
	{
		name:   "HEAD without a length",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\n\r\n"),
		want:   kept(200, "").ofLength(-1),
	},
	{
		name:   "HEAD of nothing",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(200, "").ofLength(0),
	},
	{
		name:   "HEAD then the caller closes without reading",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		use:    []act{closeBody},
		want:   kept(200, ""),
	},
	{
		name:   "HEAD then the caller does nothing",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
		use:    []act{},
		want:   kept(200, ""),
	},
	{
		name:   "HEAD of an error",
		method: "HEAD",
		server: answer("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n"),
		want:   kept(404, "").ofLength(9),
	},
	{
		name:   "HEAD with Connection: close",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"),
		want:   ended(200, "").ofLength(5),
	},
	{
		name:   "HEAD answered with a body spoils the connection",
		method: "HEAD",
		server: answer(hello),
		want:   ended(200, "").ofLength(5),
	},
	{
		name:   "HEAD answered with chunks spoils the connection",
		method: "HEAD",
		server: answer(chunked + "5\r\nhello\r\n0\r\n\r\n"),
		want:   ended(200, ""),
	},
	{
		name:   "HEAD with two lengths that agree",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
		want:   kept(200, "").ofLength(5),
	},
	{
		name:   "HEAD with a length that is none",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n"),
		want:   fails(`bad Content-Length "five"`),
	},
	{
		name:   "HEAD with a length and the chunked coding",
		method: "HEAD",
		server: answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
		want:   kept(200, ""),
	},
	{
		name:   "HEAD in HTTP/1.0",
		method: "HEAD",
		server: answer("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"),
		want:   ended(200, "").ofLength(5),
	},
	{
		name:   "HEAD in HTTP/1.0 with keep-alive",
		method: "HEAD",
		server: answer("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"),
		want:   kept(200, "").ofLength(5),
	},
	{
		name:   "204",
		server: answer("HTTP/1.1 204 No Content\r\n\r\n"),
		want:   kept(204, "").ofLength(0),
	},
	{
		name:   "204 with a length has no body",
		server: answer("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
		want:   kept(204, "").ofLength(0).with(map[string]string{"Content-Length": "5"}),
	},
	{
		name:   "204 with a coding has no body",
		server: answer("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
		want:   kept(204, ""),
	},
	{
		name:   "204 with a body spoils the connection",
		server: answer("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(204, ""),
	},
	{
		name:   "204 with chunks spoils the connection",
		server: answer("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		want:   ended(204, ""),
	},
	{
		name:   "204 with Connection: close",
		server: answer("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
		want:   ended(204, ""),
	},
	{
		name:   "204 in HTTP/1.0",
		server: answer("HTTP/1.0 204 No Content\r\n\r\n"),
		want:   ended(204, ""),
	},
	{
		name:   "204 in HTTP/1.0 with keep-alive",
		server: answer("HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n"),
		want:   kept(204, ""),
	},
	{
		name:   "204 to DELETE",
		method: "DELETE",
		server: answer("HTTP/1.1 204 No Content\r\n\r\n"),
		want:   kept(204, ""),
	},
	{
		name:   "204 to a POST with a body",
		method: "POST", body: sized("hello"),
		server: answer("HTTP/1.1 204 No Content\r\n\r\n"),
		want:   kept(204, "").uploading("closed once"),
	},
	{
		name:   "304",
		server: answer("HTTP/1.1 304 Not Modified\r\n\r\n"),
		want:   kept(304, "").ofLength(0),
	},
	{
		name:   "304 with the length of what was not sent",
		server: answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: \"x\"\r\n\r\n"),
		want:   kept(304, "").ofLength(0).with(map[string]string{"Content-Length": "5", "Etag": `"x"`}),
	},
	{
		name:   "304 with a coding has no body",
		server: answer("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
		want:   kept(304, ""),
	},
	{
		name:   "304 with a body spoils the connection",
		server: answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
		want:   ended(304, ""),
	},
	{
		name:   "205 may state an empty body",
		server: answer("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
		want:   kept(205, ""),
	},
	{
		name:   "205 without a length has a body that ends with the connection",
		server: answerAndFinish("HTTP/1.1 205 Reset Content\r\n\r\n"),
		want:   ended(205, "").ofLength(-1),
	},
}
