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
	if isEmpty(req, resp) {
		stream.end()
		resp.Body = emptyBody{resp.Body}
		return resp, nil
	}
	stream.endWith(f.request.Context())
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

// isEmpty reports whether a response has no body, so that nobody need read or
// close it. The end of its stream may come later, and bring trailers: where these
// are announced, there is something to read. What net/http returns for such a body
// is not http.NoBody over HTTP/2.
func isEmpty(req *http.Request, resp *http.Response) bool {
	return req.Method == http.MethodHead ||
		resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified ||
		resp.ContentLength == 0 && len(resp.Trailer) == 0
}

// emptyBody is the body of a response that has none. Its stream may last a little
// longer.
type emptyBody struct{ source io.Closer }

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }

func (b emptyBody) Close() error { return b.source.Close() }

// streamBody is the body of a response in HTTP/2.
type streamBody struct {
	source io.ReadCloser
	flight *flight
	conn   *Conn
	once   sync.Once
	unwind func() bool // stops waiting for the context's end; nil: it has none
}

// endWith makes the end of a context end the stream, as it does for net/http,
// though nobody may read or close the body any more.
func (b *streamBody) endWith(ctx context.Context) {
	if ctx.Done() != nil {
		b.unwind = context.AfterFunc(ctx, b.end)
	}
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if err != nil {
		err = causeOf(b.flight.request.Context(), h1.Unmarked(err))
		b.settle()
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
	b.settle()
	return err
}

// settle is end for the body's reader, who comes when endWith has returned.
func (b *streamBody) settle() {
	if b.unwind != nil {
		b.unwind()
	}
	b.end()
}

func (b *streamBody) end() {
	b.once.Do(func() {
		defer b.flight.finish()
		b.flight.transport.pool.release(b.conn, readClocks(), true)
	})
}
