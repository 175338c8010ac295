package ttlpool

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/ttlpool/ttlpool/internal/replay"
)

func TestP5TheRetryTable(t *testing.T) {
	const (
		fresh    = "the connection was fresh"
		answered = "part of a response had arrived"
		unsafe   = "POST is not idempotent"
		gone     = "the body cannot be sent again"
		own      = "the failure was the request's own"
		timeout  = "it timed out"
	)
	for _, row := range []struct {
		name       string
		failure    failure
		post       string // why a POST is not sent again; "": it is
		idempotent string // the same for a request that is idempotent, or declared so
	}{
		{"fresh", failure{sent: 100}, fresh, fresh},
		{"fresh, nothing written", failure{}, fresh, fresh},
		{"fresh, written, unseen", failure{sent: 100, unseen: true}, "", ""},
		{"reused, nothing written", failure{reused: true}, "", ""},
		{"reused, written", failure{reused: true, sent: 100}, unsafe, ""},
		{"reused, how much was written is unknown", failure{reused: true, sent: -1, received: -1}, unsafe, ""},
		{"reused, written, unseen", failure{reused: true, sent: 100, unseen: true}, "", ""},
		{"reused, a foreign answer read, unseen", failure{reused: true, sent: 100, received: 50, unseen: true}, "", ""},
		{"fresh, refused before it was begun", failure{sent: -1, received: -1, unseen: true}, "", ""},
		{"after the first byte of a response", failure{reused: true, sent: 100, received: 1}, answered, answered},
		{"after it, nothing written", failure{reused: true, received: 1}, answered, answered},
		{"cancelled", failure{reused: true, own: true}, own, own},
		{"cancelled after writing", failure{reused: true, own: true, sent: 100, unseen: true}, own, own},
		{"timed out", failure{reused: true, timedOut: true}, timeout, timeout},
		{"timed out after writing", failure{reused: true, timedOut: true, sent: 100}, timeout, timeout},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, idempotent := range []bool{false, true} {
				f, want := row.failure, row.post
				f.method, f.idempotent, f.replayable = "POST", idempotent, true
				if idempotent {
					want = row.idempotent
				}
				assert.Equal(t, want, f.notRetried(), "idempotent: %v", idempotent)
				assert.Equal(t, want == "", f.retry(), "idempotent: %v", idempotent)

				f.replayable = false
				assert.False(t, f.retry(), "with a body that cannot be sent again")
				if want == "" {
					want = gone
				}
				assert.Equal(t, want, f.notRetried(), "with a body that cannot be sent again")

				f.replayable, f.second = true, true
				assert.False(t, f.retry(), "a second time")
			}
		})
	}
}

// What the table was asked with may be over: a Read of the first try has returned.
func TestP5ABodyOfWhichTooMuchWasReadMeanwhileIsNotSentAgain(t *testing.T) {
	for _, limit := range []int64{3, 4} {
		f := &flight{request: new(http.Request), body: replay.New(io.NopCloser(strings.NewReader("body")), limit)}
		first, _ := f.body.Attempt()
		failed := &failedExchange{failure: failure{reused: true, sent: 1, idempotent: true, replayable: f.replayable()}}
		assert.True(t, failed.retry())
		_, err := io.ReadFull(first, make([]byte, 4))
		assert.NoError(t, err)
		if limit == 4 {
			assert.True(t, f.decide(failed))
			assert.Empty(t, failed.notRetried())
			continue
		}
		assert.False(t, f.decide(failed))
		assert.Equal(t, "the body cannot be sent again", failed.notRetried())
	}
}

// The rules of the table in other words, over everything that can be.
func TestP5NothingElseIsSentAgain(t *testing.T) {
	both := []bool{false, true}
	counts := []int64{-1, 0, 1}
	for _, f := range everyFailure(both, counts) {
		mayHaveActed := f.sent != 0 && !f.idempotent && !f.unseen
		excluded := f.own || f.timedOut || f.second || !f.replayable
		hopeless := !f.unseen && (!f.reused || f.received > 0)
		assert.Equal(t, !excluded && !hopeless && !mayHaveActed, f.retry(), "%+v", f)
		if f.retry() {
			assert.Empty(t, f.notRetried(), "%+v", f)
		} else if !f.second {
			assert.NotEmpty(t, f.notRetried(), "%+v", f)
		}
	}
}

func everyFailure(both []bool, counts []int64) (all []failure) {
	for _, sent := range counts {
		for _, received := range counts {
			for bits := range 1 << 7 {
				bit := func(n int) bool { return both[bits>>n&1] }
				all = append(all, failure{
					reused: bit(0), second: bit(1), own: bit(2), timedOut: bit(3), unseen: bit(4),
					idempotent: bit(5), replayable: bit(6), sent: sent, received: received, method: "POST",
				})
			}
		}
	}
	return all
}

func TestWhatCountsAsStale(t *testing.T) {
	for _, row := range []struct {
		name    string
		failure failure
		want    bool
	}{
		{"reused and silent", failure{reused: true, sent: 100}, true},
		{"reused, nothing known", failure{reused: true, sent: -1, received: -1}, true},
		{"reused, a foreign answer", failure{reused: true, received: 10, unseen: true}, true},
		{"fresh", failure{sent: 100}, false},
		{"fresh, unseen", failure{sent: 100, unseen: true}, false},
		{"cancelled", failure{reused: true, own: true}, false},
		{"timed out", failure{reused: true, timedOut: true}, false},
		{"after the first byte of a response", failure{reused: true, received: 1}, false},
	} {
		assert.Equal(t, row.want, row.failure.stale(), row.name)
	}
}

func TestWhatIsIdempotent(t *testing.T) {
	declared := func(req *http.Request) bool { return req.URL.Path == "/query" }
	for _, row := range []struct {
		method, header, path string
		ctx                  context.Context
		want                 bool
	}{
		{method: "", want: true},
		{method: "GET", want: true},
		{method: "HEAD", want: true},
		{method: "OPTIONS", want: true},
		{method: "TRACE", want: true},
		{method: "PUT", want: true},
		{method: "DELETE", want: true},
		{method: "POST"},
		{method: "PATCH"},
		{method: "CONNECT"},
		{method: "get"}, // methods are case-sensitive
		{method: "QUUX"},
		{method: "POST", header: "Idempotency-Key", want: true},
		{method: "PATCH", header: "X-Idempotency-Key", want: true},
		{method: "POST", header: "X-Other"},
		{method: "POST", ctx: Idempotent(context.Background()), want: true},
		{method: "POST", ctx: context.WithValue(Idempotent(context.Background()), someKey{}, 1), want: true},
		{method: "POST", path: "/query", want: true},
		{method: "POST", path: "/order"},
	} {
		ctx := row.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		req, err := http.NewRequestWithContext(ctx, row.method, "http://hub.test"+row.path, nil)
		assert.NoError(t, err)
		req.Method = row.method // NewRequest puts GET for none
		if row.header != "" {
			req.Header.Set(row.header, "a key")
		}
		tr := &Transport{declaredIdempotent: declared}
		assert.Equal(t, row.want, tr.idempotent(req), "%+v", row)
	}
	assert.False(t, (&Transport{}).idempotent(&http.Request{Method: "POST"}), "no predicate")
}

// someKey is a key of somebody else's.
type someKey struct{}

func TestAProofIsWaitedForOnlyWhereItDecides(t *testing.T) {
	post := failure{sent: 100, replayable: true}
	for name, row := range map[string]struct {
		change func(*failure)
		want   bool
	}{
		"a POST":                  {func(*failure) {}, true},
		"it is sent again anyway": {func(f *failure) { f.idempotent = true }, false},
		"its body is gone":        {func(f *failure) { f.replayable = false }, false},
		"nothing was sent":        {func(f *failure) { f.sent = 0 }, false},
		"it was the second try":   {func(f *failure) { f.second = true }, false},
	} {
		e := &failedExchange{failure: post}
		row.change(&e.failure)
		assert.Equal(t, row.want, e.hopesForProof(), name)
	}
}
