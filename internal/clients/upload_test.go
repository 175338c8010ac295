package clients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const uploadSize = 3 << 20 // from 2 MiB on the SDK asks before it sends

// uploaders send a large body to a store and ask before they do.
var uploaders = []struct {
	name    string
	version bool // its requests have one; to those without, http.Transport does not listen
	make    func(url string, under http.RoundTripper) func(context.Context, string) error
}{
	{"aws-sdk-go-v2", false, func(url string, under http.RoundTripper) func(context.Context, string) error {
		client := newS3(url, under)
		return func(ctx context.Context, text string) error {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader(text),
			})
			return err
		}
	}},
	{"a stream over http.Client", true, func(url string, under http.RoundTripper) func(context.Context, string) error {
		client := &http.Client{Transport: under}
		return func(ctx context.Context, text string) error {
			req, err := http.NewRequestWithContext(ctx, "PUT", url+"/bucket/key", streaming(text))
			if err != nil {
				return err
			}
			req.ContentLength = int64(len(text))
			req.Header.Set("Expect", "100-continue")
			return drained(client.Do(req))
		}
	}},
}

// answer is what a store says to the head of an upload.
type answer int

const (
	goOn    answer = iota // 100, and 200 in the end
	refuse                // 403
	silence               // nothing, until it has the body
	hangUp                // it closes the connection
)

// store is the server of an upload, byte by byte.
type store struct {
	url     string
	answers []answer // one for each upload, in order; the last for all after it

	mu      sync.Mutex
	uploads []*taken
}

// taken is what a store has got of an upload.
type taken struct {
	expect   string
	unasked  int // bytes of the body before it was asked for, or after it was refused
	complete bool
	conn     int // on which it came
}

func startStore(t *testing.T, answers ...answer) *store {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &store{url: "http://" + l.Addr().String(), answers: answers}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			n := len(conns)
			conns = append(conns, c)
			mu.Unlock()
			serving.Go(func() {
				defer c.Close()
				s.serve(c, n)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return s
}

func (s *store) serve(c net.Conn, n int) {
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		u, a := s.begin(req, n)
		switch a {
		case goOn:
			s.sentUnasked(u, waiting(c, in))
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			s.take(c, req, u)
		case silence:
			s.take(c, req, u)
		case refuse:
			s.sentUnasked(u, waiting(c, in))
			const text = "<Error><Code>AccessDenied</Code></Error>"
			_, _ = fmt.Fprintf(c, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			_ = c.(*net.TCPConn).CloseWrite()
			more, _ := io.Copy(io.Discard, in)
			s.sentUnasked(u, int(more))
			return
		case hangUp:
			return
		}
	}
}

func (s *store) sentUnasked(u *taken, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.unasked += bytes
}

func (s *store) begin(req *http.Request, n int) (*taken, answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.answers[min(len(s.uploads), len(s.answers)-1)]
	u := &taken{expect: req.Header.Get("Expect"), conn: n}
	s.uploads = append(s.uploads, u)
	return u, a
}

// waiting returns how much of a body comes although nobody has asked for it. A client that wrongly sends it may get away
// with it on a slow machine, but no right one is ever blamed.
func waiting(c net.Conn, in *bufio.Reader) int {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Time{})
	_, _ = in.Peek(1)
	return in.Buffered()
}

func (s *store) take(c net.Conn, req *http.Request, u *taken) {
	var body bytes.Buffer
	_, err := io.Copy(&body, req.Body)
	s.mu.Lock()
	u.complete = err == nil && bytes.Count(body.Bytes(), []byte("x")) == uploadSize
	s.mu.Unlock()
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

// all returns what has come.
func (s *store) all() []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []taken
	for _, u := range s.uploads {
		all = append(all, *u)
	}
	return all
}

// forEachUploader runs a test with a transport that waits for 100 for so long.
func forEachUploader(t *testing.T, wait time.Duration, run func(t *testing.T, c contestant, start func(*store) func() error)) {
	t.Helper()
	text := strings.Repeat("x", uploadSize)
	for _, u := range uploaders {
		for _, c := range both {
			t.Run(u.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.deaf = !u.version && !c.ours
				run(t, c, func(s *store) func() error {
					put := u.make(s.url, c.make(t, &http.Transport{ExpectContinueTimeout: wait}))
					return func() error { return put(t.Context(), text) }
				})
			})
		}
	}
}

func TestAnUploadWaitsUntilItIsWanted(t *testing.T) {
	forEachUploader(t, patience, func(t *testing.T, c contestant, start func(*store) func() error) {
		s := startStore(t, goOn)
		put := start(s)
		require.NoError(t, put())
		require.NoError(t, put())
		if c.deaf {
			assert.Positive(t, s.all()[0].unasked, "http.Transport heeds it now: docs/net-http.md says that it does not")
			return
		}
		assert.Equal(t, []taken{{"100-continue", 0, true, 0}, {"100-continue", 0, true, 0}}, s.all())
	})
}

func TestAnUploadThatIsRefusedIsNotSent(t *testing.T) {
	forEachUploader(t, patience, func(t *testing.T, c contestant, start func(*store) func() error) {
		s := startStore(t, refuse, goOn)
		put := start(s)
		err := put()
		if c.deaf {
			assert.Error(t, err) // the refusal, or what came of sending on
			return
		}
		require.Error(t, err)
		if denied := smithy.APIError(nil); errors.As(err, &denied) {
			assert.Equal(t, "AccessDenied", denied.ErrorCode())
		} else {
			assert.EqualError(t, err, "403 Forbidden")
		}
		require.NoError(t, put())
		assert.Equal(t, []taken{{"100-continue", 0, false, 0}, {"100-continue", 0, true, 1}}, s.all())
	})
}

func TestAnUploadDoesNotWaitForEver(t *testing.T) {
	forEachUploader(t, 20*time.Millisecond, func(t *testing.T, _ contestant, start func(*store) func() error) {
		s := startStore(t, silence)
		require.NoError(t, start(s)())
		assert.Equal(t, []taken{{"100-continue", 0, true, 0}}, s.all())
	})
}

// TestAnUploadThatWaitsOnAStaleConnectionLosesNothing: its body has not been touched, so that it needs no recording and
// may be of any size. The transport sends it again; http.Transport fails, and leaves it to the user.
func TestAnUploadThatWaitsOnAStaleConnectionLosesNothing(t *testing.T) {
	forEachUploader(t, patience, func(t *testing.T, c contestant, start func(*store) func() error) {
		s := startStore(t, goOn, hangUp, goOn)
		put := start(s)
		require.NoError(t, put())
		err := put()
		if !c.ours {
			return
		}
		require.NoError(t, err)
		assert.Equal(t, []taken{{"100-continue", 0, true, 0}, {"100-continue", 0, false, 0}, {"100-continue", 0, true, 1}}, s.all())
	})
}
