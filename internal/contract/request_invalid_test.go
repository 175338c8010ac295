package contract

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

var (
	errDial  = errors.New("the caller's dialer failed")
	errProxy = errors.New("the caller's proxy function failed")
)

// invalid is a request that reaches no server. Its body is closed all the same.
func invalid(name string, spoil func(*http.Request), err string) exchange {
	return exchange{name: name, method: "POST", body: stream("hello"), request: spoil,
		want: fails(err).uploading("closed once")}
}

// unreachable is a request whose connection cannot be made with these settings.
func unreachable(name string, base func(*http.Transport), err string) exchange {
	return exchange{name: name, method: "POST", body: stream("hello"), base: base, modes: []mode{plain}, noProbe: true,
		want: fails(err).uploading("closed once")}
}

// dialing makes every dial give this.
func dialing(c net.Conn, err error) func(*http.Transport) {
	return func(t *http.Transport) {
		t.DialContext = func(context.Context, string, string) (net.Conn, error) { return c, err }
	}
}

var invalidRequests = []exchange{
	invalid("no URL", func(r *http.Request) { r.URL = nil }, "http: nil Request.URL"),
	invalid("no header", func(r *http.Request) { r.Header = nil }, "http: nil Request.Header"),
	invalid("no host", func(r *http.Request) { r.URL.Host = "" }, "http: no Host in request URL"),
	invalid("no scheme", func(r *http.Request) { r.URL.Scheme = "" }, `unsupported protocol scheme ""`),
	invalid("an unknown scheme", func(r *http.Request) { r.URL.Scheme = "faux" }, `unsupported protocol scheme "faux"`),
	invalid("a scheme in capitals", func(r *http.Request) { r.URL.Scheme = "HTTP" }, `unsupported protocol scheme "HTTP"`),
	invalid("a method that is a space", func(r *http.Request) { r.Method = " " }, `net/http: invalid method " "`),
	invalid("a method of two words", func(r *http.Request) { r.Method = "GET IT" }, `net/http: invalid method "GET IT"`),
	invalid("a method with a line end", func(r *http.Request) { r.Method = "GET\r\n" }, `net/http: invalid method "GET\r\n"`),
	invalid("an empty field name", func(r *http.Request) { r.Header[""] = []string{"a"} },
		`net/http: invalid header field name ""`),
	invalid("a field name with a space", func(r *http.Request) { r.Header["x a"] = []string{"a"} },
		`net/http: invalid header field name "x a"`),
	invalid("a field name with a colon", func(r *http.Request) { r.Header["x:"] = []string{"a"} },
		`net/http: invalid header field name "x:"`),
	invalid("a field value with a line end", func(r *http.Request) { r.Header.Set("Key", "a\r\nb: c") },
		`net/http: invalid header field value for "Key"`),
	invalid("a field value with a NUL", func(r *http.Request) { r.Header.Set("Key", "a\x00") },
		`net/http: invalid header field value for "Key"`),
	invalid("a User-Agent with a line end", func(r *http.Request) { r.Header.Set("User-Agent", "a\nb") },
		`net/http: invalid header field value for "User-Agent"`),
	invalid("a control character in the query", toTarget(func(u *url.URL) { u.RawQuery = "a\r\nb" }),
		"net/http: can't write control character in Request.URL"),
	invalid("a control character in an opaque target", toTarget(func(u *url.URL) { u.Opaque = "/a\x7fb" }),
		"net/http: can't write control character in Request.URL"),
	invalid("a host that is no name", toTarget(func(u *url.URL) { u.Host = "127.0.0.1:99999999" }), dialFailed),
	invalid("a length that may not be announced in a trailer",
		func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} }, `invalid Trailer key "Content-Length"`),

	unreachable("a dialer that fails", dialing(nil, errDial), "the dialer's own error"),
	unreachable("a dialer that gives nothing", dialing(nil, nil), "net/http: Transport.DialContext hook returned (nil, nil)"),
	unreachable("an old dialer that fails", func(t *http.Transport) {
		//lint:ignore SA1019 a base that has it is still honoured
		t.Dial = func(string, string) (net.Conn, error) { return nil, errDial }
	}, "the dialer's own error"),
	unreachable("a proxy function that fails", func(t *http.Transport) {
		t.Proxy = func(*http.Request) (*url.URL, error) { return nil, errProxy }
	}, "the proxy function's own error"),
	unreachable("a server that is not there", func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:1")
		}
	}, dialFailed),
	{
		name:  "a certificate that nobody vouches for",
		modes: []mode{overTLS}, noProbe: true,
		base: func(t *http.Transport) { t.TLSClientConfig = &tls.Config{} },
		want: fails(badCertificate),
	},
	{
		name:  "a TLS handshake that the server does not take part in",
		modes: []mode{overTLS}, noProbe: true,
		base:   func(t *http.Transport) { t.TLSHandshakeTimeout = 40 * time.Millisecond },
		server: script{await(finished)},
		want:   fails(timedOut),
	},
	{
		name:  "a server that closes during the TLS handshake",
		modes: []mode{overTLS}, noProbe: true,
		server: script{readRaw, closes},
		want:   fails(eof),
	},
	{
		name:   "a server that speaks in the clear to TLS",
		method: "POST", body: stream("hello"),
		modes: []mode{plain}, noProbe: true, wire: nothing,
		request: func(r *http.Request) { r.URL.Scheme = "https" },
		server:  script{send("HTTP/1.0 400 Bad Request\r\n\r\n"), hearEnd},
		want:    fails("tls: first record does not look like a TLS handshake, as its own type").uploading("closed once"),
	},
}
