package h1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// narrow is a connection to a server that reads the first of a request, answers, and reads no more.
type narrow struct {
	*scripted
	room int // what its buffers take
}

func (c *narrow) Write(p []byte) (int, error) {
	c.mu.Lock()
	taken := min(len(p), c.room)
	c.room -= taken
	c.mu.Unlock()
	if n, err := c.scripted.Write(p[:taken]); n < taken || taken == len(p) {
		return n, err
	}
	c.say("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n")
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && !c.interruptedLocked() {
		c.changed.Wait()
	}
	return taken, io.ErrClosedPipe
}

// long is longer than what a caller of Do writes himself.
var long = strings.Repeat("x", inlineLimit)

func TestALongHeadIsAnsweredThoughTheServerDoesNotReadItAll(t *testing.T) {
	for name, lengthen := range map[string]func(*http.Request){
		"a long value":  func(r *http.Request) { r.Header.Set("X", long) },
		"a long name":   func(r *http.Request) { r.Header.Set(long, "x") },
		"a long path":   func(r *http.Request) { r.URL.Path = "/" + long },
		"a long query":  func(r *http.Request) { r.URL.RawQuery = long },
		"an opaque URL": func(r *http.Request) { r.URL.Opaque = "/" + long },
		"with a body":   func(r *http.Request) { r.Header.Set("X", long[:len(long)/2]); post(r, long[:len(long)/2]) },
		"many values":   func(r *http.Request) { r.Header["X"] = strings.Split(long[:len(long)/5], "") },
		"many fields": func(r *http.Request) {
			for n := range len(long) / len("X-0000: x\r\n") {
				r.Header.Set(fmt.Sprintf("X-%04d", n), "xx")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				x, owner := newExchange(&narrow{newScripted("", nil), inlineLimit - 1})
				req := newRequest(t, "GET", nil).WithContext(ctx)
				lengthen(req)
				begun := time.Now()
				resp, err := x.Do(req)
				require.NoError(t, err)
				assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
				assert.LessOrEqual(t, time.Since(begun), endGrace+reuseGrace)
				assert.Equal(t, []Outcome{NotKept}, owner.ends())
			})
		})
	}
}

// It costs less, and most are.
func TestAShortRequestIsWrittenByItsCaller(t *testing.T) {
	for name, lengthen := range map[string]func(*http.Request){
		"an ordinary one": func(*http.Request) {},
		"with cookies":    func(r *http.Request) { r.Header.Set("Cookie", long[:len(long)/2]) },
		"with a body":     func(r *http.Request) { post(r, long[:len(long)/2]) },
		"with both":       func(r *http.Request) { r.Header.Set("X", long[:len(long)/3]); post(r, long[:len(long)/3]) },
	} {
		t.Run(name, func(t *testing.T) {
			x, owner := newExchange(newScripted(ok5, nil))
			req := newRequest(t, "GET", nil)
			lengthen(req)
			resp, err := x.Do(req)
			require.NoError(t, err)
			assert.Nil(t, x.wrote)
			readToEndAndClose(resp)
			assert.Equal(t, []Outcome{Reusable}, owner.ends())
		})
	}
}

func TestALengthThatCannotBeIsNotShort(t *testing.T) {
	req := newRequest(t, "GET", nil)
	req.ContentLength = 1<<63 - 1
	req.Header.Set("X", "x")
	assert.False(t, isShort(req))
}
