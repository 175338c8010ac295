package ttlpool

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/ttlpool/ttlpool/internal/h1"
	"github.com/ttlpool/ttlpool/internal/h2"
)

// stream sends the request on a connection that speaks HTTP/2, as one of
// several. It gives its lease back when the response has ended.
func (f *flight) stream(session *h2.Conn, l lease, req *http.Request, second bool) (*http.Response, *failedExchange) {
	w := new(witness)
	own := req.WithContext(w.watch(req.Context()))
	if own.Body != nil && own.Body != http.NoBody {
		own.Body = faultyBody{own.Body}
	}
	before := l.conn.sentOnWire() // by others, too: whatever comes after is newer than this request
	resp, err := session.RoundTrip(own)
	if err != nil {
		return nil, f.failedStream(session, w, before, f.failed(l, w.explain(err), unknownBytes, unknownBytes, second))
	}
	f.held = nil
	resp.Request = f.original
	stream := &streamBody{source: resp.Body, flight: f, conn: l.conn}
	if resp.Body == http.NoBody {
		stream.end()
		return resp, nil
	}
	resp.Body = stream
	return resp, nil
}

// failedStream takes in what has failed. The sender's own doing, known already,
// may look like anything. A server that breaks the protocol has answered
// somebody.
func (f *flight) failedStream(session *h2.Conn, w *witness, before int64, failed *failedExchange) *failedExchange {
	err := failed.err
	scope := session.ScopeOf(err)
	failed.own = failed.own || scope == h2.OfRequest
	failed.alone = !failed.own && scope == h2.OfStream
	failed.begun = w.begun.Load() || h2.Broken(err)
	switch {
	case failed.own || failed.begun:
	case h2.Unprocessed(err):
		failed.unseen = true
	case !failed.alone && failed.reused:
		failed.unseen = failed.lease.conn.evidenceSince(before).unseen()
	}
	return failed
}

// anotherTurn returns a lease for the second try. A stream that was refused says
// nothing against its connection. A new one might refuse it as well: nginx does, if a
// body comes before its settings are acknowledged. If there is no room, it must not
// wait for those who run.
func (f *flight) anotherTurn(failed *failedExchange) (lease, error) {
	pool, l, ctx, now := f.transport.pool, failed.lease, f.request.Context(), readClocks()
	session, ok := l.conn.session.(*h2.Conn)
	switch {
	case !ok || !failed.alone:
		return pool.replace(ctx, l.conn, failed.closeReason(), now)
	case session.Reserve():
		l.reused, l.wasIdle, l.idle = true, false, 0
		return l, nil
	}
	return pool.elsewhere(ctx, l.conn, now)
}

// faultyBody is a request's body that marks its errors as the request's own.
type faultyBody struct{ io.ReadCloser }

func (b faultyBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &h1.RequestError{Err: err}
	}
	return n, err
}

// unknownBytes stands for the size of an exchange that was not counted.
const unknownBytes = -1

// streamBody is the body of a response in HTTP/2.
type streamBody struct {
	source io.ReadCloser
	flight *flight
	conn   *Conn
	once   sync.Once
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if err != nil {
		err = causeOf(b.flight.request.Context(), h1.Unmarked(err))
		b.end()
	}
	return n, err
}

// causeOf returns why a context has ended, if an error says no more than that it
// has, and else the error.
func causeOf(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		return context.Cause(ctx)
	}
	return err
}

// Close ends the stream; the connection goes on.
func (b *streamBody) Close() error {
	err := b.source.Close()
	b.end()
	return err
}

func (b *streamBody) end() {
	b.once.Do(func() {
		defer b.flight.finish()
		b.flight.transport.pool.release(b.conn, readClocks(), true)
	})
}
