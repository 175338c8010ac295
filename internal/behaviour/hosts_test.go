package behaviour

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

// asks sends a request for a host to whichever server there is, and returns the address that was dialled and the host
// that arrived.
func (e *env) asks(host string) (dialled, arrived string) {
	e.t.Helper()
	var addresses record
	s := e.serve(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Host)) })
	client := e.client(dialsTo(s.addr, &addresses), trustAnyName)
	got := e.get(client, e.scheme()+"://"+host+"/")
	return addresses.list()[0], got.body
}

// scheme is the one of the mode.
func (e *env) scheme() string {
	if e.mode.tls() {
		return "https"
	}
	return "http"
}

// port is the scheme's.
func (e *env) port() string {
	if e.mode.tls() {
		return "443"
	}
	return "80"
}

// trustAnyName is for hosts that the test servers' certificate does not name.
func trustAnyName(base *http.Transport) { base.TLSClientConfig.InsecureSkipVerify = true }

var hosts = []behaviour{
	{name: "a port left out is the scheme's", run: func(t *testing.T, e *env) {
		dialled, host := e.asks("example.com")
		assert.Equal(t, "example.com:"+e.port(), dialled)
		assert.Equal(t, "example.com", host)
	}},
	{name: "an empty port is the scheme's", run: func(t *testing.T, e *env) {
		dialled, _ := e.asks("example.com:")
		assert.Equal(t, "example.com:"+e.port(), dialled)
	}},
	{name: "a port that is stated is dialled and sent", run: func(t *testing.T, e *env) {
		dialled, host := e.asks("example.com:8123")
		assert.Equal(t, "example.com:8123", dialled)
		assert.Equal(t, "example.com:8123", host)
	}},
	{name: "a host keeps its case", run: func(t *testing.T, e *env) {
		dialled, host := e.asks("EXAMPLE.com:8123")
		assert.Equal(t, "EXAMPLE.com:8123", dialled)
		assert.Equal(t, "EXAMPLE.com:8123", host)
	}},
	{name: "an internationalised host is dialled and sent in punycode", run: func(t *testing.T, e *env) {
		dialled, host := e.asks("bücher.example")
		assert.Equal(t, "xn--bcher-kva.example:"+e.port(), dialled)
		assert.Equal(t, "xn--bcher-kva.example", host)
	}},
	// In HTTP/2, http.Transport never gets anywhere with such a host.
	{name: "an internationalised host in capitals is the same host", modes: overHTTP1, run: func(t *testing.T, e *env) {
		dialled, _ := e.asks("BÜCHER.example:8123")
		assert.Equal(t, "xn--bcher-kva.example:8123", dialled)
	}},
	{name: "an IPv6 address keeps its brackets", run: func(t *testing.T, e *env) {
		dialled, host := e.asks("[2001:db8::1]:8123")
		assert.Equal(t, "[2001:db8::1]:8123", dialled)
		assert.Equal(t, "[2001:db8::1]:8123", host)
	}},
	{name: "an IPv6 address without a port", run: func(t *testing.T, e *env) {
		dialled, host := e.asks("[2001:db8::1]")
		assert.Equal(t, "[2001:db8::1]:"+e.port(), dialled)
		assert.Equal(t, "[2001:db8::1]", host)
	}},
	{name: "an IPv6 zone is dialled", run: func(t *testing.T, e *env) {
		dialled, _ := e.asks("[fe80::1%25eth0]:8123")
		assert.Equal(t, "[fe80::1%eth0]:8123", dialled)
	}},
	{name: "an IPv6 zone stays at home", modes: overHTTP1, run: func(t *testing.T, e *env) {
		_, host := e.asks("[fe80::1%25eth0]:8123")
		assert.Equal(t, "[fe80::1]:8123", host)
	}},
	{name: "IPv6 zones are different places", run: func(t *testing.T, e *env) {
		assert.Len(t, e.dialsFor("[fe80::1%25eth0]", "[fe80::1%25eth1]", "[fe80::1%25eth0]"), 2)
	}},
	{name: "a host with and without the scheme's port is one place", run: func(t *testing.T, e *env) {
		assert.Len(t, e.dialsFor("example.com", "example.com:"+e.port(), "example.com:"), 1)
	}},
	{name: "hosts in another case are other places", run: func(t *testing.T, e *env) {
		assert.Len(t, e.dialsFor("example.com", "Example.com"), 2)
	}},
	{name: "an internationalised host and its punycode are one place", run: func(t *testing.T, e *env) {
		assert.Len(t, e.dialsFor("bücher.example", "xn--bcher-kva.example"), 1)
	}},
	{name: "a name and its address are two places", run: func(t *testing.T, e *env) {
		assert.Len(t, e.dialsFor("localhost:8123", "127.0.0.1:8123"), 2)
	}},
	{name: "the Host of a request does not choose the connection", run: func(t *testing.T, e *env) {
		var addresses record
		s := e.serve(ok)
		client := e.client(dialsTo(s.addr, &addresses))
		for _, host := range []string{"a.test", "b.test"} {
			req := e.request("GET", s.URL, nil)
			req.Host = host
			e.do(client, req)
		}
		assert.Equal(t, []string{s.addr}, addresses.list())
	}},
}

// dialsFor asks hosts in turn and returns the addresses that were dialled for them.
func (e *env) dialsFor(hosts ...string) []string {
	e.t.Helper()
	var addresses record
	s := e.serve(ok)
	client := e.client(dialsTo(s.addr, &addresses), trustAnyName)
	for _, host := range hosts {
		e.get(client, e.scheme()+"://"+host+"/")
	}
	return addresses.list()
}
