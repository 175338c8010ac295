package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ttlpool/ttlpool/internal/h2"
)

// link is one connection to a server.
type link struct {
	url    *url.URL
	conn   net.Conn // TLS, if the URL wants it
	ear    *ear     // the socket below
	opened time.Time
	in     *bufio.Reader // over HTTP/1.1
	http2  *h2.Conn      // or nil
}

const dialTimeout = 10 * time.Second

// open connects to the URL's server.
func open(ctx context.Context, c *config, u *url.URL) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	l := &link{url: u, ear: newEar(socket), opened: time.Now()}
	l.conn = l.ear
	if u.Scheme == "https" {
		if err := l.secure(ctx, c); err != nil {
			_ = socket.Close()
			return nil, err
		}
	}
	l.in = bufio.NewReader(l.conn)
	return l, nil
}

// secure runs the handshake, and begins to speak HTTP/2 if that is agreed on.
func (l *link) secure(ctx context.Context, c *config) error {
	protocols := []string{h2.Proto, "http/1.1"}
	if c.http1 {
		protocols = protocols[1:]
	}
	secure := tls.Client(l.ear, &tls.Config{
		ServerName: l.url.Hostname(), InsecureSkipVerify: c.insecure, NextProtos: protocols,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	l.conn = secure
	if secure.ConnectionState().NegotiatedProtocol != h2.Proto {
		return nil
	}
	session, err := h2.NewMaker(&http.Transport{}).Make(secure, l.url.Host)
	if err != nil {
		return err
	}
	l.http2 = session
	return nil
}

// mostOfBody is how much of a response is read.
const mostOfBody = 16 << 20

var errBodyTooLong = fmt.Errorf("the response is longer than %d MiB; probe a smaller one", mostOfBody>>20)

// exchange sends a request and reads the response to its end.
func (l *link) exchange(ctx context.Context, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := l.roundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, mostOfBody+1))
	if err == nil && n > mostOfBody {
		err = errBodyTooLong
	}
	return resp, err
}

func (l *link) roundTrip(req *http.Request) (*http.Response, error) {
	if l.http2 != nil {
		return l.http2.RoundTrip(req)
	}
	stop := context.AfterFunc(req.Context(), func() { _ = l.ear.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := req.Write(l.conn); err != nil {
		return nil, err
	}
	for {
		resp, err := http.ReadResponse(l.in, req)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, errors.New("the server closed the connection without an answer")
		case err != nil || resp.StatusCode >= 200:
			return resp, err
		}
	}
}

// hold waits until the server closes the connection, or the context ends.
func (l *link) hold(ctx context.Context) ending {
	if l.http2 != nil {
		return l.hold2(ctx)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.ear.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var said []byte
	p := make([]byte, 512)
	for {
		n, err := l.in.Read(p)
		if len(said) == 0 {
			said = append(said, p[:n]...)
		}
		if err != nil {
			return endingOf(ctx, err, l.conn != net.Conn(l.ear), said)
		}
	}
}

// lookEvery is how late a GOAWAY may be noticed: nothing tells of one by itself
// while no request is running.
const lookEvery = 20 * time.Millisecond

// hold2 is hold for HTTP/2, whose own reader meets the end.
func (l *link) hold2(ctx context.Context) ending {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ending{at: time.Now(), how: stillOpen}
		case <-l.ear.ended: // without a GOAWAY before
			return endingOf(ctx, l.ear.err, false, nil)
		case <-look.C:
			if l.http2.Capacity() == 0 {
				return ending{at: time.Now(), how: byGoAway}
			}
		}
	}
}

func (l *link) close() {
	if l.http2 != nil {
		_ = l.http2.Close()
		return
	}
	_ = l.ear.Close() // a TLS goodbye would wait
}
