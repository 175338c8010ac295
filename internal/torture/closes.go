package torture

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Closes is when a server was seen to close idle connections, counted from its
// answer.
type Closes struct{ First, Last time.Duration }

// watch holds some idle connections until the server closes them.
func (t target) watch(connections int) (Closes, error) {
	var all sync.WaitGroup
	after := make([]time.Duration, connections)
	errs := make([]error, connections)
	for i := range connections {
		all.Go(func() {
			time.Sleep(t.timeout * time.Duration(i) / time.Duration(connections)) // not all at one moment
			after[i], errs[i] = t.watchOne()
		})
	}
	all.Wait()
	return Closes{slices.Min(after), slices.Max(after)}, errors.Join(errs...)
}

func (t target) watchOne() (time.Duration, error) {
	conn, err := t.dial()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(4*t.timeout + 20*time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0, err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, err
	}
	if err := resp.Body.Close(); err != nil {
		return 0, err
	}
	answered := time.Now()
	_, err = in.ReadByte()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		return 0, fmt.Errorf("an idle connection was not closed: %w", err)
	}
	return time.Since(answered), nil
}

func (t target) dial() (net.Conn, error) {
	if t.secure == nil {
		return net.Dial("tcp", t.address)
	}
	return tls.Dial("tcp", t.address, t.secure)
}
