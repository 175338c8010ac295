package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// pollTimeout bounds a poll, so that a run ends even when the server does not answer.
const pollTimeout = 5 * time.Second

// sample is one poll.
type sample struct {
	kind    callKind
	aimed   bool          // at a close
	offset  time.Duration // from that close to the sending
	latency time.Duration
	failure failureKind // "" when it was answered
	text    string      // of the failure
}

// worker polls through one lane of a leg, one poll after the other.
type worker struct {
	leg     *leg
	to      target
	lane    int
	aim     aim
	rng     *rand.Rand
	fastest time.Duration // answer so far
	samples []sample
}

// run polls until ctx ends. A poll that is under way then is finished.
func (w *worker) run(ctx context.Context, start time.Time) {
	send, mark := start, time.Time{}
	for turn := 0; sleepUntil(ctx, send); turn++ {
		sent := time.Now()
		s := w.poll(ctx, turn)
		answered := time.Now()
		s.latency = answered.Sub(sent)
		if s.aimed = !mark.IsZero(); s.aimed {
			s.offset = sent.Sub(mark)
		}
		w.record(s)
		send, mark = w.aim.next(w.rng, windowFor(w.fastest), exchange{w.lane, turn, answered})
	}
}

func (w *worker) record(s sample) {
	w.samples = append(w.samples, s)
	w.leg.requests.Add(1)
	if s.failure != "" {
		w.leg.failures.Add(1)
		return
	}
	if w.fastest == 0 || s.latency < w.fastest {
		w.fastest = s.latency
	}
}

func (w *worker) poll(ctx context.Context, turn int) sample {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pollTimeout)
	defer cancel()
	c := randomCall(w.rng, fmt.Sprintf("%s.%d.%d", w.leg.spec.name, w.lane, turn))
	kind, err := w.ask(ctx, c)
	if err != nil {
		return sample{kind: c.kind, failure: kind, text: err.Error()}
	}
	return sample{kind: c.kind}
}

// ask makes the call. Any answer of the server is a good one, unless the server is our hub and we know better.
func (w *worker) ask(ctx context.Context, c call) (failureKind, error) {
	req, err := c.request(ctx, w.leg.base, w.to)
	if err != nil {
		return failedOther, err
	}
	resp, err := w.leg.client.Do(req)
	if err != nil {
		return classify(err), err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return classify(err), err
	}
	if kind := resp.Header.Get(failureHeader); kind != "" {
		return failureKind(kind), errors.New(string(body))
	}
	if w.to.isOurHub {
		if err := c.check(resp, body); err != nil {
			return classify(err), err
		}
	}
	return "", nil
}
