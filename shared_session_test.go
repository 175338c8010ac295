package ttlpool_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// Over HTTP/2 a connection is not only that of the request whose hook panics.
func TestAPanicOverHTTP2LeavesTheOthersAlone(t *testing.T) {
	const mine = "a panic of my own"
	goOn := make(chan struct{})
	s, config := tlsServerOf(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_, _ = io.WriteString(w, "a beginning, ")
			_ = http.NewResponseController(w).Flush()
			<-goOn
		}
		_, _ = io.WriteString(w, "an end")
	})
	tr := based(t, &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true})
	slow, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", s.URL+"/slow", nil))
	require.NoError(t, err)
	require.Equal(t, 2, slow.ProtoMajor)

	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { panic(mine) }})
	assert.PanicsWithValue(t, mine, func() {
		_, _ = tr.RoundTrip(newRequest(t, ctx, "GET", s.URL, nil))
	})
	assert.Equal(t, "an end", get(t, tr, s.URL))
	close(goOn)
	text, err := io.ReadAll(slow.Body)
	assert.NoError(t, err)
	assert.Equal(t, "a beginning, an end", string(text))
	assert.NoError(t, slow.Body.Close())
	assert.EqualValues(t, 1, tr.Stats().Counts.Dials)
	requireNothingLeft(t, tr)
}

// The server tells how many streams it allows when the first has begun. net/http would have the others wait for that one.
func TestAStreamOverTheLimitOfTheOnlyConnectionWaitsInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, goOn := newMemNet(), make(chan struct{})
		startHTTP2(t, network, &http.HTTP2Config{MaxConcurrentStreams: 1}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				_ = http.NewResponseController(w).Flush()
				<-goOn
			}
			_, _ = io.WriteString(w, "an end")
		})
		tr := newTransport(t, overHTTP2(network), ttlpool.WithMaxConnsPerHost(1))
		long, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/long", nil))
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = tr.RoundTrip(newRequest(t, ctx, "GET", "http://hub/", nil))
		assert.Equal(t, context.DeadlineExceeded, err)
		assert.Zero(t, tr.Stats().Waiting)

		served := make(chan string, 1)
		go func() { served <- get(t, tr, "http://hub/") }()
		synctest.Wait()
		assert.Equal(t, 1, tr.Stats().Waiting)
		close(goOn)
		assert.Equal(t, "an end", readBody(t, long))
		assert.Equal(t, "an end", <-served)
		assert.EqualValues(t, 1, tr.Stats().Counts.Dials)
	})
}
