package contract

import (
	"net/http"
	"net/url"
)

// head is a request as it goes out: its first line, then Host and User-Agent, the given fields, and the coding asked for.
func head(first string, more ...string) string {
	all := append([]string{first, "Host: HOST", "User-Agent: Go-http-client/1.1"}, more...)
	return lines(append(all, "Accept-Encoding: gzip", "", "")...)
}

// sent is a GET of the root, with these fields.
func sent(more ...string) want { return kept(200, "hello").sending(head("GET / HTTP/1.1", more...)) }

// asks is an exchange that is about the request alone.
func asks(name string, change func(*http.Request), w want) exchange {
	return exchange{name: name, request: change, server: answer(hello), want: w}
}

// toTarget asks for another target on the same server.
func toTarget(change func(*url.URL)) func(*http.Request) {
	return func(r *http.Request) { change(r.URL) }
}

// line wants this request line.
func line(target string) want { return kept(200, "hello").sending(head("GET " + target + " HTTP/1.1")) }

// toHost wants this Host field.
func toHost(host string) want {
	return kept(200, "hello").sending(lines(
		"GET / HTTP/1.1", "Host: "+host, "User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "", ""))
}

var requests = []exchange{
	{
		name:   "a GET goes out in one write",
		server: answer(hello), writes: true,
		want: sent(),
	},
	asks("an empty method is GET", func(r *http.Request) { r.Method = "" }, sent()),
	asks("a method of its own", func(r *http.Request) { r.Method = "PROPFIND" },
		kept(200, "hello").sending(head("PROPFIND / HTTP/1.1"))),
	asks("a method in small letters stays so", func(r *http.Request) { r.Method = "get" },
		kept(200, "hello").sending(head("get / HTTP/1.1"))),
	asks("a request that calls itself HTTP/1.0 goes out as HTTP/1.1", func(r *http.Request) {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0
	}, sent()),
	asks("a request without any version", func(r *http.Request) {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "", 0, 0
	}, sent()),

	// The header.
	asks("fields are sorted by name and values keep their order", func(r *http.Request) {
		r.Header = fields("X-B", "2", "X-A", "b", "X-A", "a", "Cookie", "c=d", "Authorization", "Basic eA==")
	}, sent("Authorization: Basic eA==", "Cookie: c=d", "X-A: b", "X-A: a", "X-B: 2")),
	asks("a field's name goes out as it is", func(r *http.Request) {
		r.Header["x-lower"] = []string{"1"}
	}, sent("x-lower: 1")),
	asks("an empty value is sent", func(r *http.Request) { r.Header.Set("X-Empty", "") }, sent("X-Empty: ")),
	asks("a field without values is not sent", func(r *http.Request) { r.Header["X-None"] = nil }, sent()),
	asks("spaces around a value are trimmed", func(r *http.Request) { r.Header.Set("X-A", " \t a b \t ") }, sent("X-A: a b")),
	asks("bytes above ASCII are sent as they are", func(r *http.Request) { r.Header.Set("X-A", "\xc3\xa4\xff") },
		sent("X-A: \xc3\xa4\xff")),
	asks("Host, length, coding and trailer in the header do not count", func(r *http.Request) {
		r.Header = fields("Host", "other.example", "Content-Length", "7", "Transfer-Encoding", "gzip", "Trailer", "X-T")
	}, sent()),
	asks("a Connection field of the caller's is sent", func(r *http.Request) {
		r.Header.Set("Connection", "keep-alive, foo")
	}, sent("Connection: keep-alive, foo")),
	asks("a User-Agent of the caller's takes the place of the default", func(r *http.Request) {
		r.Header.Set("User-Agent", "koji/1.0")
	}, kept(200, "hello").sending(lines(
		"GET / HTTP/1.1", "Host: HOST", "User-Agent: koji/1.0", "Accept-Encoding: gzip", "", ""))),
	asks("of two User-Agents the first is sent", func(r *http.Request) {
		r.Header = fields("User-Agent", "one", "User-Agent", "two")
	}, kept(200, "hello").sending(lines(
		"GET / HTTP/1.1", "Host: HOST", "User-Agent: one", "Accept-Encoding: gzip", "", ""))),
	asks("an empty User-Agent means none", func(r *http.Request) { r.Header.Set("User-Agent", "") },
		kept(200, "hello").sending(lines("GET / HTTP/1.1", "Host: HOST", "Accept-Encoding: gzip", "", ""))),
	asks("a User-Agent without values means none", func(r *http.Request) { r.Header["User-Agent"] = nil },
		kept(200, "hello").sending(lines("GET / HTTP/1.1", "Host: HOST", "Accept-Encoding: gzip", "", ""))),

	// The target.
	asks("an empty path is the root", toTarget(func(u *url.URL) { u.Path = "" }), line("/")),
	asks("a path is escaped", toTarget(func(u *url.URL) { u.Path = "/a b/ä?#" }), line("/a%20b/%C3%A4%3F%23")),
	asks("a path keeps the escapes it was given", toTarget(func(u *url.URL) {
		u.Path, u.RawPath = "/a/b", "/a%2Fb"
	}), line("/a%2Fb")),
	asks("dots in a path stay", toTarget(func(u *url.URL) { u.Path = "/a/../b/./c//d" }), line("/a/../b/./c//d")),
	asks("a query is sent as it is", toTarget(func(u *url.URL) { u.RawQuery = "a=1&b=%20;&a=ä" }), line("/?a=1&b=%20;&a=ä")),
	asks("an empty query can be forced", toTarget(func(u *url.URL) { u.ForceQuery = true }), line("/?")),
	asks("a fragment is not sent", toTarget(func(u *url.URL) { u.Fragment = "part" }), line("/")),
	asks("credentials in the URL are the client's affair", toTarget(func(u *url.URL) {
		u.User = url.UserPassword("me", "secret")
	}), line("/")),
	asks("an opaque target is sent as it is", toTarget(func(u *url.URL) { u.Opaque = "/%2e/opaque" }), line("/%2e/opaque")),
	asks("OPTIONS of the server as a whole", func(r *http.Request) {
		r.Method, r.URL.Path = "OPTIONS", "*"
	}, kept(200, "hello").sending(head("OPTIONS * HTTP/1.1"))),

	// The host.
	asks("a host of the request's own", func(r *http.Request) { r.Host = "hub.example" }, toHost("hub.example")),
	asks("a host with a port", func(r *http.Request) { r.Host = "hub.example:80" }, toHost("hub.example:80")),
	asks("an empty host is the URL's", func(r *http.Request) { r.Host = "" }, toHost("HOST")),
	asks("a host in another alphabet", func(r *http.Request) { r.Host = "bücher.example:8080" },
		toHost("xn--bcher-kva.example:8080")),
	asks("an IPv6 zone is left out", func(r *http.Request) { r.Host = "[fe80::1%25eth0]:80" }, toHost("[fe80::1]:80")),
	asks("a host with a line end is not sent", func(r *http.Request) { r.Host = "a\r\nX-Injected: 1" }, toHost("")),
	asks("a host with a space is not sent", func(r *http.Request) { r.Host = "a b" }, toHost("")),
	asks("a host with a path is not sent", func(r *http.Request) { r.Host = "a/b" }, toHost("")),
}
