package h1

import (
	"io"
	"net/http/httptrace"
	"strings"
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

// Something was there to be read before the request was written, and has been read.
func TestNothingGoesOutOnceTheExchangeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted(ok5, nil)
		x, owner := newExchange(conn)
		x.Reused = true
		owner.premature = func(bool) bool { return true }
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
		synctest.Wait()
		for !conn.interrupted() {
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		close(mayWrite)
		assert.ErrorIs(t, <-failed, ErrPremature)
		assert.Zero(t, x.Sent())
		assert.Empty(t, conn.sentText())
	})
}
