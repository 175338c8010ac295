package ttlpool_test

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// addedFields is what a transport may add to a request behind the fields of its caller.
type addedFields struct{ gzip, close, password, body, traced bool }

func TestTheFieldsThatATransportAddsAreInTheOrderOfNetHTTP(t *testing.T) {
	for n := range 1 << 5 {
		has := func(bit int) bool { return n>>bit&1 == 1 }
		added := addedFields{has(0), has(1), has(2), has(3), has(4)}
		t.Run(fmt.Sprintf("%+v", added), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				theirs := added.told(t, func(base *http.Transport) http.RoundTripper { return base })
				ours := added.told(t, func(base *http.Transport) http.RoundTripper { return newTransport(t, ttlpool.WithBase(base)) })
				assert.Equal(t, theirs, ours)
				assert.Equal(t, added.gzip, strings.Contains(ours, "Accept-Encoding: "))
				assert.Equal(t, added.close, strings.Contains(ours, "Connection: "))
				assert.Equal(t, added.password, strings.Contains(ours, "Proxy-Authorization: "))
			})
		})
	}
}

// told returns the head of a request as a proxy gets it, and the fields of which the trace is told.
func (a addedFields) told(t *testing.T, open func(*http.Transport) http.RoundTripper) string {
	network := newMemNet()
	var told strings.Builder
	startRaw(t, network.Listen("proxy.test:80"), func(c *rawConn) {
		for line := ""; line != "\r\n"; told.WriteString(line) {
			var err error
			if line, err = c.in.ReadString('\n'); err != nil {
				return
			}
		}
		c.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		c.awaitEnd()
	})
	proxy := &url.URL{Scheme: "http", Host: "proxy.test:80"}
	if a.password {
		proxy.User = url.UserPassword("user", "secret")
	}
	tr := open(&http.Transport{
		DialContext: network.Dial, Proxy: http.ProxyURL(proxy), DisableCompression: !a.gzip, DisableKeepAlives: a.close,
	})
	var fields []string
	ctx := t.Context()
	if a.traced {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: func(name string, _ []string) {
			fields = append(fields, name)
		}})
	}
	req := newRequest(t, ctx, "GET", "http://hub.test/", nil)
	if a.body {
		req = newRequest(t, ctx, "POST", "http://hub.test/", strings.NewReader("body"))
	}
	req.Header.Set("X-Own", "of the caller")
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	synctest.Wait()
	return told.String() + strings.Join(fields, ", ")
}
