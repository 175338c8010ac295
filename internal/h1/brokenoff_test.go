package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const halfOf10 = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"

// The caller may have forgotten the response. What has come is his all the same, as with http.Transport.
func TestAContextThatEndsGivesUpAResponseThatNobodyReads(t *testing.T) {
	cause := errors.New("the user has left")
	for _, row := range []struct {
		name, script, text string
		after              error
	}{
		{"half a body", halfOf10, "hello", cause},
		{"nothing of a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "", cause},
		{"a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello", cause},
		{"a compressed body", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "", cause},
		{"all of a body", ok5, "hello", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				x, owner := newExchange(newScripted(row.script, nil))
				resp, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
				require.NoError(t, err)
				cancel(cause)
				synctest.Wait()
				assert.Equal(t, []Outcome{Failed}, owner.ends())
				text, err := io.ReadAll(resp.Body)
				assert.Equal(t, row.text, string(text))
				assert.Equal(t, row.after, err)
				closeAtOnce(resp)
				assert.Equal(t, []Outcome{Failed}, owner.ends())
			})
		})
	}
}

// contextEnder is an Owner in whose time the request's context ends.
type contextEnder struct {
	*keeper
	end context.CancelCauseFunc
}

func (o contextEnder) Answered(resp *http.Response) {
	o.keeper.Answered(resp)
	o.end(errors.New("the user has left"))
	synctest.Wait()
}

func TestAContextThatEndsBeforeTheResponseIsOutGivesItUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		x, owner := newExchange(newScripted(halfOf10, nil))
		x.Owner = contextEnder{owner, cancel}
		resp, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
		require.NoError(t, err)
		assert.Equal(t, []Outcome{Failed}, owner.ends())
		_, err = resp.Body.Read(make([]byte, 1))
		assert.EqualError(t, err, "the user has left")
		closeAtOnce(resp)
		assert.Equal(t, []Outcome{Failed}, owner.ends())
	})
}

func TestABodyThatFailsGivesUpAResponseThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		x, owner := newExchange(newScripted(halfOf10, nil))
		resp, err := x.Do(newRequest(t, "POST", r))
		require.NoError(t, err)
		require.NoError(t, w.CloseWithError(errors.New("broken")))
		synctest.Wait()
		assert.Equal(t, []Outcome{Failed}, owner.ends())
		closeAtOnce(resp)
		assert.Equal(t, []Outcome{Failed}, owner.ends())
	})
}

// slowToEnd is an Owner that takes its time, as a hook may.
type slowToEnd struct{ *keeper }

func (o slowToEnd) Ended(outcome Outcome) {
	time.Sleep(time.Second)
	o.keeper.Ended(outcome)
}

func TestAfterAReadThatFailsTheConnectionIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		x, owner := newExchange(newScripted(halfOf10, nil))
		x.Owner = slowToEnd{owner}
		resp, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		assert.Equal(t, context.DeadlineExceeded, err)
		assert.Equal(t, []Outcome{Failed}, owner.ends())
	})
}

// The end of the response waits for that of its request, and the context ends meanwhile.
func TestAContextThatEndsAtTheEndOfTheResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), reuseGrace/2)
		defer cancel()
		r, w := io.Pipe()
		x, owner := newExchange(newScripted(ok5, nil))
		resp, err := x.Do(newRequest(t, "POST", r).WithContext(ctx))
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		assert.Equal(t, "hello", string(text))
		closeAtOnce(resp)
		assert.Len(t, owner.ends(), 1)
		require.NoError(t, w.Close())
	})
}
