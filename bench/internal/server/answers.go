package server

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"sync"
)

// Answer is a response that the server holds ready, by path.
type Answer struct {
	Body []byte // as a client that has undone all codings reads it
	wire []byte // with its head, as HTTP/1.1 carries it
}

// Len is how many bytes the response takes in HTTP/1.1.
func (a *Answer) Len() int { return len(a.wire) }

// Paths of the answers.
const (
	Small   = "/small"   // 13 bytes
	KiB64   = "/64KiB"   // 64 KiB of text
	MiB10   = "/10MiB"   // 10 MiB of text
	Chunked = "/chunked" // 4 KiB in chunks of 1 KiB
	Gzip    = "/gzip"    // 64 KiB of text, compressed
)

// answers are all answers there are. Each is made when it is first asked for, so
// that a process does not hold those that it has no use for.
var answers = map[string]func() *Answer{
	Small:   sync.OnceValue(func() *Answer { return whole([]byte("Hello, World!")) }),
	KiB64:   sync.OnceValue(func() *Answer { return whole(text(64 << 10)) }),
	MiB10:   sync.OnceValue(func() *Answer { return whole(text(10 << 20)) }),
	Chunked: sync.OnceValue(func() *Answer { return chunked(text(4<<10), 1<<10) }),
	Gzip:    sync.OnceValue(func() *Answer { return compressed(text(64 << 10)) }),
}

// Find returns the answer at a path, or nil. It must not be changed.
func Find(path string) *Answer {
	if made := answers[path]; made != nil {
		return made()
	}
	return nil
}

// A head such as servers send it, with a date that stands still.
const commonHead = "HTTP/1.1 200 OK\r\n" +
	"Date: Mon, 02 Nov 2026 12:00:00 GMT\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n"

func whole(body []byte) *Answer {
	return answer(body, fmt.Sprintf("Content-Length: %d\r\n", len(body)), body)
}

func chunked(body []byte, size int) *Answer {
	var coded bytes.Buffer
	for rest := body; len(rest) > 0; rest = rest[size:] {
		fmt.Fprintf(&coded, "%x\r\n%s\r\n", size, rest[:size])
	}
	coded.WriteString("0\r\n\r\n")
	return answer(body, "Transfer-Encoding: chunked\r\n", coded.Bytes())
}

func compressed(body []byte) *Answer {
	var coded bytes.Buffer
	w := gzip.NewWriter(&coded)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return answer(body, fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n", coded.Len()), coded.Bytes())
}

func answer(body []byte, head string, coded []byte) *Answer {
	return &Answer{Body: body, wire: append([]byte(commonHead+head+"\r\n"), coded...)}
}

// text makes text that compresses about as well as prose does.
func text(size int) []byte {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d of the connections were idle, %x was not; ", i, uint32(i)*2654435761)
	}
	return []byte(b.String()[:size])
}
