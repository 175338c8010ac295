package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

const idHeader = "X-Request-Id"

// call is one request of a client, and what the client saw of it.
type call struct {
	id, method string
	status     int   // 0: there was no answer
	err        error // then
}

// poll lets a client in each lane make calls, GET and POST, aimed at the
// instants at which connections are closed along the path.
func poll(ctx context.Context, address string, lanes, calls int) []call {
	transport := &http.Transport{DisableKeepAlives: true} // so that its own hop is out of the question
	all := make([]call, lanes*calls)
	var done sync.WaitGroup
	for lane := range lanes {
		done.Go(func() {
			time.Sleep(rand.N(proxyTimeout)) // not in step
			send(ctx, transport, address, lane, &call{method: http.MethodGet})
			for n := range calls {
				time.Sleep(gap())
				c := &all[lane*calls+n]
				c.id = fmt.Sprintf("%d-%d", lane, n)
				c.method = []string{http.MethodGet, http.MethodPost}[rand.IntN(2)]
				send(ctx, transport, address, lane, c)
			}
		})
	}
	done.Wait()
	return all
}

// gap draws an idle time around the timeout of the proxies, or the hub's. What
// the client sends is under way for a while, and the answer was.
func gap() time.Duration {
	timeout := []time.Duration{proxyTimeout, hubTimeout}[rand.IntN(2)]
	return timeout - 6*delay + rand.N(8*delay)
}

func send(ctx context.Context, transport http.RoundTripper, address string, lane int, c *call) {
	var body io.Reader
	if c.method == http.MethodPost { // of unknown length, so that no hop can send it again by itself
		body = io.NopCloser(strings.NewReader("<methodCall><methodName>getTaskInfo</methodName></methodCall>"))
	}
	var req *http.Request
	if req, c.err = http.NewRequestWithContext(ctx, c.method, fmt.Sprintf("http://%s/%d/kojihub", address, lane), body); c.err != nil {
		return
	}
	req.Header.Set(idHeader, c.id)
	var resp *http.Response
	if resp, c.err = transport.RoundTrip(req); c.err != nil {
		return
	}
	_, c.err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	c.status = resp.StatusCode
}
