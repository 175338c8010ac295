package h1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pieces keeps what each Write brings.
type pieces struct {
	*scripted
	mu   sync.Mutex
	each []string
}

func (p *pieces) Write(b []byte) (int, error) {
	n, err := p.scripted.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.each = append(p.each, string(b[:n]))
	return n, err
}

func (p *pieces) lengths() (all []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, each := range p.each {
		all = append(all, len(each))
	}
	return all
}

// streamed is a body that is no file and does not lie in memory.
func streamed(text string) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text)))
}

func headOf(t *testing.T, text string) string {
	t.Helper()
	end := strings.Index(text, "\r\n\r\n")
	require.Positive(t, end, text)
	return text[:end+4]
}

func TestTheHeadGoesOutWithTheFirstOfTheBody(t *testing.T) {
	const whole = 32 << 10 // that is read at once
	for _, row := range []struct {
		name   string
		method string
		length int
		known  bool
		writes int
	}{
		{"short, of known length", "POST", 5, true, 1},
		{"short, of unknown length", "POST", 5, false, 2}, // what follows a Read that may take long goes out before it
		{"PUT", "PUT", 5, true, 1},
		{"PATCH", "PATCH", 5, true, 1},
		{"DELETE of known length", "DELETE", 5, true, 1},
		{"one read", "POST", whole, true, 1},
		{"one read, of unknown length", "POST", whole, false, 2},
		{"two reads", "POST", 2 * whole, true, 2},
		{"two reads, of unknown length", "POST", 2 * whole, false, 3},
		{"empty, of unknown length", "POST", 0, false, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &pieces{scripted: newScripted(ok5, nil)}
				x, owner := newExchange(conn)
				body := strings.Repeat("x", row.length)
				req := newRequest(t, row.method, streamed(body))
				if req.ContentLength = -1; row.known {
					req.ContentLength = int64(row.length)
				}
				begun := time.Now()
				resp, err := x.Do(req)
				require.NoError(t, err)
				readToEndAndClose(resp)
				synctest.Wait()
				assert.Zero(t, time.Since(begun), "nothing waits where the body is there")
				assert.Len(t, conn.lengths(), row.writes, "%v", conn.lengths())
				assert.Equal(t, []Outcome{Reusable}, owner.ends())
				received, err := http.ReadRequest(bufio.NewReader(strings.NewReader(conn.sentText())))
				require.NoError(t, err)
				all, err := io.ReadAll(received.Body)
				require.NoError(t, err)
				assert.Equal(t, body, string(all))
			})
		})
	}
}

// The server may want the head before there is any of the body.
func TestTheHeadDoesNotWaitForLong(t *testing.T) {
	for _, row := range []struct {
		name    string
		method  string
		blocks  bool // a write may
		atOnce  bool
		unknown bool
	}{
		{"POST", "POST", false, false, false},
		{"POST of unknown length", "POST", false, false, true},
		{"a connection whose Write may block", "POST", true, true, false},
		{"a GET, of which the codec tries whether it has a body", "GET", false, true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &pieces{scripted: newScripted("", nil)}
				x, owner := newExchange(conn)
				x.MayBlock = row.blocks
				r, w := io.Pipe()
				req := newRequest(t, row.method, r)
				if req.ContentLength = 5; row.unknown {
					req.ContentLength = -1
				}
				done := make(chan *http.Response)
				go func() {
					resp, err := x.Do(req)
					assert.NoError(t, err)
					done <- resp
				}()
				synctest.Wait()
				if row.method == "GET" {
					time.Sleep(time.Second) // that the codec gives it is not ours
				}
				if !row.atOnce {
					assert.Empty(t, conn.sentText())
					time.Sleep(holdFor)
					synctest.Wait()
				}
				head := headOf(t, conn.sentText())
				assert.Equal(t, head, conn.sentText())
				_, err := io.WriteString(w, "hello")
				require.NoError(t, err)
				require.NoError(t, w.Close())
				synctest.Wait()
				received, err := http.ReadRequest(bufio.NewReader(strings.NewReader(conn.sentText())))
				require.NoError(t, err)
				all, err := io.ReadAll(received.Body)
				require.NoError(t, err)
				assert.Equal(t, "hello", string(all))
				conn.say(ok5)
				readToEndAndClose(<-done)
				assert.Equal(t, []Outcome{Reusable}, owner.ends())
			})
		})
	}
}

// The body comes when the wait is over: one of the two sends the head.
func TestTheHeadGoesOutOnce(t *testing.T) {
	for range 500 {
		conn := newScripted("", nil)
		x, _ := newExchange(conn)
		body := streamed("hello")
		req := newRequest(t, "POST", io.NopCloser(readerFunc(func(p []byte) (int, error) {
			time.Sleep(holdFor)
			return body.Read(p)
		})))
		req.ContentLength = 5
		conn.script = ok5
		resp, err := x.Do(req)
		require.NoError(t, err)
		readToEndAndClose(resp)
		head := headOf(t, conn.sentText())
		require.Equal(t, head+"hello", conn.sentText())
		require.Equal(t, 1, strings.Count(conn.sentText(), "POST /"))
	}
}

func TestAHeadThatIsLongIsSentWhole(t *testing.T) {
	for _, length := range []int{3 << 10, 36 << 10, 37 << 10, 100 << 10} {
		synctest.Test(t, func(t *testing.T) {
			conn := newScripted(ok5, nil)
			x, _ := newExchange(conn)
			req := newRequest(t, "POST", streamed("hello"))
			req.ContentLength = 5
			long := strings.Repeat("x", length)
			req.Header.Set("Long", long)
			resp, err := x.Do(req)
			require.NoError(t, err)
			readToEndAndClose(resp)
			received, err := http.ReadRequest(bufio.NewReader(strings.NewReader(conn.sentText())))
			require.NoError(t, err)
			assert.Equal(t, long, received.Header.Get("Long"))
			all, err := io.ReadAll(received.Body)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(all))
		})
	}
}

// A head that the caller sends may meet a connection that takes nothing, whose Read
// does not tell.
func TestAHeadThatCannotBeSentFailsTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		conn := newScripted("", nil)
		conn.writeErr = broken
		x, _ := newExchange(conn)
		r, w := io.Pipe()
		begun := time.Now()
		_, err := x.Do(newRequest(t, "POST", r))
		assert.ErrorIs(t, err, broken)
		assert.Less(t, time.Since(begun), time.Second)
		require.NoError(t, w.Close())
		synctest.Wait()
	})
}

// What is found dead while the head waits has been sent nothing.
func TestNothingIsSentOfARequestThatIsGivenUpWhileItsHeadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newScripted("", nil)
		x, owner := newExchange(conn)
		x.Reused, owner.unfit = true, true
		r, w := io.Pipe()
		req := newRequest(t, "POST", readerFunc(func(p []byte) (int, error) {
			conn.fail(net.ErrClosed)
			return r.Read(p)
		}))
		_, err := x.Do(req)
		assert.Error(t, err)
		assert.Zero(t, x.Sent())
		assert.Empty(t, conn.sentText())
		require.NoError(t, w.Close())
		synctest.Wait()
		assert.Empty(t, conn.sentText())
	})
}

func TestTheHeadOfABodyThatFailsAtOnceGoesOut(t *testing.T) {
	for _, length := range []int64{-1, 5} {
		synctest.Test(t, func(t *testing.T) {
			broken := errors.New("broken")
			conn := newScripted("", nil)
			x, _ := newExchange(conn)
			req := newRequest(t, "POST", iotest.ErrReader(broken))
			req.ContentLength = length
			_, err := x.Do(req)
			var own *RequestError
			require.ErrorAs(t, err, &own)
			assert.ErrorIs(t, err, broken)
			assert.Equal(t, headOf(t, conn.sentText()), conn.sentText())
		})
	}
}
