package behaviour

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// traced makes a request with a trace.
func (e *env) traced(trace *httptrace.ClientTrace, method, url string, body io.Reader) *http.Request {
	e.t.Helper()
	req := e.request(method, url, body)
	return req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
}

// expecting makes an upload that waits for "100 Continue".
func (e *env) expecting(url string, body io.Reader) *http.Request {
	e.t.Helper()
	req := e.request("POST", url, body)
	req.Header.Set("Expect", "100-continue")
	return req
}

// continues lets an upload wait for "100 Continue" as long as it takes.
func continues(base *http.Transport) { base.ExpectContinueTimeout = patience }

// fullDuplex lets an HTTP/1 handler write before it has read all.
func fullDuplex(w http.ResponseWriter) { _ = http.NewResponseController(w).EnableFullDuplex() }

var early = []behaviour{
	{name: "an answer to half an upload comes while the other half waits", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			fullDuplex(w)
			_, _ = io.CopyN(w, r.Body, 4)
			flush(w)
			_, _ = io.Copy(w, r.Body)
		})
		in, out := io.Pipe()
		go func() { _, _ = io.WriteString(out, "half") }()
		resp := e.open(e.client(), e.request("POST", s.URL, in))
		half := make([]byte, 4)
		_, err := io.ReadFull(resp.Body, half)
		require.NoError(t, err)
		go func() {
			_, _ = io.WriteString(out, "rest")
			_ = out.Close()
		}()
		assert.Equal(t, "halfrest", string(half)+e.readAll(resp).body)
	}},
	{name: "both sides take turns", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			fullDuplex(w)
			flush(w)
			buf := make([]byte, 64)
			for {
				n, err := r.Body.Read(buf)
				_, _ = w.Write([]byte(strings.ToUpper(string(buf[:n]))))
				flush(w)
				if err != nil {
					return
				}
			}
		})
		in, out := io.Pipe()
		resp := e.open(e.client(), e.request("POST", s.URL, in))
		for _, word := range []string{"ping", "pong", "once more"} {
			_, err := io.WriteString(out, word)
			require.NoError(t, err)
			answer := make([]byte, len(word))
			_, err = io.ReadFull(resp.Body, answer)
			require.NoError(t, err)
			assert.Equal(t, strings.ToUpper(word), string(answer))
		}
		require.NoError(t, out.Close())
		assert.Empty(t, e.readAll(resp).body)
	}},
	{name: "an upload of 2 MB comes back while it goes out", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			fullDuplex(w)
			_, _ = io.Copy(w, r.Body)
		})
		sent := large(2 << 20)
		assert.True(t, e.post(e.client(), s.URL, io.MultiReader(strings.NewReader(sent))).body == sent)
	}},
	{name: "an upload without an end is answered with 413 all the same", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		})
		body := newUpload(endless{})
		got := e.post(e.client(), s.URL, body)
		assert.Equal(t, http.StatusRequestEntityTooLarge, got.StatusCode)
		assert.Equal(t, "too large\n", got.body)
		receive(t, "Close of the upload", body.closed.done)
	}},
	{name: "a limit within the upload is answered with 413 as well", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1000)); err != nil {
				http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			}
		})
		got := e.post(e.client(), s.URL, newUpload(endless{}))
		assert.Equal(t, http.StatusRequestEntityTooLarge, got.StatusCode)
	}},
	{name: "an upload that stalls for ever is answered", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			fullDuplex(w)
			_, _ = io.WriteString(w, "early")
			flush(w)
		})
		source := newStalled()
		defer source.end.set()
		resp := e.open(e.client(), e.request("POST", s.URL, newUpload(source)))
		early := make([]byte, 5)
		_, err := io.ReadFull(resp.Body, early)
		require.NoError(t, err)
		assert.Equal(t, "early", string(early))
	}},
	{name: "after an early answer the next request goes well", run: func(t *testing.T, e *env) {
		s := e.serve(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "early") })
		client := e.client()
		for range 3 {
			assert.Equal(t, "early", e.post(client, s.URL, newUpload(endless{})).body)
		}
		assert.Equal(t, "early", e.get(client, s.URL).body)
	}},
	{name: "the writer of a pipe learns that nobody reads any more", run: func(t *testing.T, e *env) {
		in, out := io.Pipe()
		learnt := make(chan error, 1)
		go func() {
			for {
				if _, err := out.Write(make([]byte, 1<<16)); err != nil {
					learnt <- err
					return
				}
			}
		}()
		e.post(e.client(), e.serve(answers("early")).URL, in)
		assert.ErrorIs(t, receive(t, "the writer's error", learnt), io.ErrClosedPipe)
	}},
	{name: "an upload waits for 100", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		var early int32
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			early = body.reads.Load()
			got, _ := io.ReadAll(r.Body)
			_, _ = w.Write(got)
		})
		got := e.do(e.client(continues), e.expecting(s.URL, body))
		assert.Equal(t, "text", got.body)
		assert.Zero(t, early, "reads before the server asked for it")
	}},
	{name: "an upload that the server does not want is not sent", run: func(t *testing.T, e *env) {
		body := newUpload(strings.NewReader("text"))
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusExpectationFailed)
		})
		got := e.do(e.client(continues), e.expecting(s.URL, body))
		assert.Equal(t, http.StatusExpectationFailed, got.StatusCode)
		receive(t, "Close of the upload", body.closed.done)
		assert.Zero(t, body.reads.Load())
	}},
	{name: "an upload does not wait for 100 longer than it should", run: func(t *testing.T, e *env) {
		body := newUpload(&onFirstRead{Reader: strings.NewReader("text"), first: newLatch()})
		begun := body.Reader.(*onFirstRead).first
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			<-begun.done // before which the handler asks for nothing
			got, _ := io.ReadAll(r.Body)
			_, _ = w.Write(got)
		})
		client := e.client(func(base *http.Transport) { base.ExpectContinueTimeout = 10 * time.Millisecond })
		assert.Equal(t, "text", e.do(client, e.expecting(s.URL, body)).body)
	}},
	{name: "without a timeout for it an upload does not wait for 100", run: func(t *testing.T, e *env) {
		first := newLatch()
		s := e.serve(func(w http.ResponseWriter, r *http.Request) {
			<-first.done
			got, _ := io.ReadAll(r.Body)
			_, _ = w.Write(got)
		})
		body := io.NopCloser(&onFirstRead{Reader: strings.NewReader("text"), first: first})
		assert.Equal(t, "text", e.do(e.client(), e.expecting(s.URL, body)).body)
	}},
	{name: "the waiting for 100 can be traced", run: func(t *testing.T, e *env) {
		var steps record
		s, _ := e.serveOne()
		req := e.traced(&httptrace.ClientTrace{
			Wait100Continue: func() { steps.add("wait") },
			Got100Continue:  func() { steps.add("got") },
			WroteRequest:    func(httptrace.WroteRequestInfo) { steps.add("wrote") },
		}, "POST", s.URL, strings.NewReader("text"))
		req.Header.Set("Expect", "100-continue")
		e.do(e.client(continues), req)
		assert.Eventually(t, func() bool { return len(steps.list()) == 3 }, patience, time.Millisecond) // a goroutine tells
		if e.ours && !e.mode.http2() {
			assert.Equal(t, []string{"wait", "got", "wrote"}, steps.list())
		} else { // the 100 may be there before somebody tells of the waiting
			assert.ElementsMatch(t, []string{"wait", "got", "wrote"}, steps.list())
		}
	}},
	{name: "early hints are delivered before the response", run: func(t *testing.T, e *env) {
		hinted := newLatch()
		s := e.serve(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			<-hinted.done
			w.Header().Set("X-Final", "yes")
		})
		var link string
		req := e.traced(&httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			link = h.Get("Link")
			hinted.set()
			return nil
		}}, "GET", s.URL, nil)
		got := e.do(e.client(), req)
		assert.Equal(t, 200, got.StatusCode)
		assert.Equal(t, "yes", got.Header.Get("X-Final"))
		assert.Equal(t, "</style.css>; rel=preload", link)
	}},
	{name: "several informational responses come in order", run: func(t *testing.T, e *env) {
		var codes []int
		req := e.traced(&httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			codes = append(codes, code)
			return nil
		}}, "GET", e.serve(informs(102, 103, 110, 103)).URL, nil)
		assert.Equal(t, 200, e.do(e.client(), req).StatusCode)
		assert.Equal(t, []int{102, 103, 110, 103}, codes)
	}},
	{name: "informational responses that nobody traces are skipped", run: func(t *testing.T, e *env) {
		assert.Equal(t, 200, e.get(e.client(), e.serve(informs(102, 103)).URL).StatusCode)
	}},
	{name: "a trace that refuses an informational response ends the request", run: func(t *testing.T, e *env) {
		req := e.traced(&httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
			return context.Canceled
		}}, "GET", e.serve(informs(103)).URL, nil)
		err := e.fail(e.client(), req)
		if !e.mode.http2() { // which makes a fault of the server's out of it
			assert.ErrorIs(t, err, context.Canceled)
		}
	}},
	{name: "a hundred informational responses are delivered", run: func(t *testing.T, e *env) {
		n := 0
		req := e.traced(&httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
			n++
			return nil
		}}, "GET", e.serve(informsOften(100)).URL, nil)
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 8 << 10 }
		assert.Equal(t, 200, e.do(e.client(small), req).StatusCode)
		assert.Equal(t, 100, n)
	}},
	{name: "a flood of informational responses ends at the limit for headers", run: func(t *testing.T, e *env) {
		small := func(base *http.Transport) { base.MaxResponseHeaderBytes = 8 << 10 }
		_ = e.fail(e.client(small), e.request("GET", e.serve(informsOften(100)).URL, nil))
	}},
}

// onFirstRead tells of the first read.
type onFirstRead struct {
	io.Reader
	first *latch
}

func (r *onFirstRead) Read(p []byte) (int, error) {
	r.first.set()
	return r.Reader.Read(p)
}

// informs is a handler that sends informational responses before its answer.
func informs(codes ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, code := range codes {
			w.WriteHeader(code)
		}
	}
}

// informsOften is a handler that sends n informational responses of 1 KB.
func informsOften(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<10))
		for range n {
			w.WriteHeader(http.StatusEarlyHints)
		}
	}
}
