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
	if req.Body != nil && req.Body != http.NoBody {
		req = withBody(req, faultyBody{req.Body})
	}
	before := l.conn.sentOnWire() // by others, too: whatever comes after is newer than this request
	resp, err := session.RoundTrip(req)
	if err != nil {
		failed := f.failed(l, err, unknownBytes, unknownBytes, second)
		failed.unseen = !failed.own &&
			(h2.Unprocessed(err) || failed.reused && l.conn.evidenceSince(before).unseen())
		return nil, failed
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
