package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fileRequest is a request whose body is a file with the given text.
func fileRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	name := filepath.Join(t.TempDir(), "body")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	req := newRequest(t, "PUT", f)
	req.ContentLength = int64(len(text))
	return req
}

// A file goes to the connection past the body's Read, which is where other bodies
// wait.
func TestAFileWaitsForPermissionToo(t *testing.T) {
	for _, row := range []struct {
		name, answer string
		sent         bool
	}{
		{"100", "HTTP/1.1 100 Continue\r\n\r\n" + ok5, true},
		{"a refusal", "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newScripted("", nil)
				x, _ := newExchange(&fileConn{scripted: c})
				req := fileRequest(t, "the text of the file")
				req.Header.Set("Expect", "100-continue")
				done := make(chan error, 1)
				go func() {
					resp, err := x.Do(req)
					if err == nil {
						readToEndAndClose(resp)
					}
					done <- err
				}()
				synctest.Wait()
				assert.NotContains(t, c.sentText(), "the text", "before the server has said anything")
				c.say(row.answer)
				require.NoError(t, <-done)
				synctest.Wait()
				if row.sent {
					assert.Contains(t, c.sentText(), "the text of the file")
				} else {
					assert.NotContains(t, c.sentText(), "the text")
				}
			})
		})
	}
}

// The connection's deadline does not end a read of a pipe.
func TestAPipeThatSaysNothingDoesNotHoldACancellationBack(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	client, server := tcpPair(t)
	go func() { _, _ = io.Copy(io.Discard, server) }()
	x, _ := newExchange(client)
	ctx, cancel := context.WithCancelCause(t.Context())
	req := newRequest(t, "PUT", r).WithContext(ctx)
	req.ContentLength = 100
	done := make(chan error, 1)
	go func() {
		_, err := x.Do(req)
		done <- err
	}()
	enough := errors.New("enough")
	_, err = w.WriteString("a beginning")
	require.NoError(t, err)
	cancel(enough)
	select {
	case err := <-done:
		assert.ErrorIs(t, err, enough)
	case <-time.After(10 * time.Second):
		assert.Fail(t, "the exchange outlives its cancellation")
	}
	_ = w.Close()
}

// tcpPair returns the two ends of a connection over the loopback interface.
func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}
