package main

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// record is what the access log says of one request.
type record struct {
	status   int
	bytes    int64 // of the response's body
	upstream error // why the backend gave no response
}

type recordKey struct{}

// noteUpstreamError puts the error in the record of the request whose context this is.
func noteUpstreamError(ctx context.Context, err error) {
	if rec, ok := ctx.Value(recordKey{}).(*record); ok {
		rec.upstream = err
	}
}

// accessLog logs and counts every request when it has ended. The query is left out: it may hold a session's key.
func accessLog(logger *slog.Logger, c *counters, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{}
		start := time.Now()
		method, path, client := r.Method, r.URL.Path, r.RemoteAddr
		completed := false
		c.inFlight.Add(1)
		defer func() { // also when ReverseProxy panics, as it does where a response breaks off
			c.inFlight.Add(-1)
			c.count(rec)
			attrs := []slog.Attr{
				slog.String("method", method),
				slog.String("path", path),
				slog.Int("status", rec.status),
				slog.Duration("duration", time.Since(start)),
				slog.Int64("bytes", rec.bytes),
				slog.String("client", client),
			}
			level := slog.LevelInfo
			if !completed {
				level = slog.LevelWarn
				attrs = append(attrs, slog.Bool("broken_off", true))
			}
			if rec.upstream != nil {
				level = slog.LevelWarn
				attrs = append(attrs, slog.String("upstream_error", rec.upstream.Error()))
			}
			logger.LogAttrs(r.Context(), level, "request", attrs...)
		}()
		next.ServeHTTP(&recorder{w, rec}, r.WithContext(context.WithValue(r.Context(), recordKey{}, rec)))
		completed = true
	})
}

// recorder is a ResponseWriter that notes what passes. Flush and the like are found by Unwrap.
type recorder struct {
	http.ResponseWriter
	rec *record
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.rec.status == 0 && status >= 200 {
		w.rec.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.rec.status == 0 {
		w.rec.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.rec.bytes += int64(n)
	return n, err
}

// Hijack is how ReverseProxy takes the connection of an upgraded request.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.rec.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}
