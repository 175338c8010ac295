package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ok5 = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// What the caller does with the body of a response.
func readToEnd(r *http.Response) { _, _ = io.ReadAll(r.Body) }
func closeAtOnce(r *http.Response) {
	_ = r.Body.Close()
	_ = r.Body.Close()
}
func readToEndAndClose(r *http.Response) { readToEnd(r); closeAtOnce(r) }
func doNothing(*http.Response)           {}

func TestTheOutcomeIsToldOnce(t *testing.T) {
	for _, row := range []struct {
		name   string
		script string
		method string
		caller func(*http.Response)
		want   Outcome
	}{
		{name: "read to the end", script: ok5, caller: readToEnd, want: Reusable},
		{name: "read to the end and closed", script: ok5, caller: readToEndAndClose, want: Reusable},
		{name: "closed unread", script: ok5, caller: closeAtOnce, want: Unread},
		{name: "no body", script: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", caller: doNothing, want: Reusable},
		{name: "no body, closed", script: "HTTP/1.1 204 No Content\r\n\r\n", caller: closeAtOnce, want: Reusable},
		{name: "HEAD", method: "HEAD", script: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", caller: doNothing, want: Reusable},
		{name: "chunked", script: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", caller: readToEnd, want: Reusable},
		{name: "Connection: close", script: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", caller: readToEnd, want: NotKept},
		{name: "delimited by the close", script: "HTTP/1.1 200 OK\r\n\r\nhello", caller: readToEnd, want: NotKept},
		{name: "HTTP/1.0", script: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", caller: readToEnd, want: NotKept},
		{name: "too short", script: "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", caller: readToEnd, want: Failed},
		{name: "broken chunk", script: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", caller: readToEnd, want: Failed},
		{name: "too long", script: ok5 + "!", caller: readToEnd, want: Stray},
		{name: "two responses", script: ok5 + ok5, caller: readToEnd, want: Stray},
		{name: "a body where none may be", script: "HTTP/1.1 204 No Content\r\n\r\nhello", caller: doNothing, want: Stray},
		{name: "HEAD with a body", method: "HEAD", script: ok5, caller: doNothing, want: Stray},
		{name: "switched protocols", script: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello", caller: closeAtOnce, want: NotKept},
		{name: "101 that switches to nothing", script: "HTTP/1.1 101 Switching Protocols\r\n\r\n", caller: closeAtOnce, want: NotKept},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, owner := newExchange(newScripted(row.script, io.EOF))
			resp, err := x.Do(newRequest(t, row.method, nil))
			require.NoError(t, err)
			row.caller(resp)
			assert.Equal(t, []Outcome{row.want}, owner.ends())
			assert.Nil(t, x.in, "an ended exchange holds no buffer")
		})
	}
}

func TestAFailedExchangeHasNoOutcome(t *testing.T) {
	for _, row := range []struct {
		name     string
		script   string
		end      error
		received int64
		is       error
	}{
		{"EOF", "", io.EOF, 0, io.EOF},
		{"reset", "", syscall.ECONNRESET, 0, syscall.ECONNRESET},
		{"EOF within the head", "HTTP/1.1 200 OK\r\n", io.EOF, 17, io.ErrUnexpectedEOF},
		{"garbage", "garbage\r\n\r\n", io.EOF, 11, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := newScripted(row.script, row.end)
			x, owner := newExchange(conn)
			_, err := x.Do(newRequest(t, "GET", nil))
			require.Error(t, err)
			if row.is != nil {
				assert.ErrorIs(t, err, row.is)
			}
			assert.Empty(t, owner.ends())
			assert.Equal(t, row.received, x.Received())
			assert.EqualValues(t, len(conn.sentText()), x.Sent())
			assert.Positive(t, x.Sent())
		})
	}
}

// severalErrors is an error that does not support ==.
type severalErrors []error

func (severalErrors) Error() string { return "several errors" }

// labelled is one that does, unless there is such an error in it.
type labelled struct{ error }

func TestErrorsThatCannotBeCompared(t *testing.T) {
	for name, several := range map[string]error{"a slice": severalErrors{io.EOF}, "in a struct": labelled{severalErrors{}}} {
		t.Run("of the connection's reads, "+name, func(t *testing.T) {
			x, _ := newExchange(newScripted("", several))
			_, err := x.Do(newRequest(t, "GET", nil))
			assert.Equal(t, several, err)
		})
		t.Run("of its writes, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := newScripted("", nil)
				conn.writeErr = several
				x, _ := newExchange(conn)
				_, err := x.Do(newRequest(t, "POST", iotest.OneByteReader(strings.NewReader("body"))))
				assert.Equal(t, several, err)
			})
		})
		t.Run("as the cause of a cancellation, "+name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(several)
			x, _ := newExchange(newScripted("", nil))
			_, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
			assert.Equal(t, several, err)
		})
		t.Run("of the request's body, "+name, func(t *testing.T) {
			x, _ := newExchange(newScripted("", nil))
			_, err := x.Do(newRequest(t, "POST", iotest.ErrReader(several)))
			var fault *RequestError
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, several, fault.Err)
		})
	}
}

// The connection may be running another exchange by then.
func TestACancellationAfterTheEndHurtsNobody(t *testing.T) {
	for name, script := range map[string]string{
		"with a body":  ok5,
		"without body": "HTTP/1.1 204 No Content\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := newScripted(script, nil)
			x, owner := newExchange(conn)
			ctx, cancel := context.WithCancel(t.Context())
			resp, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
			require.NoError(t, err)
			readToEnd(resp)
			require.Equal(t, []Outcome{Reusable}, owner.ends())
			cancel()
			x.interrupt(context.Canceled) // what the cancellation would do, had it come too late to be stopped
			closeAtOnce(resp)
			assert.False(t, conn.interrupted())
			assert.Equal(t, []Outcome{Reusable}, owner.ends())
		})
	}
}

func TestACancelledExchangeGivesTheCause(t *testing.T) {
	cause := errors.New("the user has left")
	for name, script := range map[string]string{
		"before the head": "",
		"in the head":     "HTTP/1.1 200 OK\r\nContent-",
		"in the body":     "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Hour, func() { cancel(cause) })
				x, owner := newExchange(newScripted(script, nil))
				resp, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					assert.Equal(t, []Outcome{Failed}, owner.ends())
				}
				assert.Equal(t, cause, err)
			})
		})
	}
}

func TestWhatTheRequestDoesWrongIsARequestError(t *testing.T) {
	broken := errors.New("broken")
	hook := func(err error) *httptrace.ClientTrace {
		return &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return err }}
	}
	for _, row := range []struct {
		name string
		req  *http.Request
		want string
	}{
		{"its body fails", newRequest(t, "POST", io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken))), "broken"},
		{"its body is short", func() *http.Request {
			req := newRequest(t, "POST", io.MultiReader(strings.NewReader("x")))
			req.ContentLength = 5
			return req
		}(), "http: ContentLength=5 with Body length 1"},
		{"its body is nil", func() *http.Request {
			req := newRequest(t, "POST", nil)
			req.ContentLength = 5
			return req
		}(), "http: Request.ContentLength=5 with nil Body"},
		{"its hook fails", func() *http.Request {
			req := newRequest(t, "GET", nil)
			return req.WithContext(httptrace.WithClientTrace(req.Context(), hook(broken)))
		}(), "broken"},
	} {
		t.Run(row.name, func(t *testing.T) {
			script := ""
			if row.req.Method == "GET" {
				script = "HTTP/1.1 103 Early Hints\r\n\r\n"
			}
			x, owner := newExchange(newScripted(script, nil))
			_, err := x.Do(row.req)
			var fault *RequestError
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, row.want, fault.Error())
			assert.Empty(t, owner.ends())
		})
	}
}

func TestTheFailedWriteIsReportedWhereTheReadSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted("", nil)
		conn.writeErr = syscall.EPIPE
		x, _ := newExchange(conn)
		begun := time.Now()
		_, err := x.Do(newRequest(t, "POST", strings.NewReader("x")))
		assert.ErrorIs(t, err, syscall.EPIPE)
		assert.Equal(t, writeGrace, time.Since(begun), "the answer of a server that has closed gets a moment")
		assert.Zero(t, x.Sent())
	})
}

func TestAnAnswerGoesBeforeAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted("", nil)
		conn.writeErr = syscall.EPIPE
		time.AfterFunc(writeGrace/2, func() { conn.say(ok5) })
		x, owner := newExchange(conn)
		resp, err := x.Do(newRequest(t, "POST", strings.NewReader("x")))
		require.NoError(t, err)
		readToEnd(resp)
		assert.Equal(t, []Outcome{NotKept}, owner.ends(), "the rest of the request was never sent")
	})
}

func TestHeadersMayTakeTheirTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _ := newExchange(newScripted("HTTP/1.1 200", nil))
		x.Settings.HeaderTimeout = time.Minute
		begun := time.Now()
		_, err := x.Do(newRequest(t, "GET", nil))
		assert.Equal(t, ErrHeaderTimeout, err)
		assert.Equal(t, time.Minute, time.Since(begun))
	})
}

func TestTheOwnerMayRefuseAResponseThatCameTooSoon(t *testing.T) {
	const timedOut = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
	for _, row := range []struct {
		name, script string
		refuse       bool // what the owner says, of a 408
		asked        []bool
	}{
		{"an answer", ok5, false, []bool{false}},
		{"a 408", timedOut, false, []bool{false, true}},
		{"a 408 that crossed the request", timedOut, true, []bool{false, true}},
		{"a 408 after an informational response", "HTTP/1.1 103 Early Hints\r\n\r\n" + timedOut, true, []bool{false}},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, owner := newExchange(newScripted(row.script, nil))
			var asked []bool
			owner.premature = func(timedOut bool) bool {
				asked = append(asked, timedOut)
				return timedOut && row.refuse
			}
			resp, err := x.Do(newRequest(t, "GET", nil))
			assert.Equal(t, row.asked, asked)
			if row.refuse && len(row.asked) == 2 {
				assert.ErrorIs(t, err, ErrPremature)
				assert.Empty(t, owner.heads)
				assert.Empty(t, owner.ends())
				return
			}
			require.NoError(t, err)
			readToEnd(resp)
			require.Len(t, owner.heads, 1)
			assert.Equal(t, resp.StatusCode, owner.heads[0].StatusCode)
			assert.Equal(t, []Outcome{Reusable}, owner.ends())
		})
	}
}

func TestTheOwnerSeesOnlyTheFinalHead(t *testing.T) {
	x, owner := newExchange(newScripted("HTTP/1.1 103 Early Hints\r\n\r\n"+ok5, nil))
	resp, err := x.Do(newRequest(t, "GET", nil))
	require.NoError(t, err)
	readToEnd(resp)
	require.Len(t, owner.heads, 1)
	assert.Equal(t, 200, owner.heads[0].StatusCode)
}

// fileConn counts what comes by ReadFrom, the way to sendfile.
type fileConn struct {
	*scripted
	fromFile int64
}

func (c *fileConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(struct{ io.Writer }{c.scripted}, r)
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			c.fromFile += n
		}
	}
	return n, err
}

func TestAFileReachesTheConnectionItself(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("x", 100_000)), 0o600))
	for _, row := range []struct {
		name string
		wrap func(f *os.File) io.Reader
	}{
		{"a file", func(f *os.File) io.Reader { return f }},
		{"in a NopCloser", func(f *os.File) io.Reader { return io.NopCloser(f) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			f, err := os.Open(name)
			require.NoError(t, err)
			defer f.Close()
			conn := &fileConn{scripted: newScripted(ok5, nil)}
			x, owner := newExchange(conn)
			req := newRequest(t, "PUT", row.wrap(f))
			req.ContentLength = 100_000
			resp, err := x.Do(req)
			require.NoError(t, err)
			<-x.wrote
			readToEnd(resp)
			assert.EqualValues(t, 100_000, conn.fromFile)
			assert.Equal(t, x.Sent(), int64(len(conn.sentText())))
			assert.Equal(t, []Outcome{Reusable}, owner.ends())
		})
	}
}

// The kernel tells of a reset once. Told to the write, it leaves the read an ordinary end, which may be noticed first.
func TestAResetThatTheWriteWasToldIsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted("", io.EOF)
		conn.writeErr = syscall.ECONNRESET
		x, _ := newExchange(conn)
		req := newRequest(t, "POST", io.NopCloser(io.MultiReader(strings.NewReader("a stream"))))
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			WroteHeaderField: func(string, []string) { time.Sleep(time.Millisecond) },
		}))
		_, err := x.Do(req)
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

func TestTheOwnerKnowsWhetherAnotherResponseHasFollowed(t *testing.T) {
	for _, row := range []struct {
		name, follows string
		want          error
		outcome       Outcome
	}{
		{"nothing", "", nil, Reusable},
		{"a response", ok5, ErrPremature, 0},
		{"garbage", "garbage", nil, Stray},
		{"less than can be told", "HTTP", nil, Stray},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := newScripted(ok5, nil)
			x, owner := newExchange(conn)
			x.Reused = true
			owner.followed = func() bool {
				conn.say(row.follows)
				return row.follows != ""
			}
			resp, err := x.Do(newRequest(t, "GET", nil))
			require.ErrorIs(t, err, row.want)
			if row.want == nil {
				readToEnd(resp)
				assert.Equal(t, []Outcome{row.outcome}, owner.ends())
			}
		})
	}
}

func TestTheOwnerIsNotAskedWhatFollowsInVain(t *testing.T) {
	for name, script := range map[string]string{
		"its body is not there yet": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"its length is not stated":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"the server does not go on": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			x, owner := newExchange(newScripted(script, io.EOF))
			x.Reused = true
			owner.followed = func() bool {
				t.Error("asked")
				return true
			}
			_, err := x.Do(newRequest(t, "GET", nil))
			require.NoError(t, err)
		})
	}
}
