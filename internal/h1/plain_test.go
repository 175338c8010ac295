package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"
)

// plainly returns what writePlain makes of a request.
func plainly(req *http.Request) (text string, ok bool) {
	var out bytes.Buffer
	w := &writer{buf: bufio.NewWriter(&out)}
	x := &Exchange{Settings: NewSettings(0, 0), req: req, trace: httptrace.ContextClientTrace(req.Context())}
	ok = x.writePlain(w)
	_ = w.buf.Flush()
	return out.String(), ok
}

// byCodec returns what net/http makes of it.
func byCodec(t testing.TB, req *http.Request) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, req.Write(&out))
	return out.String()
}

// post makes a request one with a body.
func post(r *http.Request, body string) {
	again := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Method, r.ContentLength, r.GetBody = "POST", int64(len(body)), again
	r.Body, _ = again()
}

func TestAPlainRequestIsTheCodecs(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"nothing said":           func(*http.Request) {},
		"no method":              func(r *http.Request) { r.Method = "" },
		"HEAD":                   func(r *http.Request) { r.Method = "HEAD" },
		"OPTIONS for the server": func(r *http.Request) { r.Method, r.URL = "OPTIONS", &url.URL{Host: "hub", Opaque: "*"} },
		"DELETE":                 func(r *http.Request) { r.Method = "DELETE" },
		"no body, said so":       func(r *http.Request) { r.Body = http.NoBody },
		"a query":                func(r *http.Request) { r.URL.RawQuery = "a=b&c" },
		"a path to be escaped":   func(r *http.Request) { r.URL.Path = "/a b/ü" },
		"another host":           func(r *http.Request) { r.Host = "other:80" },
		"a user agent":           func(r *http.Request) { r.Header.Set("User-Agent", " me ") },
		"a blank user agent":     func(r *http.Request) { r.Header.Set("User-Agent", "  ") },
		"no user agent":          func(r *http.Request) { r.Header.Set("User-Agent", "") },
		"no values":              func(r *http.Request) { r.Header["User-Agent"], r.Header["X"] = nil, nil },
		"fields": func(r *http.Request) {
			r.Header = http.Header{"Z": {"1", " 2 "}, "A": {"b"}, "lower": {"c"}, "Accept-Encoding": {"br"}}
		},
		"fields that do not count": func(r *http.Request) {
			for field := range notCopied {
				r.Header.Set(field, "x")
			}
			r.Header.Set("Connection", "close")
		},
		"an IPv6 address": func(r *http.Request) { r.URL.Host = "[::1]:80" },
		"POST": func(r *http.Request) {
			post(r, "<methodCall/>")
			r.Header.Set("Content-Type", "text/xml")
			r.Header.Set("Content-Length", "7")
		},
		"a long body":     func(r *http.Request) { post(r, strings.Repeat("x", 10_000)) },
		"GET with a body": func(r *http.Request) { post(r, "x"); r.Method = "" },
		"a buffer":        func(r *http.Request) { post(r, "abc"); r.Body = io.NopCloser(bytes.NewBufferString("abc")) },
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest("GET", "http://hub/kojihub", nil)
			require.NoError(t, err)
			change(req)
			text, ok := plainly(req)
			require.True(t, ok)
			if req.GetBody != nil {
				req.Body, _ = req.GetBody()
			}
			assert.Equal(t, byCodec(t, req), text)
		})
	}
}

func TestWhatIsNotPlainIsLeftToTheCodec(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"no body, but POST": func(r *http.Request) { r.Method = "POST" },
		"CONNECT":           func(r *http.Request) { post(r, "x"); r.Method = "CONNECT" },
		"a missing body":    func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 1 },
		"too short a body":  func(r *http.Request) { post(r, "x"); r.ContentLength = 2 },
		"too long a body":   func(r *http.Request) { post(r, "xyz"); r.ContentLength = 2 },
		"no length":         func(r *http.Request) { post(r, "xyz"); r.ContentLength = -1 },
		"a stream":          func(r *http.Request) { post(r, "xyz"); r.Body = io.NopCloser(struct{ io.Reader }{r.Body}) },
		"close":             func(r *http.Request) { r.Close = true },
		"a coding":          func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"trailers":          func(r *http.Request) { r.Trailer = http.Header{"A": nil} },
		"an IPv6 zone":      func(r *http.Request) { r.URL.Host = "[fe80::1%25eth0]" },
		"a host beyond":     func(r *http.Request) { r.URL.Host = "hüb" },
		"an impossible one": func(r *http.Request) { r.Host = "hub/../x" },
		"no host":           func(r *http.Request) { r.URL.Host, r.Host = "", "" },
		"control bytes":     func(r *http.Request) { r.URL = &url.URL{Host: "hub", Opaque: "/a\r\nb"} },
		"a trace": func(r *http.Request) {
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest("GET", "http://hub/kojihub", nil)
			require.NoError(t, err)
			req.Host = "" // the URL's counts
			change(req)
			text, ok := plainly(req)
			assert.False(t, ok)
			assert.Empty(t, text)
		})
	}
}

// FuzzPlain looks for a request that is not what the codec makes of
// it.
func FuzzPlain(f *testing.F) {
	f.Add("GET", "http://hub/a?b", "hub:80", "X", "y", "")
	f.Add("", "http://[::1%25lo]/", "", "User-Agent", " ", "")
	f.Add("OPTIONS", "http:*", "", "Host", "z", "")
	f.Add("POST", "http://hub/", "", "Content-Length", "1", "abc")
	f.Fuzz(func(t *testing.T, method, address, host, field, value, body string) {
		u, err := url.Parse(address)
		if err != nil || !httpguts.ValidHeaderFieldValue(value) {
			return // refused before
		}
		req := &http.Request{Method: method, URL: u, Host: host, Header: http.Header{field: {value}}}
		if body != "" {
			post(req, body)
			req.Method = method
		}
		text, ok := plainly(req)
		if !ok {
			return
		}
		if req.GetBody != nil {
			req.Body, _ = req.GetBody()
		}
		var want bytes.Buffer
		require.NoError(t, req.Write(&want))
		assert.Equal(t, want.String(), text)
	})
}
