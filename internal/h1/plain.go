package h1

import (
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// writePlain writes a plain request as the codec would, byte for byte, and
// reports whether it has: anything out of the ordinary is left to the codec.
// Plain is what most requests are, and the codec's formatting costs them more
// than everything else that is done here.
func (x *Exchange) writePlain(w *writer) bool {
	body, ok := x.plainBody()
	if !ok {
		return false
	}
	host, target, ok := x.plainHead()
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
	if body != nil {
		_, _ = out.WriteString("Content-Length: ")
		_, _ = out.Write(strconv.AppendInt(out.AvailableBuffer(), x.req.ContentLength, 10))
		_, _ = out.WriteString(crlf)
	}
	_ = x.req.Header.WriteSubset(out, notCopied)
	_ = w.writeExtra()
	writeAll(out, crlf)
	if body != nil {
		_, _ = body.WriteTo(out)
	}
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

// plainHead returns what stands in the request line and in Host, if nothing else
// has to be said that is not in the header, and no trace is to be told.
func (x *Exchange) plainHead() (host, target string, ok bool) {
	req := x.req
	if req.Close || req.TransferEncoding != nil || req.Trailer != nil || x.trace != nil || x.ViaProxy {
		return "", "", false
	}
	if host = req.Host; host == "" {
		host = req.URL.Host
	}
	target = req.URL.RequestURI()
	return host, target, plainHost(host) && !strings.ContainsFunc(target, control)
}

// memory is a body that lies in memory: its length is known, and it is copied
// at once.
type memory interface {
	io.WriterTo
	Len() int
}

// plainBody returns the body if it lies in memory and is as long as the request
// says, or nil if there is none and nothing needs to be said of that.
func (x *Exchange) plainBody() (body memory, ok bool) {
	req := x.req
	if req.Body == nil || req.Body == http.NoBody {
		switch req.Method {
		case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
			return nil, req.ContentLength == 0
		}
		return nil, false // some of the others need a Content-Length
	}
	if x.body != nil || req.ContentLength <= 0 || req.Method == http.MethodConnect {
		return nil, false
	}
	body, ok = unwrapped(req.Body).(memory)
	return body, ok && int64(body.Len()) == req.ContentLength
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
