package contract

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// An exchange is one request of a caller, what the server does about it, and what the caller does with the response.
type exchange struct {
	name  string
	modes []mode                // where it makes sense; nil is everywhere
	base  func(*http.Transport) // settings of both transports
	warm  int                   // connections that have answered a request before and are idle

	method   string // empty is GET
	target   string // path and query; empty is /
	header   http.Header
	body     *upload
	request  func(*http.Request) // the last word on the request
	after    moment              // the request is only sent after this
	before   func(*stage)        // right before it is sent
	dial     dialer              // makes the connections of both transports
	deadline time.Duration       // of the request's context
	passes   moment              // when the context's deadline passes, instead
	legacy   bool                // the request has a Cancel channel, closed by that moment
	trace    func(*call) *httptrace.ClientTrace

	server script // on the first connection, or on each warmed one
	next   script // on the one dialled after these
	use    []act  // what the caller does with the response; nil reads the body to its end and closes it

	wire    part // how much of what is on the wire is not a matter of luck
	writes  bool // compare also how the request was cut into writes, where the connection can be watched
	noProbe bool // no request can get through with these settings
	want    want
}

// dialer makes a connection; the func it is given is the ordinary way.
type dialer func(context.Context, *stage, func() (net.Conn, error)) (net.Conn, error)

// part is how much of a request can be compared.
type part int

const (
	whole    part = iota
	headOnly      // how much of the body reaches the server depends on who is faster
	nothing
)

// want are the facts that an exchange states for itself. Status, err, body, bodyErr and reused always hold; what is
// empty below them was not stated.
type want struct {
	status  int
	err     string // of RoundTrip, as classify puts it
	body    string
	bodyErr string
	reused  bool

	wire     string // the request, byte by byte, with HOST for the server's address
	upload   string // what became of the request's body
	trailer  string
	notes    []string
	headers  map[string]string // some of the response's fields
	length   *int64
	unzipped bool

	connections *int // that carried a byte of it
}

// kept wants a response whose connection serves the next request.
func kept(status int, body string) want { return want{status: status, body: body, reused: true} }

// ended wants a response whose connection does not.
func ended(status int, body string) want { return want{status: status, body: body} }

// broken wants a response whose body ends in an error.
func broken(status int, body, err string) want {
	return want{status: status, body: body, bodyErr: err}
}

// fails wants no response.
func fails(err string) want { return want{err: err} }

func (w want) sending(wire string) want           { w.wire = wire; return w }
func (w want) uploading(fate string) want         { w.upload = fate; return w }
func (w want) noting(notes ...string) want        { w.notes = notes; return w }
func (w want) trailing(trailer string) want       { w.trailer = trailer; return w }
func (w want) with(fields map[string]string) want { w.headers = fields; return w }
func (w want) ofLength(n int64) want              { w.length = &n; return w }
func (w want) onConnections(n int) want           { w.connections = &n; return w }
func (w want) uncompressed() want                 { w.unzipped = true; return w }

// everywhere are the modes in which x makes sense.
func (x exchange) everywhere() []mode {
	if x.modes != nil {
		return x.modes
	}
	return everyMode
}

// newRequest is the request of x to a server at url.
func (x exchange) newRequest(ctx context.Context, url string, st *stage) (*http.Request, *watch, error) {
	target := x.target
	if target == "" {
		target = "/"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+target, nil)
	if err != nil {
		return nil, nil, err
	}
	if x.method != "" {
		r.Method = x.method
	}
	maps.Copy(r.Header, x.header)
	w := x.body.attach(r, st)
	if x.legacy {
		//lint:ignore SA1019 callers still use it, http.Client among them
		r.Cancel = st.reached(legacy)
	}
	if x.request != nil {
		x.request(r)
	}
	return r, w, nil
}

// fields makes a header of names and values in turn.
func fields(namesAndValues ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		h.Add(namesAndValues[i], namesAndValues[i+1])
	}
	return h
}

// lines joins lines as HTTP ends them, all but the last.
func lines(all ...string) string { return strings.Join(all, "\r\n") }
