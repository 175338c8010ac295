package client

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/ttlpool/ttlpool/bench/internal/server"
)

// The raw socket is the floor: the bytes of a request, written at once, and as
// many bytes read as its answer is known to have. Nothing is parsed.

func rawCan(j Job) bool {
	return j.Protocol != HTTP2 && j.Path != server.Gzip && !j.Cancellable && !j.Traced && !j.Fresh
}

type rawWorker struct {
	conns   []net.Conn // one for each host
	next    int
	request []byte
	buf     []byte
	job     Job
}

func startRaw(j Job, a server.Addresses) ([]Worker, func(), error) {
	var all []net.Conn
	stop := func() {
		for _, c := range all {
			_ = c.Close()
		}
	}
	workers := make([]Worker, j.Workers)
	for i := range workers {
		w := &rawWorker{request: rawRequest(j, j.Address(a)), buf: make([]byte, readSize), job: j}
		for range hostNames(j, "", i) { // a host is a connection of its own, no more
			c, err := dialRaw(j, a)
			if err != nil {
				stop()
				return nil, nil, err
			}
			w.conns, all = append(w.conns, c), append(all, c)
		}
		workers[i] = w
	}
	return workers, stop, nil
}

func dialRaw(j Job, a server.Addresses) (net.Conn, error) {
	c, err := net.Dial("tcp", j.Address(a))
	if err != nil || j.Protocol == HTTP1 {
		return c, err
	}
	return tls.Client(c, insecure()), nil
}

// insecure trusts every server: the certificates of these are made at random.
func insecure() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
}

// rawRequest is a request such as net/http writes it.
func rawRequest(j Job, host string) []byte {
	method, length, body := "GET", "", ""
	switch {
	case j.Unsized:
		method, length = "POST", "Transfer-Encoding: chunked\r\n"
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", j.Body, strings.Repeat("x", j.Body))
	case j.Body > 0:
		method, length = "POST", fmt.Sprintf("Content-Length: %d\r\n", j.Body)
		body = strings.Repeat("x", j.Body)
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\n%sAccept-Encoding: gzip\r\n\r\n%s",
		method, j.Path, host, length, body)
}

func (w *rawWorker) Exchange() error {
	c := w.conns[w.next]
	w.next = (w.next + 1) % len(w.conns)
	if _, err := c.Write(w.request); err != nil {
		return err
	}
	want := server.Find(w.job.Path).Len()
	for got := 0; got < want; {
		n, err := c.Read(w.buf)
		if err != nil {
			return err
		}
		if got += n; got > want {
			return shortAnswer(w.job.Path, got, want)
		}
	}
	return nil
}

// HoldRaw opens so many connections, uses each once, and keeps nothing but
// them.
func HoldRaw(j Job, a server.Addresses, connections int) (release func(), err error) {
	conns := make([]net.Conn, 0, connections)
	release = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	w := &rawWorker{request: rawRequest(j, j.Address(a)), buf: make([]byte, readSize), job: j}
	for range connections {
		c, err := dialRaw(j, a)
		if err != nil {
			release()
			return nil, err
		}
		conns = append(conns, c)
		w.conns, w.next = []net.Conn{c}, 0
		if err := w.Exchange(); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}
