package contract

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"testing"
	"time"
)

// runner is one run of an exchange through one transport against a server of its own.
type runner struct {
	t         *testing.T
	x         exchange
	want      want
	stage     *stage
	server    *server
	transport http.RoundTripper
	url       string
	call      *call
	slow      bool // it took longer than tooLong
}

// run runs x, whose outcome should be w, and returns what came of it. It may be called from any goroutine. A transport that waits
// for something in vain does so each time, and a machine that stalls does not: what took too long is timed again.
func run(t *testing.T, open contestant, x exchange, w want, m mode) *outcome {
	came, slow := runOnce(t, open, x, w, m)
	if slow {
		if _, again := runOnce(t, open, x, w, m); again {
			came.notes = append(came.notes, "it took too long")
		}
	}
	return came
}

// runOnce says also whether it took too long.
func runOnce(t *testing.T, open contestant, x exchange, w want, m mode) (came *outcome, slow bool) {
	r := &runner{t: t, x: x, want: w, stage: newStage()}
	r.call = &call{outcome: &outcome{}, stage: r.stage}
	defer r.stage.stop()
	r.server = listen(t, x, m, r.stage)
	defer r.server.close()
	defer context.AfterFunc(r.stage.ctx, r.server.hangUp)()
	r.url = "http://" + r.server.listener.Addr().String()
	if m == overTLS {
		r.url = "https://" + r.server.listener.Addr().String()
	}
	seen := &writeLog{}
	transport, end, err := open(x.newBase(m, r.stage, seen))
	if err != nil {
		t.Errorf("%s: %v", m, err)
		return r.call.outcome, false
	}
	r.transport, r.call.transport = transport, transport
	r.warmUp()
	warming := len(seen.all())
	upload := r.exchange()
	r.observe(upload)
	for _, w := range seen.all()[warming:] {
		r.call.writes = append(r.call.writes, r.server.anonymous(w))
	}
	r.probe()
	end()
	r.server.close()
	for _, p := range r.server.all() {
		if p.fault != nil {
			r.call.note("%v", p.fault)
		}
	}
	r.call.uploads = upload.closes()
	return r.call.outcome, r.slow
}

// warmUp leaves as many idle connections as x asks for.
func (r *runner) warmUp() {
	var warming sync.WaitGroup
	for range r.x.warm {
		warming.Go(func() {
			if got := r.get(warmPath); got != "200 after" {
				r.t.Errorf("warming a connection: %s", got)
			}
		})
	}
	warming.Wait()
	r.stage.tell(idle)
}

// get sends an ordinary request and returns what it got.
func (r *runner) get(path string) string {
	req, err := http.NewRequestWithContext(r.stage.ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := r.transport.RoundTrip(req)
	if err != nil {
		return classify(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return classify(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}

// exchange sends the request and does with the response what the caller would.
func (r *runner) exchange() *watch {
	ctx, cancel := context.WithCancelCause(r.stage.ctx)
	r.stage.cancel = cancel
	defer cancel(nil)
	if r.x.deadline > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, r.x.deadline)
		defer stop()
	}
	if r.x.passes != "" {
		ctx = &forced{passed: r.stage.reached(r.x.passes), at: time.Now().Add(patience)}
	}
	if r.x.trace != nil {
		ctx = httptrace.WithClientTrace(ctx, r.x.trace(r.call))
	}
	if r.x.after != "" && r.stage.await(r.x.after) != nil {
		r.call.note("never: %s", r.x.after)
	}
	req, upload, err := r.x.newRequest(ctx, r.url, r.stage)
	if err != nil {
		r.t.Errorf("%s: %v", r.x.name, err)
		return nil
	}
	if r.x.before != nil {
		r.x.before(r.stage)
	}
	before, start := flatten(req.Header), time.Now()
	returnedInTime := r.roundTrip(req)
	if returnedInTime && flatten(req.Header) != before {
		r.call.note("the caller's header was changed")
	}
	r.stage.tell(returned)
	if r.call.response != nil {
		r.act()
	}
	r.slow = time.Since(start) > tooLong
	r.stage.tell(finished)
	return upload
}

// roundTrip reports whether RoundTrip has returned at all.
func (r *runner) roundTrip(req *http.Request) bool {
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		resp, err := r.transport.RoundTrip(req)
		done <- result{resp, err}
	}()
	select {
	case got := <-done:
		r.call.err = classify(got.err)
		if got.resp == nil {
			return true
		}
		r.call.response, r.call.header = got.resp, flatten(got.resp.Header)
		if got.resp.Request != req {
			r.call.note("the response belongs to another request")
		}
		if (got.resp.TLS != nil) != (req.URL.Scheme == "https") {
			r.call.note("Response.TLS: %v", got.resp.TLS != nil)
		}
		return true
	case <-time.After(patience + grace):
		r.call.err = hung
		return false
	}
}

// act is the caller's part after RoundTrip. The body is closed in the end, whatever happened.
func (r *runner) act() {
	acts := r.x.use
	if acts == nil {
		acts = readAll
	}
	for _, act := range acts {
		if err := act(r.call); err != nil {
			r.call.bodyErr = classify(err)
			break
		}
	}
	if r.call.bodyErr != "" {
		r.call.response.Body.Close()
	}
	r.call.trailer = flatten(r.call.response.Trailer)
}

// observe waits until the exchange has left its traces, and counts its connections.
func (r *runner) observe(upload *watch) {
	upload.closed()
	if !r.want.reused && !r.x.noProbe {
		r.awaitEnd()
	}
	r.call.connections = len(r.server.used())
}

// awaitEnd waits for connections that should not be used again to be closed, so that the probe does not race with it.
func (r *runner) awaitEnd() {
	if err := r.server.catchUp(); err != nil {
		r.t.Errorf("%s: %v", r.x.name, err)
	}
	for _, p := range r.server.all() {
		select {
		case <-p.gone:
		case <-p.ended: // no answer comes from it any more: that the client closes it as well is only a courtesy
			p.awaitGone(grace / 40)
		case <-time.After(grace):
		}
	}
}

// probe sends one more request and sees which connection answers it.
func (r *runner) probe() {
	used, before := r.server.used(), r.server.all()
	defer func() { r.call.wire = r.server.sent(used) }()
	if r.x.noProbe {
		return
	}
	r.call.probe = r.get(probePath)
	r.server.mu.Lock()
	probed := r.server.probe
	r.server.mu.Unlock()
	r.call.reused = slices.Contains(before, probed)
}
