package contract

import (
	"net/http"
	"net/url"
)

const tunnel = "HTTP/1.1 200 Connection established\r\n\r\n"

const connectHead = "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n"

// bare takes the path off, as a request for a tunnel has none.
func bare(r *http.Request) { r.URL.Path = "" }

var connects = []exchange{
	{
		name:   "a tunnel carries bytes both ways",
		method: "CONNECT", request: bare, body: stream("ping", moment("pong is read"), "ping", moment(finished)),
		server: script{readHead, hear("ping"), send(tunnel + "pong"), hear("ping"), send("!"), finishes},
		use:    []act{read(4), tells("pong is read"), readRest, closeBody},
		want:   ended(200, "pong!").sending(connectHead + "pingping").uploading("closed once"),
	},
	{
		name:   "the caller speaks only when the tunnel stands",
		method: "CONNECT", request: bare, body: stream(moment(returned), "ping"),
		server: script{readHead, send(tunnel), hear("ping"), send("pong"), finishes},
		want:   ended(200, "pong").sending(connectHead + "ping").uploading("closed once"),
	},
	{
		name:   "a tunnel without a body only carries the server's bytes",
		method: "CONNECT", request: bare,
		server: script{readHead, send(tunnel + "welcome"), finishes},
		want:   ended(200, "welcome").sending(connectHead),
	},
	{
		name:   "a tunnel of a length whose first words are those of a response, on a connection used before",
		method: "CONNECT", request: bare, warm: 1,
		server: script{readHead, send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + hello), finishes},
		want:   ended(200, ""),
	},
	{
		name:   "a tunnel to the host that the request names",
		method: "CONNECT", request: func(r *http.Request) { bare(r); r.Host = "elsewhere.example:443" },
		server: script{readHead, send(tunnel), finishes},
		want: ended(200, "").sending(lines("CONNECT elsewhere.example:443 HTTP/1.1", "Host: elsewhere.example:443",
			"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "", "")),
	},
	{
		name:   "a tunnel to an opaque target",
		method: "CONNECT",
		request: func(r *http.Request) {
			r.URL = &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Opaque: "elsewhere.example:443"}
		},
		server: script{readHead, send(tunnel), finishes},
		want: ended(200, "").sending(lines("CONNECT elsewhere.example:443 HTTP/1.1", "Host: HOST",
			"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "", "")),
	},
	{
		name:   "a CONNECT with a path sends the path",
		method: "CONNECT", target: "/rpc",
		server: script{readHead, send(tunnel), finishes},
		want: ended(200, "").sending(lines("CONNECT /rpc HTTP/1.1", "Host: HOST",
			"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip", "", "")),
	},
	{
		name:   "a refusal with a body is an ordinary response",
		method: "CONNECT", request: bare,
		server: script{readHead, send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")},
		want:   kept(403, "no"),
	},
	{
		name:   "a refusal in chunks is an ordinary response",
		method: "CONNECT", request: bare,
		server: script{readHead, send("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n")},
		want:   kept(403, "no"),
	},
	{
		name:   "a refusal that asks for credentials",
		method: "CONNECT", request: bare,
		server: script{readHead, send("HTTP/1.1 407 Proxy Authentication Required\r\n" +
			"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")},
		want: kept(407, "").with(map[string]string{"Proxy-Authenticate": "Basic"}),
	},
	{
		name:   "a refusal while the caller has not spoken yet ends the connection",
		method: "CONNECT", request: bare, body: stream(moment(finished), "ping"), wire: headOnly,
		server: script{readHead, send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")},
		want:   ended(403, "no").uploading("closed once"),
	},
	{
		name:   "a tunnel whose body is closed ends",
		method: "CONNECT", request: bare, body: stream("ping", moment("the end is heard")), wire: headOnly,
		server: script{readHead, hear("ping"), send(tunnel), hearEnd, tell("the end is heard")},
		use:    []act{closeBody, awaits("the end is heard")},
		want:   ended(200, ""),
	},
	{
		name:   "a tunnel that the caller cancels ends",
		method: "CONNECT", request: bare, body: stream("ping", moment("the end is heard")), wire: headOnly,
		server: script{readHead, hear("ping"), send(tunnel), hearEnd, tell("the end is heard")},
		use:    []act{cancelsItself, readRest},
		want:   broken(200, "", canceled),
	},
	{
		name:   "a tunnel that the server resets",
		method: "CONNECT", request: bare,
		server: script{readHead, send(tunnel), await(returned), resets},
		want:   broken(200, "", reset),
	},
}
