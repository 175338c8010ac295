package ttlpool_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
