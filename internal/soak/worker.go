package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool"
)

// patience is how long any request may take; those that are cancelled, less.
const patience = 30 * time.Second

// outcome is what may become of a request.
type outcome int

const (
	answered  outcome = iota
	givenUp           // cancelled or abandoned, as was meant
	staleLost         // it met a stale connection and could not be sent again
	broken            // its server broke off what it had begun
	refused           // its server was not there
	late              // this process was stalled for longer than the margin
	slipped           // its server had it, had not read it, and spoke out of turn
	crossed           // its server spoke out of turn as it went out, and then had it
	outcomes
)

var outcomeNames = [outcomes]string{"answered", "given up", "stale, not sent again", "broken off", "refused", "late", "slipped", "crossed"}

// worker makes one request after the other.
type worker struct {
	index     int
	transport http.RoundTripper
	backends  []*backend
	ledger    *ledger
	findings  *findings
	number    int64
	kinds     map[*kind]int64
	at        map[*backend]*[outcomes]int64
}

// errWrong is what an answer is that belongs to another request.
var errWrong = errors.New("it belongs to another request")

// run makes requests until the context ends, and lets none be.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		b := w.backends[rand.IntN(len(w.backends))]
		k := drawKind(b)
		w.number++
		result := w.call(b, k)
		w.kinds[k]++
		w.at[b][result]++
		if rand.IntN(10) == 0 { // so that some connections are idle for a while
			time.Sleep(rand.N(20 * time.Millisecond))
		}
	}
}

func (w *worker) call(b *backend, k *kind) outcome {
	limit := patience
	if k.cancelled {
		limit = rand.N(10 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var got atomic.Int64 // when it had its connection, the last one
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { got.Store(time.Now().UnixNano()) },
	})
	id := w.ledger.begin(w.index, w.number, k.repeatable())
	req, sent, size, err := k.request(ctx, b.url, id)
	if err != nil {
		w.findings.add(needlessly, err.Error())
		return broken
	}
	via := w.transport
	if b.direct {
		via = b.own
	}
	resp, err := via.RoundTrip(req)
	if err == nil {
		err = k.check(resp, id, sent, size)
		_ = resp.Body.Close()
	}
	took := time.Duration(time.Now().UnixNano() - got.Load())
	return w.judge(ctx, b, k, resp, took, err)
}

// request returns a request, the sum of its body, and how much it asks for.
func (k *kind) request(ctx context.Context, url, id string) (req *http.Request, sent string, size int, err error) {
	length := draw(k.body)
	if req, err = http.NewRequestWithContext(ctx, k.method, url+"/", k.bodyOf(id, length)); err != nil {
		return nil, "", 0, err
	}
	size = draw(k.answer)
	req.Header.Set(idHeader, id)
	req.Header.Set(sizeHeader, strconv.Itoa(size))
	if k.key {
		req.Header.Set("Idempotency-Key", id)
	}
	if k.expect {
		req.Header.Set("Expect", "100-continue")
	}
	if k.upgrade {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", echo)
	}
	sent, err = readSum(newPattern(id, length))
	return req, sent, size, err
}

// errAbandoned is why an answer was not read to its end.
var errAbandoned = errors.New("abandoned")

// check reads an answer, and finds out whether it is the request's own.
func (k *kind) check(resp *http.Response, id, sent string, size int) error {
	switch {
	case resp.StatusCode >= http.StatusInternalServerError && resp.Header.Get(idHeader) == "":
		return proxyError{resp.StatusCode, resp.Header.Get(whyHeader)}
	case resp.Header.Get(idHeader) != id || resp.StatusCode != k.success():
		return fmt.Errorf("%s of %q to %s: %w", resp.Status, resp.Header.Get(idHeader), id, errWrong)
	case resp.Header.Get(gotHeader) != sent:
		return fmt.Errorf("the server got %s of the body %s of %s: %w", resp.Header.Get(gotHeader), sent, id, errWrong)
	}
	if k.method == http.MethodHead || resp.Header.Get(bareHeader) != "" {
		size = 0
	}
	if k.upgrade {
		return k.converse(resp.Body, id, size)
	}
	return k.compare(resp.Body, newPattern(id, size))
}

// success is the status of an answer.
func (k *kind) success() int {
	if k.upgrade {
		return http.StatusSwitchingProtocols
	}
	return http.StatusOK
}

// compare reads an answer's body along with what it should be.
func (k *kind) compare(got io.Reader, want io.Reader) error {
	theirs, ours := make([]byte, 16<<10), make([]byte, 16<<10)
	for {
		expected, end := io.ReadFull(want, ours)
		n, err := io.ReadFull(got, theirs[:expected])
		if string(theirs[:n]) != string(ours[:n]) {
			return fmt.Errorf("its body is another one: %w", errWrong)
		}
		if err != nil && expected > 0 {
			return err
		}
		if end != nil { // this was the last piece
			return atEnd(got)
		}
		if k.abandoned {
			return errAbandoned
		}
		if k.slow {
			time.Sleep(rand.N(4 * time.Millisecond))
		}
	}
}

func atEnd(r io.Reader) error {
	switch n, err := io.Copy(io.Discard, r); {
	case n > 0:
		return fmt.Errorf("its body is %d bytes too long: %w", n, errWrong)
	default:
		return err
	}
}

// judge says what became of a request that took so long on its connection, and
// finds fault with it if that should not have been.
func (w *worker) judge(ctx context.Context, b *backend, k *kind, resp *http.Response, took time.Duration, err error) outcome {
	switch {
	case err == nil:
		if w.ledger.at(w.index, w.number).processed == 0 {
			w.findings.add(wrongAnswer, fmt.Sprintf("%s, %s: answered, and not processed", b.name, k.name))
		}
		return answered
	case err == errAbandoned, k.cancelled && ctx.Err() != nil:
		return givenUp
	case errors.Is(err, errWrong):
		if resp.Header.Get(idHeader) == unaskedID && (w.hasSlipped() || b.hasty) { // what the hasty one got may have been cut off, and never read
			if !w.ledger.at(w.index, w.number).waiting {
				return crossed
			}
			return slipped
		}
		w.findings.add(wrongAnswer, fmt.Sprintf("%s, %s: %v", b.name, k.name, err))
		return broken
	case ctx.Err() != nil:
		w.findings.add(stuck, fmt.Sprintf("%s, %s: %v", b.name, k.name, err))
		return broken
	}
	return w.blame(b, k, took, err)
}

// blame says why a request failed.
func (w *worker) blame(b *backend, k *kind, took time.Duration, err error) outcome {
	var exchange *ttlpool.ExchangeError
	var behind proxyError
	stale := errors.As(err, &exchange) && exchange.Stale || errors.As(err, &behind) && behind.why == whyStale
	switch {
	case b.steady && stale && took >= margin:
		return late // for its server, too, time had gone on
	case b.steady:
		w.findings.add(needlessly, fmt.Sprintf("%s, %s: %v", b.name, k.name, err))
		return broken
	case stale:
		return staleLost
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return refused
	}
	return broken
}

// hasSlipped reports whether the server has noted that the request and what it
// said out of turn have crossed. It may yet be about to.
func (w *worker) hasSlipped() bool {
	for begun := time.Now(); time.Since(begun) < time.Second; time.Sleep(time.Millisecond) {
		if w.ledger.at(w.index, w.number).slipped {
			return true
		}
	}
	return false
}
