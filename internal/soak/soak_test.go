package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
	"github.com/ttlpool/ttlpool/internal/realtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAShortSoakFindsNothing(t *testing.T) {
	var out bytes.Buffer
	found, err := run(&out, 3*time.Second, 12)
	require.NoError(t, err)
	assert.Zero(t, found.total(), out.String())
	for _, name := range []string{"plain", "HTTP/2", "through a tunnel", "restarts", "speaks out of turn", "speaks soon",
		"HTTP/2, no TLS", "ReverseProxy"} {
		assert.Contains(t, out.String(), name)
	}
	t.Log(out.String())
}

func TestAServerThatIsMissingIsNamedAndInCIAnError(t *testing.T) {
	var out bytes.Buffer
	missing := fmt.Errorf("no nginx found. %w", realtest.ErrNotInstalled)
	t.Setenv("CI", "")
	assert.True(t, excused(&out, missing))
	assert.Contains(t, out.String(), "NOT TESTED: no nginx found")
	assert.False(t, excused(&out, errors.New("another")))
	assert.False(t, excused(&out, nil))
	t.Setenv("CI", "true")
	assert.False(t, excused(&out, missing))
}

// What a reverse proxy says of its own backend is judged as if it had been met here.
func TestAProxysReasonCounts(t *testing.T) {
	found := &findings{}
	w := &worker{findings: found}
	hop := &backend{steady: true}
	assert.Equal(t, late, w.blame(hop, &kind{}, margin, proxyError{http.StatusBadGateway, whyStale}))
	assert.Zero(t, found.total())
	w.blame(hop, &kind{}, margin-1, proxyError{http.StatusBadGateway, whyStale})
	w.blame(hop, &kind{}, margin, proxyError{http.StatusBadGateway, "refused"})
	assert.Equal(t, 2, found.counts[needlessly])
}

// roundTrip is a transport that does as it likes.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestWhatMustNotHappenIsFound has transports that do it.
func TestWhatMustNotHappenIsFound(t *testing.T) {
	get := &kind{name: "GET", method: http.MethodGet, answer: 100}
	post := &kind{name: "POST", method: http.MethodPost, body: 100, stream: true, answer: 100}
	for _, row := range []struct {
		name string
		kind *kind
		do   func(l *ledger, req *http.Request) (*http.Response, error)
		want finding
		text string
	}{
		{"another's answer", get, func(l *ledger, req *http.Request) (*http.Response, error) {
			return answerTo(l, req, func(r *http.Response) { r.Header.Set(idHeader, "7-7") }), nil
		}, wrongAnswer, `200 OK of "7-7" to 0-1`},
		{"an answer that nobody asked for", get, func(l *ledger, req *http.Request) (*http.Response, error) {
			return answerTo(l, req, func(r *http.Response) { r.Header.Set(idHeader, unaskedID) }), nil
		}, wrongAnswer, `200 OK of "unasked" to 0-1`},
		{"another's body", get, func(l *ledger, req *http.Request) (*http.Response, error) {
			return answerTo(l, req, func(r *http.Response) { r.Body = io.NopCloser(newPattern("7-7", 100)) }), nil
		}, wrongAnswer, "its body is"},
		{"half a body arrived", post, func(l *ledger, req *http.Request) (*http.Response, error) {
			return answerTo(l, req, func(r *http.Response) { r.Header.Set(gotHeader, "1-00000000") }), nil
		}, wrongAnswer, "the server got 1-00000000"},
		{"answered by nobody", get, func(l *ledger, req *http.Request) (*http.Response, error) {
			r := answerTo(l, req, nil)
			l.change(req.Header.Get(idHeader), func(e *entry) { e.processed = 0 })
			return r, nil
		}, wrongAnswer, "answered, and not processed"},
		{"a POST is sent twice", post, func(l *ledger, req *http.Request) (*http.Response, error) {
			l.process(req.Header.Get(idHeader))
			return answerTo(l, req, nil), nil
		}, processedTwice, "request 0-1: 2 times"},
		{"a needless failure", get, func(*ledger, *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
		}, needlessly, "connection reset"},
		{"a proxy's failure", get, func(l *ledger, req *http.Request) (*http.Response, error) {
			return answerTo(l, req, func(r *http.Response) {
				r.StatusCode = http.StatusBadGateway
				r.Header.Del(idHeader)
			}), nil
		}, needlessly, "502, of the proxy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := &findings{}
			l := newLedger(1, found)
			w := &worker{ledger: l, findings: found, number: 1, transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				return row.do(l, req)
			})}
			w.call(&backend{name: "steady", url: "http://hub.test", steady: true}, row.kind)
			l.finish()
			assert.Equal(t, 1, found.counts[row.want], found.String())
			assert.Equal(t, 1, found.total(), found.String())
			assert.Contains(t, found.String(), row.text)
		})
	}
}

// A process that stalls sends late, and its server's time goes on meanwhile.
func TestAStallIsNotTheTransportsFault(t *testing.T) {
	found := &findings{}
	w := &worker{findings: found}
	steady, restarting := &backend{steady: true}, &backend{}
	stale := &ttlpool.ExchangeError{Stale: true, Err: io.EOF}
	refusal := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	k := &kind{}
	assert.Equal(t, late, w.blame(steady, k, margin, stale))
	assert.Equal(t, staleLost, w.blame(restarting, k, 0, stale))
	assert.Equal(t, refused, w.blame(restarting, k, 0, refusal))
	assert.Equal(t, broken, w.blame(restarting, k, 0, io.ErrUnexpectedEOF))
	assert.Zero(t, found.total())
	w.blame(steady, k, margin-1, stale)
	w.blame(steady, k, margin, io.ErrUnexpectedEOF)
	w.blame(steady, k, margin, refusal)
	assert.Equal(t, 3, found.counts[needlessly])
}

// answerTo is the ledger's own answer, spoiled.
func answerTo(l *ledger, req *http.Request, spoil func(*http.Response)) *http.Response {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	recorder := &recorded{header: make(http.Header)}
	l.ServeHTTP(recorder, req)
	r := &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Header: recorder.header, Body: io.NopCloser(&recorder.body)}
	if spoil != nil {
		spoil(r)
	}
	return r
}

type recorded struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorded) WriteHeader(int)             {}

func TestARequestMayBeProcessedTwiceIfItSaysSo(t *testing.T) {
	found := &findings{}
	l := newLedger(2, found)
	id := l.begin(1, 5, true)
	l.process(id)
	l.process(id)
	l.process("1-6") // not begun
	l.process("no id")
	l.finish()
	assert.Zero(t, found.total(), found.String())
}

func TestTheLedgerJudgesWhatItForgets(t *testing.T) {
	found := &findings{}
	l := newLedger(1, found)
	id := l.begin(0, 0, false)
	l.process(id)
	l.process(id)
	l.begin(0, remembered, false)
	assert.Equal(t, 1, found.counts[processedTwice])
	l.process(id) // too late to be noticed, and no other's
	assert.Zero(t, l.at(0, remembered).processed)
}

func TestGrowthIsFound(t *testing.T) {
	was := usage{goroutines: 10, descriptors: 10, heap: 1 << 20}
	for _, row := range []struct {
		is   usage
		text string
	}{
		{usage{goroutines: 31, descriptors: 10, heap: 1 << 20}, "from 10 goroutines to 31"},
		{usage{goroutines: 10, descriptors: 31, heap: 1 << 20}, "from 10 descriptors to 31"},
		{usage{goroutines: 10, descriptors: 10, heap: 6 << 20}, "from 1024 KiB of heap to 6144"},
	} {
		found := &findings{}
		found.compare("while it ran", was, row.is)
		assert.Equal(t, 1, found.total())
		assert.Contains(t, found.String(), row.text)
	}
	found := &findings{}
	found.compare("while it ran", was, was)
	assert.Zero(t, found.total())
}

func TestAPatternIsTheRequestsOwn(t *testing.T) {
	text, err := io.ReadAll(newPattern("3-14", 12))
	require.NoError(t, err)
	assert.Equal(t, "3-14\n3-14\n3-", string(text))
	k := &kind{method: http.MethodGet}
	assert.NoError(t, k.compare(strings.NewReader(string(text)), newPattern("3-14", 12)))
	assert.ErrorIs(t, k.compare(strings.NewReader(string(text)+"x"), newPattern("3-14", 12)), errWrong)
	assert.ErrorIs(t, k.compare(strings.NewReader("3-14\n3-15\n3-"), newPattern("3-14", 12)), errWrong)
	assert.True(t, errors.Is(k.compare(strings.NewReader("3-14\n"), newPattern("3-14", 12)), io.ErrUnexpectedEOF))
}
