package h1

import (
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// writePlainHead writes the head of a plain request as the codec would, byte for
// byte, and reports whether it has: anything out of the ordinary is left to the
// codec. Plain is what most requests are, and the codec's formatting costs them
// more than everything else that is done here.
func (x *Exchange) writePlainHead(w *writer) bool {
	host, target, ok := x.plain()
	if !ok {
		return false
	}
	out := w.buf // its errors stay until it is flushed
	method := x.req.Method
	if method == "" {
		method = http.MethodGet
	}
	writeAll(out, method, " ", target, " HTTP/1.1\r\nHost: ", host, crlf)
	if agent := userAgent(x.req.Header); agent != "" {
		writeAll(out, "User-Agent: ", textproto.TrimString(agent), crlf)
	}
	_ = x.req.Header.WriteSubset(out, notCopied)
	_ = w.writeExtra()
	writeAll(out, crlf)
	return true
}

type stringWriter interface{ WriteString(string) (int, error) }

func writeAll(w stringWriter, parts ...string) {
	for _, part := range parts {
		_, _ = w.WriteString(part)
	}
}

// notCopied are the fields of a request's header that do not count: the request
// says them in other ways.
var notCopied = map[string]bool{
	"Host": true, "User-Agent": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true,
}

// plain returns what stands in the request line and in Host, if the request has
// no body, needs no proxy's form, and is watched by no trace.
func (x *Exchange) plain() (host, target string, ok bool) {
	req := x.req
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
	default:
		return "", "", false // some of the others need a Content-Length though there is no body
	}
	if req.Body != nil && req.Body != http.NoBody || req.ContentLength != 0 || req.Close ||
		req.TransferEncoding != nil || req.Trailer != nil || x.trace != nil || x.ViaProxy {
		return "", "", false
	}
	if host = req.Host; host == "" {
		host = req.URL.Host
	}
	target = req.URL.RequestURI()
	return host, target, plainHost(host) && !strings.ContainsFunc(target, control)
}

// plainHost reports whether a host goes into the Host field as it is: without
// punycode, without an IPv6 zone.
func plainHost(host string) bool {
	return host != "" && httpguts.ValidHostHeader(host) && !strings.ContainsFunc(host, func(r rune) bool {
		return r >= 0x80 || r == '%'
	})
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// userAgent is the client's name for itself; an empty one is not sent.
func userAgent(header http.Header) string {
	if _, stated := header["User-Agent"]; stated {
		return header.Get("User-Agent")
	}
	return "Go-http-client/1.1"
}
