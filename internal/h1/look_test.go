package h1

import (
	"context"
	"io"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestNothingGoesOutOnAConnectionThatIsNotFit(t *testing.T) {
	conn := newScripted("", nil)
	x, owner := newExchange(conn)
	x.Reused, owner.unfit = true, true
	_, err := x.Do(newRequest(t, "POST", io.NopCloser(io.MultiReader(strings.NewReader("a stream")))))
	assert.ErrorIs(t, err, ErrUnfit)
	assert.Zero(t, x.Sent())
	assert.Empty(t, conn.sentText())
}

// A connection that was not used before has nothing to be found dead of.
func TestANewConnectionIsNotLookedAt(t *testing.T) {
	x, owner := newExchange(newScripted(ok5, nil))
	owner.unfit = true
	resp, err := x.Do(newRequest(t, "POST", io.NopCloser(io.MultiReader(strings.NewReader("a stream")))))
	assert.NoError(t, err)
	readToEndAndClose(resp)
}

// What has come would be taken from the look, and for an answer.
func TestNothingIsReadBeforeTheRequestBegins(t *testing.T) {
	for _, blocks := range []bool{false, true} { // with and without a head that waits
		synctest.Test(t, func(t *testing.T) {
			conn := newScripted(ok5, nil)
			x, owner := newExchange(conn)
			x.Reused, x.MayBlock = true, blocks
			mayWrite := make(chan struct{})
			req := newRequest(t, "POST", io.NopCloser(io.MultiReader(strings.NewReader("a stream"))))
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
				WroteHeaderField: func(string, []string) { <-mayWrite },
			}))
			failed := make(chan error, 1)
			go func() {
				_, err := x.Do(req)
				failed <- err
			}()
			time.Sleep(time.Minute)
			owner.unfit = true
			close(mayWrite)
			assert.ErrorIs(t, <-failed, ErrUnfit)
			assert.Equal(t, ok5, conn.script)
			assert.Zero(t, x.Received())
			assert.Zero(t, x.Sent())
			assert.Empty(t, conn.sentText())
			assert.Empty(t, owner.ends())
		})
	}
}

// unfitFor is an Owner that finds something on the connection when it looks.
type unfitFor struct {
	*keeper
	conn *scripted
}

func (o unfitFor) Fit() bool {
	o.conn.say(ok5)
	return false
}

func TestWhatMakesAConnectionUnfitIsNoAnswer(t *testing.T) {
	for _, blocks := range []bool{false, true} {
		conn := newScripted("", nil)
		x, owner := newExchange(conn)
		x.Reused, x.MayBlock, x.Owner = true, blocks, unfitFor{owner, conn}
		_, err := x.Do(newRequest(t, "POST", io.NopCloser(io.MultiReader(strings.NewReader("a stream")))))
		assert.ErrorIs(t, err, ErrUnfit)
		assert.Zero(t, x.Sent())
		assert.Empty(t, conn.sentText())
		assert.Empty(t, owner.ends())
	}
}

// What the connection has taken nothing of, its server cannot have answered.
func TestWhatIsReadAfterNothingCouldBeWrittenIsNoAnswer(t *testing.T) {
	for _, reused := range []bool{true, false} {
		conn := newScripted(ok5, nil)
		conn.writeErr = syscall.EPIPE
		x, owner := newExchange(conn)
		x.Reused = reused
		resp, err := x.Do(newRequest(t, "GET", nil))
		if reused {
			assert.ErrorIs(t, err, syscall.EPIPE)
			assert.Empty(t, owner.ends())
			continue
		}
		assert.NoError(t, err, "a server may refuse a new connection in its own words")
		readToEndAndClose(resp)
	}
}

// The codec tries whether there is a body, and a Read of that hangs.
func TestACancellationDoesNotWaitForTheRequestToBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted("", nil)
		x, _ := newExchange(conn)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		r, w := io.Pipe()
		begun := time.Now()
		_, err := x.Do(newRequest(t, "GET", r).WithContext(ctx))
		assert.Equal(t, context.Canceled, err)
		assert.LessOrEqual(t, time.Since(begun), time.Millisecond+readGrace)
		assert.Empty(t, conn.sentText())
		assert.NoError(t, w.Close())
	})
}
