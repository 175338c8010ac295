package contract

import (
	"context"
	"net"
	"strings"
	"time"
)

// shortly is a deadline that passes while the script waits for the end.
const shortly = 300 * time.Millisecond

// huge is more than the buffers between two sockets hold.
var huge = strings.Repeat("0123456789abcdef", 1<<19)

const tenBytesToCome = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

// cancelledInDial is a request that the caller gives up while this dialer is at work.
func cancelledInDial(name string, dial dialer) exchange {
	return exchange{name: name, method: "POST", body: stream("hello"), dial: dial, modes: []mode{plain}, noProbe: true,
		want: fails(canceled).uploading("closed once").onConnections(0)}
}

var cancellations = []exchange{
	// Before anything is sent.
	{
		name:   "a context that has ended sends nothing",
		method: "POST", body: stream("hello"), before: func(s *stage) { s.cancel(nil) },
		want: fails(canceled).uploading("closed once").onConnections(0),
	},
	{
		name:   "a context that has ended for a reason sends nothing and gives the reason",
		method: "POST", body: stream("hello"), before: func(s *stage) { s.cancel(errCause) },
		want: fails(cause).uploading("closed once").onConnections(0),
	},
	{
		name:   "a deadline that has passed sends nothing",
		method: "POST", body: stream("hello"), deadline: time.Nanosecond,
		want: fails(deadline).uploading("closed once").onConnections(0),
	},
	{
		name: "a context that has ended leaves an idle connection alone",
		warm: 1, before: func(s *stage) { s.cancel(nil) },
		want: want{err: canceled, reused: true}.onConnections(0),
	},

	// While the connection is made.
	cancelledInDial("a caller who cancels a dial that heeds it",
		func(ctx context.Context, s *stage, _ func() (net.Conn, error)) (net.Conn, error) {
			s.cancel(nil)
			<-ctx.Done()
			return nil, ctx.Err()
		}),
	cancelledInDial("a caller who cancels a dial that does not heed it",
		func(_ context.Context, s *stage, dial func() (net.Conn, error)) (net.Conn, error) {
			s.cancel(nil)
			if err := s.await(finished); err != nil {
				return nil, err
			}
			return dial()
		}),
	cancelledInDial("a caller who cancels a dial that fails too late",
		func(_ context.Context, s *stage, _ func() (net.Conn, error)) (net.Conn, error) {
			s.cancel(nil)
			if err := s.await(finished); err != nil {
				return nil, err
			}
			return nil, errDial
		}),
	{
		name:  "a caller who cancels during the TLS handshake",
		modes: []mode{overTLS}, method: "POST", body: stream("hello"), noProbe: true,
		server: script{readRaw, cancels(nil), await(finished)},
		want:   fails(canceled).uploading("closed once"),
	},
	{
		name:  "a caller whose deadline passes during the TLS handshake",
		modes: []mode{overTLS}, noProbe: true, deadline: shortly, wire: nothing,
		server: script{readRaw, await(finished)},
		want:   fails(deadline),
	},

	// While the request is written.
	{
		name:   "a caller who cancels an upload that the server does not take",
		method: "POST", body: sized(huge), wire: headOnly,
		server: script{readHead, cancels(nil), await(finished)},
		want:   fails(canceled).uploading("closed once"),
	},
	{
		name:   "a caller who cancels an upload from memory that the server does not take",
		method: "POST", body: memory(huge), wire: headOnly,
		server: script{readHead, cancels(nil), await(finished)},
		want:   fails(canceled),
	},
	{
		name:   "a caller who cancels an upload of unknown length that the server does not take",
		method: "POST", body: stream(huge), wire: headOnly,
		server: script{readHead, cancels(errCause), await(finished)},
		want:   fails(cause).uploading("closed once"),
	},
	{
		name:   "a caller whose deadline passes in an upload that the server does not take",
		method: "POST", body: sized(huge), deadline: shortly, wire: nothing, noProbe: true,
		server: script{readHead, await(finished)},
		want:   fails(deadline).uploading("closed once"),
	},

	// Before the response's header.
	{
		name:   "a caller who cancels before the response",
		server: script{readRequest, cancels(nil), hearEnd},
		want:   fails(canceled),
	},
	{
		name:   "a caller who cancels for a reason before the response",
		server: script{readRequest, cancels(errCause), hearEnd},
		want:   fails(cause),
	},
	{
		name:   "a caller who cancels by channel before the response",
		legacy: true,
		server: script{readRequest, tell(legacy), hearEnd},
		want:   fails(requestCanceled),
	},
	{
		name:     "a caller whose deadline passes before the response",
		deadline: shortly, wire: nothing, noProbe: true,
		server: script{readRequest, hearEnd},
		want:   fails(deadline),
	},
	{
		name:   "a caller who cancels a POST before the response",
		method: "POST", body: stream("hello"),
		server: script{readRequest, cancels(nil), hearEnd},
		want:   fails(canceled).uploading("closed once"),
	},
	{
		name:   "a caller who cancels within the response's header",
		server: script{readRequest, send("HTTP/1.1 200 OK\r\nX-"), cancels(nil), hearEnd},
		want:   fails(canceled),
	},
	{
		name: "a caller who cancels on a connection used before is not served again",
		warm: 1, server: script{readRequest, cancels(nil), hearEnd},
		want: fails(canceled).onConnections(1),
	},
	{
		name:  "a caller who cancels on a connection that cannot be interrupted",
		modes: []mode{plain}, dial: deafly, noProbe: true,
		server: script{readRequest, cancels(nil), await(finished)},
		want:   fails(canceled),
	},
	{
		name:  "a caller whose deadline passes on a connection that cannot be interrupted",
		modes: []mode{plain}, dial: deafly, noProbe: true, deadline: shortly, wire: nothing,
		server: script{readRequest, await(finished)},
		want:   fails(deadline),
	},
	{
		name:  "the header timeout on a connection that cannot be interrupted",
		modes: []mode{plain}, dial: deafly, noProbe: true, base: hurried,
		server: script{readRequest, await(finished)},
		want:   fails(headerTimeout),
	},

	// Within the response's body.
	{
		name:   "a caller who cancels within a body with a length",
		server: answer(tenBytesToCome + "hello").then(await(finished)),
		use:    []act{read(5), cancelsItself, readRest},
		want:   broken(200, "hello", canceled),
	},
	{
		name:   "a caller who cancels within a chunked body",
		server: answer(chunked + "5\r\nhello\r\n").then(await(finished)),
		use:    []act{read(5), cancelsItself, readRest},
		want:   broken(200, "hello", canceled),
	},
	{
		name:   "a caller who cancels within a body without a length",
		server: answer("HTTP/1.1 200 OK\r\n\r\nhello").then(await(finished)),
		use:    []act{read(5), cancelsItself, readRest},
		want:   broken(200, "hello", canceled),
	},
	{
		name:   "a caller who cancels within a gzip body",
		server: answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+gz[:5]).then(await(returned), cancels(nil), await(finished)),
		want:   want{status: 200, bodyErr: canceled, unzipped: true},
	},
	{
		name:   "a caller who cancels for a reason while a read waits",
		server: answer(tenBytesToCome+"hello").then(await("hello is read"), cancels(errCause), await(finished)),
		use:    []act{read(5), tells("hello is read"), readRest},
		want:   broken(200, "hello", cause),
	},
	{
		name:   "a caller who cancels by channel while a read waits",
		legacy: true,
		server: answer(tenBytesToCome+"hello").then(await("hello is read"), tell(legacy), await(finished)),
		use:    []act{read(5), tells("hello is read"), readRest},
		want:   broken(200, "hello", requestCanceled),
	},
	{
		name:   "a caller whose deadline passes while a read waits",
		passes: "the deadline",
		server: answer(tenBytesToCome+"hello").then(await("hello is read"), tell("the deadline"), await(finished)),
		use:    []act{read(5), tells("hello is read"), readRest},
		want:   broken(200, "hello", deadline),
	},
	{
		name:   "a caller who cancels and forgets the body",
		server: answer(tenBytesToCome+"hello").then(hearEnd, tell("the end is heard")),
		use:    []act{cancelsItself, awaits("the end is heard")},
		want:   ended(200, ""),
	},
	{
		name:   "a caller who cancels still gets what has come",
		server: answer(tenBytesToCome+"hello").then(hearEnd, tell("the end is heard")),
		use:    []act{cancelsItself, awaits("the end is heard"), readRest},
		want:   broken(200, "hello", canceled),
	},
	{
		name:   "a caller who cancels and closes the body",
		server: answer(tenBytesToCome + "hello").then(await(finished)),
		use:    []act{read(5), cancelsItself, closeBody},
		want:   ended(200, "hello"),
	},

	// After the end.
	{
		name:   "cancelling after the body's end does not hurt the connection",
		server: answer(hello),
		use:    []act{readRest, cancelsItself, closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:   "cancelling after a response without a body does not hurt the connection",
		server: answer("HTTP/1.1 204 No Content\r\n\r\n"),
		use:    []act{cancelsItself, closeBody},
		want:   kept(204, ""),
	},
	{
		name:   "cancelling by channel after the body's end does not hurt the connection",
		legacy: true,
		server: answer(hello),
		use:    []act{readRest, tells(legacy), closeBody},
		want:   kept(200, "hello"),
	},
	{
		name:     "a deadline after the body's end does not hurt the connection",
		deadline: patience,
		server:   answer(hello),
		want:     kept(200, "hello"),
	},
	{
		name:   "cancelling after a POST that was answered does not hurt the connection",
		method: "POST", body: stream("hello"),
		server: answer(hello),
		use:    []act{readRest, cancelsItself, closeBody},
		want:   kept(200, "hello").uploading("closed once"),
	},
}
