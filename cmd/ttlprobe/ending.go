package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// how a connection ended.
type how string

const (
	stillOpen how = "open"
	byFIN     how = "FIN"
	byReset   how = "RST"
	byNotify  how = "TLS close_notify"
	byGoAway  how = "GOAWAY"
)

// ending is when and how a connection ended.
type ending struct {
	at   time.Time
	how  how
	said string // the first line of what the server said unasked
	err  error  // what was none of these
}

// endingOf makes out what an error of Read means.
func endingOf(ctx context.Context, err error, secure bool, said []byte) ending {
	e := ending{at: time.Now()}
	line, _, _ := bytes.Cut(said, []byte("\n"))
	e.said = strings.TrimSpace(string(line[:min(len(line), 80)]))
	var alert tls.AlertError
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		e.how = byReset
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		e.how = stillOpen
	case secure && errors.Is(err, io.EOF), errors.As(err, &alert):
		e.how = byNotify
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.how = byFIN
	default:
		e.how, e.err = byFIN, err
	}
	return e
}

// ear is a socket that tells when its reader has met the end.
type ear struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
	err   error // read after ended is closed
}

func newEar(socket net.Conn) *ear { return &ear{Conn: socket, ended: make(chan struct{})} }

func (e *ear) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		e.once.Do(func() {
			e.err = err
			close(e.ended)
		})
	}
	return n, err
}
