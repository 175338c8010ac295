package contract

const (
	tooLarge        = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
	tooLargeForGood = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
)

var early = []exchange{
	{
		name:   "a response during the upload returns at once, and both go on",
		method: "POST", body: stream("one", moment(returned), "two"),
		server: script{readHead, send(chunked + "3\r\nhel\r\n"), readBody, send("2\r\nlo\r\n0\r\n\r\n")},
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "request and response take turns",
		method: "POST", body: stream("one", moment("1 is read"), "two", moment("2 is read"), "three"),
		server: script{
			readHead, hear("3\r\none\r\n"), send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1"),
			hear("3\r\ntwo\r\n"), send("2"), hear("5\r\nthree\r\n0\r\n\r\n"), send("3")},
		use:  []act{read(1), tells("1 is read"), read(1), tells("2 is read"), readRest, closeBody},
		want: kept(200, "123").uploading("closed once"),
	},
	{
		name:   "request and response take turns where the length is known",
		method: "POST", body: sized("one", moment("1 is read"), "two", moment("2 is read"), "three"),
		server: script{
			readHead, hear("one"), send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1"),
			hear("two"), send("2"), hear("three"), send("3")},
		use:   []act{read(1), tells("1 is read"), read(1), tells("2 is read"), readRest, closeBody},
		modes: []mode{plain},
		want:  kept(200, "123").uploading("closed once"),
	},
	{
		name:   "a response read to its end while the upload goes on spoils the connection",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send(tooLarge)},
		want:   ended(413, "no").uploading("closed once"),
	},
	{
		name:   "a response that ends the connection while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send(tooLargeForGood)},
		want:   ended(413, "no").uploading("closed once"),
	},
	{
		name:   "a response that ends the connection while a body of known length goes on",
		method: "POST", body: sized("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send(tooLargeForGood)},
		want:   ended(413, "no").uploading("closed once"),
	},
	{
		name:   "a server that answers and ends its side while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send(tooLargeForGood), finishes, hearEnd},
		want:   ended(413, "no").uploading("closed once"),
	},
	{
		name:   "a response without a body while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send("HTTP/1.1 204 No Content\r\n\r\n")},
		want:   ended(204, "").uploading("closed once"),
	},
	{
		name:   "a response that ends with the connection while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send("HTTP/1.1 200 OK\r\n\r\nhello"), finishes, hearEnd},
		want:   ended(200, "hello").uploading("closed once"),
	},
	{
		name:   "a response in HTTP/1.0 while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"), finishes, hearEnd},
		want:   ended(200, "hello").uploading("closed once"),
	},
	{
		name:   "a response closed unread while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send(hello), hearEnd},
		use:    []act{closeBody},
		want:   ended(200, "").uploading("closed once"),
	},
	{
		name:   "a response truncated while the upload goes on",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), finishes, hearEnd},
		want:   broken(200, "hello", unexpectedEOF).uploading("closed once"),
	},
	{
		name:   "a reset while the upload goes on",
		method: "POST", body: stream("one", moment("the server has reset"), "two"), wire: headOnly,
		server: script{readHead, resets, tell("the server has reset")},
		want:   fails(reset).uploading("closed once"),
	},
	{
		name:   "a caller who cancels while the upload goes on and the response is read",
		method: "POST", body: stream("one", moment(finished), "two"), wire: headOnly,
		server: script{readHead, send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), hearEnd},
		use:    []act{read(5), cancelsItself, readRest},
		want:   broken(200, "hello", canceled).uploading("closed once"),
	},
	{
		name:   "a large upload that the server reads in full before it answers",
		method: "POST", body: sized(long),
		server: answer(hello),
		want:   kept(200, "hello").uploading("closed once"),
	},
	{
		name:   "a large upload of unknown length",
		method: "POST", body: stream(long),
		server: answer(hello),
		want:   kept(200, "hello").uploading("closed once"),
	},
}
