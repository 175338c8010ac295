package contract

import (
	"crypto/tls"
	"fmt"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
)

// noteEverything notes each event of a request. They come from several goroutines: sorted compares them.
func noteEverything(c *call) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { c.note("GetConn") },
		GotConn: func(i httptrace.GotConnInfo) {
			c.note("GotConn reused %v, was idle %v, has a connection %v", i.Reused, i.WasIdle, i.Conn != nil)
		},
		PutIdleConn:          func(err error) { c.note("PutIdleConn, error %v", err != nil) },
		GotFirstResponseByte: func() { c.note("GotFirstResponseByte") },
		Got100Continue:       func() { c.note("Got100Continue") },
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			c.note("Got1xxResponse %d", code)
			return nil
		},
		ConnectStart:      func(network, _ string) { c.note("ConnectStart %s", network) },
		ConnectDone:       func(network, _ string, err error) { c.note("ConnectDone %s %s", network, classify(err)) },
		TLSHandshakeStart: func() { c.note("TLSHandshakeStart") },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			c.note("TLSHandshakeDone %v %s", s.HandshakeComplete, classify(err))
		},
		WroteHeaderField: func(name string, values []string) {
			if name == "Host" {
				values = []string{"HOST"}
			}
			c.note("WroteHeaderField %s: %s", name, strings.Join(values, " | "))
		},
		WroteHeaders:    func() { c.note("WroteHeaders") },
		Wait100Continue: func() { c.note("Wait100Continue") },
		WroteRequest:    func(i httptrace.WroteRequestInfo) { c.note("WroteRequest %s", classify(i.Err)) },
	}
}

const readThe100 moment = "the 100 is read"

func tellsWhen100IsRead(c *call) *httptrace.ClientTrace {
	t := noteEverything(c)
	t.Got100Continue = func() {
		c.note("Got100Continue")
		c.stage.tell(readThe100)
	}
	return t
}

// sorted puts the notes into an order that does not depend on luck.
func sorted(c *call) error {
	c.noted.Lock()
	defer c.noted.Unlock()
	slices.Sort(c.notes)
	return nil
}

var readAllSorted = []act{readRest, closeBody, sorted}

// events are what every request reports whose connection is kept, and these besides.
func events(more ...string) []string {
	all := append([]string{
		"GetConn", "GotFirstResponseByte", "PutIdleConn, error false", "WroteHeaders", "WroteRequest ",
		"WroteHeaderField Host: HOST", "WroteHeaderField User-Agent: Go-http-client/1.1",
		"WroteHeaderField Accept-Encoding: gzip",
	}, more...)
	slices.Sort(all)
	return all
}

func gotConn(reused bool) string {
	return fmt.Sprintf("GotConn reused %v, was idle %v, has a connection true", reused, reused)
}

// connected are the events of a new connection over TCP.
var connected = []string{gotConn(false), "ConnectStart tcp", "ConnectDone tcp "}

var traces = []exchange{
	{
		name:   "every event of a GET on a new connection",
		trace:  noteEverything,
		modes:  []mode{plain, opaque},
		server: answer(hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(connected...)...),
	},
	{
		name:   "every event of a GET on a new TLS connection",
		trace:  noteEverything,
		modes:  []mode{overTLS},
		server: answer(hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(append(connected, "TLSHandshakeStart", "TLSHandshakeDone true ")...)...),
	},
	{
		name:  "every event of a GET on a connection used before",
		trace: noteEverything,
		warm:  1, server: answer(hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true))...),
	},
	{
		name:  "every event of a GET with fields of its own",
		trace: noteEverything, warm: 1, header: fields("X-A", "1", "X-A", "2"),
		server: answer(hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true), "WroteHeaderField X-A: 1 | 2")...),
	},
	{
		name:  "every event of a POST",
		trace: noteEverything, warm: 1, method: "POST", body: sized("hello"),
		server: answer(hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true), "WroteHeaderField Content-Length: 5")...),
	},
	{
		name:  "every event of a POST in chunks",
		trace: noteEverything, warm: 1, method: "POST", body: stream("hello"),
		server: answer(hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true), "WroteHeaderField Transfer-Encoding: chunked")...),
	},
	{
		name:  "every event of a POST that waits for 100",
		trace: noteEverything, warm: 1, method: "POST", body: sized("hello"), header: expectContinue, base: patient,
		server: script{readHead, send(goAhead), readBody, send(hello)}, use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true), "WroteHeaderField Content-Length: 5",
			"WroteHeaderField Expect: 100-continue", "Wait100Continue", "Got100Continue", "Got1xxResponse 100")...),
	},
	{
		name:  "every event of a POST that is told to go on three times",
		trace: noteEverything, warm: 1, method: "POST", body: sized("hello"), header: expectContinue, base: patient,
		server: script{readHead, send(goAhead + goAhead), readBody, send(goAhead + hello)}, use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true), "WroteHeaderField Content-Length: 5",
			"WroteHeaderField Expect: 100-continue", "Wait100Continue", "Got100Continue",
			"Got1xxResponse 100", "Got1xxResponse 100", "Got1xxResponse 100")...),
	},
	{
		name:  "every event of a POST whose 100 comes before the write of its head returns",
		trace: tellsWhen100IsRead, modes: []mode{plain}, dial: lingersUntil(readThe100),
		method: "POST", body: sized("hello"), header: expectContinue, base: patient,
		server: script{readHead, send(goAhead), readBody, send(hello)}, use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(false), "WroteHeaderField Content-Length: 5",
			"WroteHeaderField Expect: 100-continue", "Wait100Continue", "Got100Continue", "Got1xxResponse 100")...),
	},
	{
		name:  "every event of a response without a body",
		trace: noteEverything, warm: 1,
		server: answer("HTTP/1.1 204 No Content\r\n\r\n"), use: readAllSorted,
		want: kept(204, "").noting(events(gotConn(true))...),
	},
	{
		name:  "every event of a GET with 103",
		trace: noteEverything, warm: 1,
		server: answer(hints + hello), use: readAllSorted,
		want: kept(200, "hello").noting(events(gotConn(true), "Got1xxResponse 103")...),
	},
	{
		name:   "a trace without hooks",
		trace:  func(*call) *httptrace.ClientTrace { return &httptrace.ClientTrace{} },
		server: answer(goAhead + hints + hello),
		want:   kept(200, "hello"),
	},
}
