package torture

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
)

// Method is a kind of request, by what a client may know of it.
type Method struct {
	Name       string
	Idempotent bool
	send       func(ctx context.Context, via http.RoundTripper, url string, header http.Header) (int, http.Header, error)
}

// Methods are all of them.
func Methods() []Method {
	return []Method{
		{"GET", true, sending(http.MethodGet, nil)},
		{"POST, replayable", false, sending(http.MethodPost, replayable)},
		{"POST, streaming", false, sending(http.MethodPost, streaming)},
		{"POST, ReverseProxy", false, proxied},
		{"PUT", true, sending(http.MethodPut, replayable)},
		{"DELETE", true, sending(http.MethodDelete, nil)},
	}
}

const call = "<methodCall><methodName>taskFinished</methodName></methodCall>"

// replayable is a body that http.NewRequest knows how to repeat.
func replayable() io.Reader { return strings.NewReader(call) }

// streaming is one that it does not, nor how long it is.
func streaming() io.Reader { return struct{ io.Reader }{strings.NewReader(call)} }

func sending(method string, body func() io.Reader) func(
	context.Context, http.RoundTripper, string, http.Header) (int, http.Header, error) {
	return func(ctx context.Context, via http.RoundTripper, url string, header http.Header) (int, http.Header, error) {
		var content io.Reader
		if body != nil {
			content = body()
		}
		req, err := http.NewRequestWithContext(ctx, method, url, content)
		if err != nil {
			return 0, nil, err
		}
		req.Header = header
		resp, err := via.RoundTrip(req)
		if err != nil {
			return 0, nil, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header, err
	}
}

// proxied is a POST that comes to a reverse proxy, which has a stream of it.
func proxied(ctx context.Context, via http.RoundTripper, url string, header http.Header) (int, http.Header, error) {
	var failure error
	proxy := httputil.ReverseProxy{
		Transport: via,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Host, r.Out.URL.Scheme = r.In.URL.Host, r.In.URL.Scheme
			// It is left out with all that is about a connection; but this one asks for a hint.
			if asked := r.In.Header.Values("Connection"); asked != nil {
				r.Out.Header["Connection"] = asked
			}
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failure = err
		},
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, url, streaming())
	req.ContentLength, req.Header = int64(len(call)), header
	recorder := httptest.NewRecorder()
	proxy.ServeHTTP(recorder, req)
	return recorder.Code, recorder.Header(), failure
}
