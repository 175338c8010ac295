package ttlpool_test

import (
	"context"
	"io"
	"net/http/httptrace"
	"net/textproto"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool"
)

// panicsAt are the places where a hook may panic while a request has a body.
var panicsAt = []struct {
	name   string
	second bool // the first try fails
	arm    func(trace *httptrace.ClientTrace, own *ttlpool.Trace, explode func())
}{
	{"before there is a connection", false, func(trace *httptrace.ClientTrace, _ *ttlpool.Trace, explode func()) {
		trace.GetConn = func(string) { explode() }
	}},
	{"before the first try", false, func(trace *httptrace.ClientTrace, _ *ttlpool.Trace, explode func()) {
		trace.GotConn = func(httptrace.GotConnInfo) { explode() }
	}},
	{"at a response", false, func(trace *httptrace.ClientTrace, _ *ttlpool.Trace, explode func()) {
		trace.GotFirstResponseByte = explode
	}},
	{"at an informational response", false, func(trace *httptrace.ClientTrace, _ *ttlpool.Trace, explode func()) {
		trace.Got1xxResponse = func(int, textproto.MIMEHeader) error { explode(); return nil }
	}},
	{"between the tries", true, func(_ *httptrace.ClientTrace, own *ttlpool.Trace, explode func()) {
		own.Stale = func(context.Context, *ttlpool.ExchangeError) { explode() }
	}},
	{"before the second try", true, func(trace *httptrace.ClientTrace, _ *ttlpool.Trace, explode func()) {
		first := true
		trace.GotConn = func(httptrace.GotConnInfo) {
			if !first {
				explode()
			}
			first = false
		}
	}},
	{"at the response of the second try", true, func(trace *httptrace.ClientTrace, _ *ttlpool.Trace, explode func()) {
		trace.GotFirstResponseByte = explode
	}},
}

func TestABodyIsClosedOnceThoughAHookPanics(t *testing.T) {
	for _, at := range panicsAt {
		for _, kind := range []string{"recorded", "with GetBody", "that waits for 100 Continue"} {
			t.Run(at.name+", a body "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := newMemNet()
					startRaw(t, network.Listen("hub.test:80"), func(c *rawConn) {
						if c.index == 1 {
							c.next()
							c.answer("warm")
						}
						if c.head() == nil || c.index == 1 && at.second {
							return
						}
						c.say("HTTP/1.1 103 Early Hints\r\n\r\n")
						c.answer("fine")
						c.awaitEnd()
					})
					var trace httptrace.ClientTrace
					var own ttlpool.Trace
					const mine = "a panic of my own"
					at.arm(&trace, &own, func() { panic(mine) })
					tr := newTransport(t, over(network), ttlpool.WithTrace(&own))
					get(t, tr, "http://hub.test/")

					var bodies []*closeCounter
					newBody := func() (io.ReadCloser, error) {
						b := &closeCounter{Reader: stream("text")}
						bodies = append(bodies, b)
						return b, nil
					}
					req := newRequest(t, httptrace.WithClientTrace(t.Context(), &trace), "PUT", "http://hub.test/", nil)
					req.Body, _ = newBody()
					req.ContentLength = -1
					switch kind {
					case "with GetBody":
						req.GetBody = newBody
					case "that waits for 100 Continue":
						req.Header.Set("Expect", "100-continue")
					}
					assert.PanicsWithValue(t, mine, func() { _, _ = tr.RoundTrip(req) })
					synctest.Wait()
					for i, b := range bodies {
						assert.Equal(t, 1, b.closes(), "body %d", i+1)
					}
					assert.Zero(t, tr.Stats().InUse)
				})
			})
		}
	}
}
