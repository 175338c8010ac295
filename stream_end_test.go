package ttlpool_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAResponseWithoutABodyOverHTTP2NeedsNeitherReadingNorClosing(t *testing.T) {
	for _, row := range []struct {
		name   string
		method string
		end    bool // the stream ends with the head
		head   []string
	}{
		{"HEAD", "HEAD", true, []string{":status", "200", "content-length", "100"}},
		{"204", "GET", true, []string{":status", "204"}},
		{"204, and the stream ends later", "GET", false, []string{":status", "204"}},
		{"304", "GET", true, []string{":status", "304", "content-length", "100"}},
		{"an empty body", "GET", true, []string{":status", "200"}},
		{"an empty body, as is stated", "GET", true, []string{":status", "200", "content-length", "0"}},
		{"an empty body, as is stated, and the stream ends later", "GET", false, []string{":status", "200", "content-length", "0"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newMemNet()
				startFrames(t, network.Listen("hub:80"), func(f *framer) {
					for id, _ := f.request(); id != 0; id, _ = f.request() {
						f.head(id, row.end, row.head...)
					}
				})
				tr := newTransport(t, overHTTP2(network))
				resp, err := tr.RoundTrip(newRequest(t, t.Context(), row.method, "http://hub/", nil))
				require.NoError(t, err)
				assert.Zero(t, tr.Stats().InUse)
				assert.NoError(t, tr.Shutdown(t.Context()))
				text, err := io.ReadAll(resp.Body)
				assert.NoError(t, err)
				assert.Empty(t, text)
				assert.NoError(t, resp.Body.Close())
			})
		})
	}
}

func TestTrailersOfAnEmptyBodyOverHTTP2AreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemNet()
		startFrames(t, network.Listen("hub:80"), func(f *framer) {
			id, _ := f.request()
			f.head(id, false, ":status", "200", "content-length", "0", "trailer", "X-Sum")
			f.head(id, true, "x-sum", "0")
			f.request()
		})
		tr := newTransport(t, overHTTP2(network))
		resp, err := tr.RoundTrip(newRequest(t, t.Context(), "GET", "http://hub/", nil))
		require.NoError(t, err)
		readBody(t, resp)
		assert.Equal(t, "0", resp.Trailer.Get("X-Sum"))
	})
}

// Nobody reads or closes its body any more.
func TestAResponseOverHTTP2EndsWithItsContext(t *testing.T) {
	for _, end := range endings() {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, gone := newMemNet(), make(chan struct{})
				startHTTP2(t, network, nil, func(w http.ResponseWriter, r *http.Request) {
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
					close(gone)
				})
				tr := newTransport(t, overHTTP2(network))
				request := end.arm(t, tr, newRequest(t, t.Context(), "GET", "http://hub/", nil))
				resp, err := request.do(request.req)
				require.NoError(t, err)
				assert.Equal(t, 1, tr.Stats().InUse)
				request.finish()
				<-gone
				synctest.Wait()
				assert.Zero(t, tr.Stats().InUse)
				assert.Equal(t, 1, tr.Stats().Idle)
				assert.NoError(t, tr.Shutdown(t.Context()))
				_, err = resp.Body.Read(make([]byte, 1))
				request.check(err)
				assert.NoError(t, resp.Body.Close())
			})
		})
	}
}
