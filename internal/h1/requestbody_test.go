package h1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheBodyIsClosedOnceOnEveryPath(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, script := range []struct {
		name, text string
		end        error
	}{
		{"answered", ok5, nil},
		{"answered and closed", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", io.EOF},
		{"never answered", "", io.EOF},
		{"garbage", "garbage\r\n", io.EOF},
	} {
		for _, body := range []struct {
			name   string
			source io.Reader
			length int64
		}{
			{"streamed", iotest.OneByteReader(strings.NewReader("abc")), -1},
			{"of known length", strings.NewReader(long), int64(len(long))},
			{"too short", strings.NewReader("x"), 2},
			{"failing", iotest.ErrReader(errors.New("broken")), -1},
		} {
			t.Run(body.name+", "+script.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					source := &watchedBody{Reader: body.source}
					x, _ := newExchange(newScripted(script.text, script.end))
					req := newRequest(t, "POST", source)
					req.ContentLength = body.length
					if resp, err := x.Do(req); err == nil {
						readToEndAndClose(resp)
					}
					synctest.Wait()
					closes, readsAfter := source.counts()
					assert.Equal(t, 1, closes)
					assert.Zero(t, readsAfter)
				})
			})
		}
	}
}

func TestABodyIsNotReadAfterAbort(t *testing.T) {
	source := &watchedBody{Reader: strings.NewReader("abc")}
	b := &requestBody{source: source}
	_, err := io.ReadFull(b, make([]byte, 1))
	require.NoError(t, err)
	b.abort()
	_, err = b.Read(make([]byte, 1))
	assert.Equal(t, errAborted, err)
	assert.NoError(t, b.readError(), "that was no error of the source")
	rest, _ := io.ReadAll(source)
	assert.Equal(t, "bc", string(rest))
}

func TestABodyIsNotReadAfterClose(t *testing.T) {
	source := &watchedBody{Reader: strings.NewReader("abc")}
	b := &requestBody{source: source}
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	_, err := b.Read(make([]byte, 1))
	assert.Equal(t, errAborted, err)
	closes, readsAfter := source.counts()
	assert.Equal(t, 1, closes)
	assert.Zero(t, readsAfter)
}

func TestTheFirstReadErrorIsRemembered(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	for _, row := range []struct {
		name   string
		source io.Reader
		want   error
	}{
		{"the end is none", strings.NewReader(""), nil},
		{"one", iotest.ErrReader(first), first},
		{"two", &errorSeries{first, second}, first},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := &requestBody{source: io.NopCloser(row.source)}
			_, _ = b.Read(make([]byte, 1))
			_, _ = b.Read(make([]byte, 1))
			assert.Equal(t, row.want, b.readError())
		})
	}
}

type errorSeries []error

func (s *errorSeries) Read([]byte) (int, error) {
	err := (*s)[0]
	*s = (*s)[1:]
	return 0, err
}

// Who reads the response gets the error as it is.
func TestABodyThatFailsDuringTheResponseSaysSoThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		r, w := io.Pipe()
		x, owner := newExchange(newScripted("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", nil))
		resp, err := x.Do(newRequest(t, "POST", r))
		require.NoError(t, err)
		require.NoError(t, w.CloseWithError(broken))
		text, err := io.ReadAll(resp.Body)
		assert.Equal(t, "hello", string(text))
		assert.True(t, err == broken, "%T: %v", err, err)
		assert.Equal(t, []Outcome{Failed}, owner.ends())
	})
}

func TestReadingIsSeenWhileItLasts(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	b := &requestBody{source: io.NopCloser(readerFunc(func([]byte) (int, error) {
		close(begun)
		<-release
		return 0, io.EOF
	}))}
	assert.False(t, b.reading())
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = b.Read(make([]byte, 1)) })
	<-begun
	assert.True(t, b.reading())
	close(release)
	reader.Wait()
	assert.False(t, b.reading())
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A Read that hangs can be ended by the caller only: the exchange's failure is
// not kept from them.
func TestAHangingReadDoesNotHoldTheFailureBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		conn := newScripted("", nil)
		source := &watchedBody{Reader: readerFunc(func(p []byte) (int, error) {
			conn.fail(io.EOF)
			return r.Read(p)
		})}
		x, _ := newExchange(conn)
		begun := time.Now()
		_, err := x.Do(newRequest(t, "POST", source))
		assert.Equal(t, io.EOF, err)
		assert.LessOrEqual(t, time.Since(begun), holdFor+readGrace)
		_, err = w.Write([]byte("too late"))
		assert.NoError(t, err, "the Read that hung takes it")
		synctest.Wait()
		closes, readsAfter := source.counts()
		assert.Equal(t, 1, closes, "when that Read has returned")
		assert.Zero(t, readsAfter)
	})
}

func TestTheBodyWaitsForPermission(t *testing.T) {
	const expectTimeout = time.Minute
	for _, row := range []struct {
		name   string
		answer string // after a second
		after  time.Duration
		sent   bool
		want   Outcome
	}{
		{"continue", "HTTP/1.1 100 Continue\r\n\r\n" + ok5, time.Second, true, Reusable},
		{"refused", "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", time.Second, false, NotKept},
		{"answered on a connection that stays", ok5, time.Second, true, Reusable},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := newScripted("", nil)
				time.AfterFunc(row.after, func() { conn.say(row.answer) })
				x, owner := newExchange(conn)
				x.Settings.ContinueTimeout = expectTimeout
				var touched time.Duration
				begun := time.Now()
				source := &watchedBody{Reader: readerFunc(func([]byte) (int, error) {
					touched = time.Since(begun)
					return 0, io.EOF
				})}
				req := newRequest(t, "POST", source)
				req.Header.Set("Expect", "100-continue")
				resp, err := x.Do(req)
				require.NoError(t, err)
				readToEnd(resp)
				synctest.Wait()
				if row.sent {
					assert.Equal(t, row.after, touched)
				} else {
					assert.Zero(t, touched, "the body was not touched")
				}
				closes, _ := source.counts()
				assert.Equal(t, 1, closes)
				assert.Equal(t, []Outcome{row.want}, owner.ends())
			})
		})
	}
}

func TestPermissionIsTakenAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted("", nil)
		x, owner := newExchange(conn)
		x.Settings.ContinueTimeout = time.Minute
		begun := time.Now()
		var touched time.Duration
		req := newRequest(t, "POST", readerFunc(func([]byte) (int, error) {
			if touched == 0 {
				touched = time.Since(begun)
				conn.say(ok5)
			}
			return 0, io.EOF
		}))
		req.Header.Set("Expect", "100-continue")
		resp, err := x.Do(req)
		require.NoError(t, err)
		readToEnd(resp)
		assert.Equal(t, time.Minute, touched)
		assert.Equal(t, []Outcome{Reusable}, owner.ends())
	})
}

func TestTheFirstDecisionStands(t *testing.T) {
	for _, first := range []bool{true, false} {
		c := &continuation{decided: make(chan struct{}), timeout: time.Hour}
		assert.False(t, c.refused(), "undecided")
		c.decide(first)
		c.decide(!first)
		assert.Equal(t, first, c.wait())
		assert.Equal(t, !first, c.refused())
	}
}

func TestEveryoneHearsTheSameDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 100 {
			c := &continuation{decided: make(chan struct{}), timeout: time.Second}
			var all sync.WaitGroup
			answers := make(chan bool, 10)
			for range 10 {
				all.Go(func() { answers <- c.wait() })
			}
			time.AfterFunc(time.Second, func() { c.decide(false) }) // at the moment of the timeout
			all.Wait()
			want := <-answers
			for range 9 {
				require.Equal(t, want, <-answers, "run %d", i)
			}
			require.Equal(t, !want, c.refused())
		}
	})
}

func TestTheWaitIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits int
		trace := &httptrace.ClientTrace{Wait100Continue: func() { waits++ }}
		c := &continuation{decided: make(chan struct{}), timeout: time.Second, trace: trace}
		assert.True(t, c.wait())
		assert.True(t, c.wait())
		assert.Equal(t, 1, waits, "only what has to wait")
	})
}

func TestWhatIsInMemory(t *testing.T) {
	for _, row := range []struct {
		body io.ReadCloser
		want bool
	}{
		{io.NopCloser(strings.NewReader("x")), true},
		{io.NopCloser(bytes.NewReader(nil)), true},
		{io.NopCloser(&bytes.Buffer{}), true},
		{io.NopCloser(iotest.OneByteReader(strings.NewReader("x"))), false},
		{io.NopCloser(io.MultiReader(strings.NewReader("x"))), false},
		{&watchedBody{Reader: strings.NewReader("x")}, false},
		{os.Stdin, false},
		{http.NoBody, false},
	} {
		assert.Equal(t, row.want, inMemory(row.body), "%T", row.body)
	}
}

// The codec finds out in a goroutine of its own whether a body of unknown length is empty. That may be so late that the
// exchange is over, and its writer is another request's.
func TestAReadThatComesTooLateFlushesNothing(t *testing.T) {
	flushed := 0
	b := &requestBody{source: io.NopCloser(strings.NewReader("x")), flush: func() error { flushed++; return nil }}
	assert.True(t, b.done(), "nobody reads")
	_, err := b.Read(make([]byte, 1))
	assert.ErrorIs(t, err, errAborted)
	assert.Zero(t, flushed)
}

func TestAWriterIsKeptFromOthersWhileARequestMayFlushIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flushing := make(chan struct{})
		b := &requestBody{source: io.NopCloser(strings.NewReader("x")), flush: func() error { <-flushing; return nil }}
		read := make(chan error, 1)
		go func() {
			_, err := b.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		assert.False(t, b.done())
		close(flushing)
		assert.NoError(t, <-read)
		assert.True(t, b.done())
	})
}
