package h1

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

// The caller speaks the new protocol at once, as with http.Transport, and its context is done with.
func TestAnUpgradeDoesNotWaitForTheRequestsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), reuseGrace/2)
		defer cancel()
		r, w := io.Pipe()
		conn := newScripted(switching, nil)
		x, owner := newExchange(conn)
		begun := time.Now()
		resp, err := x.Do(newRequest(t, "POST", r).WithContext(ctx))
		require.NoError(t, err)
		assert.Equal(t, holdFor, time.Since(begun))
		time.Sleep(reuseGrace)
		conn.say("hello")
		text := make([]byte, 5)
		_, err = io.ReadFull(resp.Body, text)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(text))

		_, err = io.WriteString(w, "what is left")
		require.NoError(t, err)
		synctest.Wait()
		assert.Contains(t, conn.sentText(), "what is left")
		closeAtOnce(resp)
		_, err = io.WriteString(w, "too late")
		assert.NoError(t, err, "a Read was waiting for it")
		_, err = io.WriteString(w, "too late")
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Equal(t, []Outcome{NotKept}, owner.ends())
	})
}

// A deadline that is set while the 101 comes would be there for good.
func TestAnUpgradeInWhichTheContextEndsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(t.Context())
		conn := newScripted(switching, nil)
		x, owner := newExchange(conn)
		owner.premature = func(bool) bool {
			cancel(cause)
			synctest.Wait()
			return false
		}
		_, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
		assert.Equal(t, cause, err)
		assert.Empty(t, owner.ends())
	})
}

func TestAContextThatEndsAfterAnUpgradeDoesNotConcernIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		conn := newScripted(switching+"hello", nil)
		x, owner := newExchange(conn)
		x.Owner = contextEnder{owner, cancel}
		resp, err := x.Do(newRequest(t, "GET", nil).WithContext(ctx))
		require.NoError(t, err)
		assert.False(t, conn.interrupted())
		conn.say(" world")
		conn.fail(io.EOF)
		text, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		assert.Equal(t, "hello world", string(text))
		closeAtOnce(resp)
		assert.Equal(t, []Outcome{NotKept}, owner.ends())
	})
}
