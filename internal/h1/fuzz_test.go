package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// fuzzShape is how FuzzExchange varies what is not the response.
type fuzzShape struct {
	method    string
	body      int // 0: none, 1: in memory, 2: streamed, 3: waits for "100 Continue", 4: fails
	end       error
	piece     int
	stopAfter int // bytes of the response's body after which the caller closes it; <0: never
}

func shapeOf(n uint16) fuzzShape {
	pick := func(of uint16) int {
		defer func() { n /= of }()
		return int(n % of)
	}
	return fuzzShape{
		method:    []string{"GET", "HEAD", "POST", "CONNECT"}[pick(4)],
		body:      pick(5),
		end:       []error{io.EOF, syscall.ECONNRESET, nil}[pick(3)],
		piece:     []int{0, 1, 7}[pick(3)],
		stopAfter: []int{-1, -1, 0, 3}[pick(4)],
	}
}

var errFuzzBody = errors.New("the body fails")

func (s fuzzShape) request(t testing.TB) (*http.Request, *watchedBody) {
	source := &watchedBody{Reader: strings.NewReader("the body of a request")}
	if s.body == 4 {
		source.Reader = iotest.ErrReader(errFuzzBody)
	}
	req := newRequest(t, s.method, nil)
	switch s.body {
	case 0:
		return req, nil
	case 1:
		req = newRequest(t, s.method, source.Reader)
		return req, nil
	case 3:
		req.Header.Set("Expect", "100-continue")
	}
	req.Body, req.ContentLength = source, -1
	return req, source
}

// FuzzExchange feeds any bytes as a response. Within a bubble, a hang is a
// deadlock, which fails the test, and timeouts take no time.
func FuzzExchange(f *testing.F) {
	for i, response := range []string{
		ok5, ok5 + ok5, "",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok5,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
		"HTTP/1.1 101 Switching Protocols\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
		"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 3) + ok5,
	} {
		for variant := range uint16(8) {
			f.Add([]byte(response), uint16(i)*97+variant*181)
		}
	}
	f.Fuzz(func(t *testing.T, response []byte, shape uint16) {
		if len(response) > 64<<10 {
			return
		}
		synctest.Test(t, func(t *testing.T) { fuzzOnce(t, string(response), shapeOf(shape)) })
	})
}

func fuzzOnce(t *testing.T, response string, s fuzzShape) {
	conn := newScripted(response, s.end)
	conn.piece = s.piece
	defer conn.Close() // ends a call that an exchange has left behind
	x, owner := newExchange(conn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	req, source := s.request(t)
	resp, err := x.Do(req.WithContext(ctx))
	if err != nil {
		if resp != nil || len(owner.ends()) > 0 {
			t.Fatalf("failed with %v, but also ended: %v", err, owner.ends())
		}
	} else {
		consume(t, resp, s.stopAfter)
		if ends := owner.ends(); len(ends) != 1 {
			t.Fatalf("ended %v", ends)
		} else if ends[0] == Reusable && conn.interrupted() {
			t.Fatal("left reusable with a deadline set")
		}
	}
	synctest.Wait()
	if source == nil {
		return
	}
	if closes, after := source.counts(); closes != 1 || after != 0 {
		t.Fatalf("request body closed %d times, read %d times after", closes, after)
	}
}

// consume uses a response as a caller would.
func consume(t *testing.T, resp *http.Response, stopAfter int) {
	if resp.Body == nil {
		t.Fatalf("a response without a body: %+v", resp)
	}
	limit := int64(stopAfter)
	if stopAfter < 0 {
		limit = 1 << 20
	}
	if both, ok := resp.Body.(io.Writer); ok {
		_, _ = both.Write([]byte("in another protocol"))
		limit = min(limit, 3)
	}
	patience := time.AfterFunc(2*time.Hour, func() { _ = resp.Body.Close() }) // nothing else ends the other protocol
	_, _ = io.CopyN(io.Discard, resp.Body, limit)
	patience.Stop()
	_ = resp.Body.Close()
	if n, err := resp.Body.Read(make([]byte, 1)); n > 0 && resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("read %d bytes after Close, %v", n, err)
	}
	_ = resp.Body.Close()
}
