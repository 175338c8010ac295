package h1

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"
)

// plainHead returns what writePlainHead makes of a request.
func plainHead(req *http.Request) (head string, ok bool) {
	var out bytes.Buffer
	w := &writer{buf: bufio.NewWriter(&out)}
	x := &Exchange{Settings: NewSettings(0, 0), req: req, trace: httptrace.ContextClientTrace(req.Context())}
	ok = x.writePlainHead(w)
	_ = w.buf.Flush()
	return out.String(), ok
}

// codecHead returns what net/http makes of it.
func codecHead(t testing.TB, req *http.Request) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, req.Write(&out))
	return out.String()
}

func TestAPlainHeadIsTheCodecs(t *testing.T) {
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
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest("GET", "http://hub/kojihub", nil)
			require.NoError(t, err)
			change(req)
			head, ok := plainHead(req)
			require.True(t, ok)
			assert.Equal(t, codecHead(t, req), head)
		})
	}
}

func TestWhatIsNotPlainIsLeftToTheCodec(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"POST":              func(r *http.Request) { r.Method = "POST" },
		"CONNECT":           func(r *http.Request) { r.Method = "CONNECT" },
		"a body":            func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 1 },
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
			head, ok := plainHead(req)
			assert.False(t, ok)
			assert.Empty(t, head)
		})
	}
}

// FuzzPlainHead looks for a request whose head is not what the codec makes of
// it.
func FuzzPlainHead(f *testing.F) {
	f.Add("GET", "http://hub/a?b", "hub:80", "X", "y")
	f.Add("", "http://[::1%25lo]/", "", "User-Agent", " ")
	f.Add("OPTIONS", "http:*", "", "Host", "z")
	f.Fuzz(func(t *testing.T, method, address, host, field, value string) {
		u, err := url.Parse(address)
		if err != nil || !httpguts.ValidHeaderFieldValue(value) {
			return // refused before
		}
		req := &http.Request{Method: method, URL: u, Host: host, Header: http.Header{field: {value}}}
		head, ok := plainHead(req)
		if !ok {
			return
		}
		var want bytes.Buffer
		require.NoError(t, req.Write(&want))
		assert.Equal(t, want.String(), head)
	})
}
