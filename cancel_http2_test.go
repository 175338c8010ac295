package ttlpool_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// unencrypted is HTTP/2 with prior knowledge.
func unencrypted() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// startHTTP2 serves HTTP/2 in the clear at hub:80, until the test's end.
func startHTTP2(t testing.TB, network *memNet, config *http.HTTP2Config, handler http.HandlerFunc) {
	s := &http.Server{Handler: handler, Protocols: unencrypted(), HTTP2: config}
	served := make(chan struct{})
	l := network.Listen("hub:80")
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
	})
}

// overHTTP2 is the options for such a server.
func overHTTP2(network *memNet) ttlpool.Option {
	return ttlpool.WithBase(&http.Transport{DialContext: network.Dial, Protocols: unencrypted()})
}

// A request that its caller ends is no sign of a stale connection, whichever way of ending it is noticed first. Where two
// are noticed at once it is chance which comes first, so each is tried many times.
func TestAStreamThatItsCallerEndsLeavesTheConnectionToOthers(t *testing.T) {
	for _, end := range append(endings(), clientTimeout(time.Minute)) {
		for _, method := range []string{"GET", "POST"} {
			for _, within := range []string{"before the response", "within the body"} {
				t.Run(end.name+", "+method+", "+within, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						network, begun := newMemNet(), make(chan struct{})
						startHTTP2(t, network, nil, func(w http.ResponseWriter, r *http.Request) {
							if r.URL.Path != "/hang" {
								return
							}
							if within == "within the body" {
								_ = http.NewResponseController(w).Flush()
							}
							begun <- struct{}{}
							<-r.Context().Done()
						})
						tr := newTransport(t, overHTTP2(network))
						get(t, tr, "http://hub/") // the connection is not fresh any more
						for range 50 {
							request := end.arm(t, tr, newRequest(t, t.Context(), method, "http://hub/hang", nil))
							done := make(chan error, 1)
							go func() { done <- readTo(request.do(request.req)) }()
							<-begun
							synctest.Wait()
							request.finish()
							request.check(<-done)
						}
						stats := tr.Stats()
						assert.EqualValues(t, 1, stats.Dials)
						assert.Zero(t, stats.Stale)
						assert.Zero(t, stats.Retries)
						assert.Equal(t, "", get(t, tr, "http://hub/"))
						require.EqualValues(t, 1, tr.Stats().Open)
					})
				})
			}
		}
	}
}

// readTo returns the error with which a response ends, at its head or in its body.
func readTo(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return err
}
