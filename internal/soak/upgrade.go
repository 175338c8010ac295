package main

import (
	"errors"
	"io"
	"net/http"
)

// echo is the protocol that connections are upgraded to: the server sends back as
// many bytes as it was told of, and closes.
const echo = "echo"

// sendBack speaks it.
func sendBack(w http.ResponseWriter, size int) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", echo)
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.CopyN(conn, in, int64(size)) // the client sees how far it came
}

// converse sends a pattern over an upgraded connection, and reads it back.
func (k *kind) converse(body io.ReadCloser, id string, size int) error {
	conn, ok := body.(io.ReadWriteCloser)
	if !ok {
		return errors.New("an upgraded connection cannot be written to")
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, newPattern(id, size))
		sent <- err
	}()
	err := k.compare(conn, newPattern(id, size))
	_ = conn.Close() // ends a write that is stuck
	return errors.Join(err, <-sent)
}
