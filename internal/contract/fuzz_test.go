package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// question is a request whose answer is fuzzed.
type question struct {
	method string
	header http.Header
	body   *upload
	until  string // what it ends with on the wire
	racing bool   // the body is written while the answer is read: which error comes first is a matter of luck
}

const headEnd = "\r\n\r\n"

var questions = []question{
	{method: "GET", until: headEnd},
	{method: "HEAD", until: headEnd},
	{method: "POST", body: memory("hello"), until: headEnd + "hello"},
	{method: "POST", body: stream("hello"), until: "5\r\nhello\r\n0" + headEnd},
	{method: "POST", header: expectContinue, body: sized("hello"), until: headEnd, racing: true},
	{method: "CONNECT", until: headEnd},
	{method: "GET", header: wantsEcho, until: headEnd},
	{method: "GET", header: fields("Accept-Encoding", "identity"), until: headEnd},
}

// reply is what a caller gets: an error, or a response and how its body ended.
type reply struct {
	err, bodyErr string
	response     string
	body         string
}

// bodyLimit is how much of a body is compared: a few bytes of gzip can be very long.
const bodyLimit = 1 << 20

// ask sends q over connections made by dial, and reads the whole response.
func ask(t *testing.T, open contestant, q question, dial func() (net.Conn, error)) reply {
	st := newStage()
	defer st.stop()
	rt, end, err := open(&http.Transport{
		DialContext:           func(context.Context, string, string) (net.Conn, error) { return dial() },
		ExpectContinueTimeout: 2 * patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	req, err := http.NewRequestWithContext(st.ctx, q.method, "http://fuzz.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if q.header != nil {
		req.Header = q.header.Clone()
	}
	q.body.attach(req, st)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return reply{err: inTime(t, st, err)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	resp.Body.Close()
	return reply{
		bodyErr: inTime(t, st, err),
		body:    string(body),
		response: fmt.Sprintln(resp.Proto, resp.Status, resp.StatusCode, resp.ContentLength, resp.TransferEncoding,
			resp.Uncompressed, resp.Close) + flatten(resp.Header) + "\n\n" + flatten(resp.Trailer),
	}
}

// inTime classifies err, unless it only came because patience had come to its end.
func inTime(t *testing.T, st *stage, err error) string {
	if st.ctx.Err() != nil {
		t.Fatalf("hung, and then: %v", err)
	}
	return classify(err)
}

// FuzzResponse answers with any bytes, over a connection in memory. Both transports must make the same of them.
func FuzzResponse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, answer []byte, which uint8) {
		q := questions[int(which)%len(questions)]
		agree(t, q, func() (net.Conn, error) { return newCanned(answer, q.until), nil })
	})
}

// FuzzResponseOverTCP is the same over sockets, which ttlpool's transport reads in another way.
func FuzzResponseOverTCP(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, answer []byte, which uint8) {
		q := questions[int(which)%len(questions)]
		l, err := listeners.take()
		if err != nil {
			t.Fatal(err)
		}
		defer listeners.give(l)
		var serving sync.WaitGroup
		serving.Go(func() { serveCanned(l, answer, q.until) })
		agree(t, q, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
		_ = l.SetDeadline(time.Now()) // ends the serving
		serving.Wait()
	})
}

// serveCanned answers every connection's first request and ends its side.
func serveCanned(l net.Listener, answer []byte, until string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if readUntil(c, until) == nil {
			_, _ = c.Write(answer)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			_ = c.(*net.TCPConn).SetLinger(0) // thousands a second: leave no TIME_WAIT behind
		}
		c.Close()
	}
}

func readUntil(r io.Reader, until string) error {
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.HasSuffix(got, []byte(until)) {
		n, err := r.Read(buf)
		if err != nil {
			return err
		}
		got = append(got, buf[:n]...)
	}
	return nil
}

// agree fails unless both transports take what they get on their connections in the same way.
func agree(t *testing.T, q question, dial func() (net.Conn, error)) {
	once := func() func() (net.Conn, error) {
		dialled := false
		return func() (net.Conn, error) {
			if dialled {
				return nil, errors.New("a second connection for one request")
			}
			dialled = true
			return dial()
		}
	}
	theirs, ours := ask(t, reference, q, once()), ask(t, candidate, q, once())
	if q.racing && theirs.err != "" && ours.err != "" {
		return
	}
	if theirs != ours {
		t.Errorf("%s %v\nhttp.Transport: %q\nttlpool:        %q", q.method, q.header, theirs, ours)
	}
}

// seed adds what the servers of the tables say, as an answer to a GET and one other request.
func seed(f *testing.F) {
	for i, answer := range said {
		if len(answer) > 2_000 {
			continue
		}
		f.Add([]byte(answer), uint8(0))
		f.Add([]byte(answer), uint8(1+i%(len(questions)-1)))
	}
}
