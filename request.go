package ttlpool

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ttlpool/ttlpool/internal/connect"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"
)

// validate finds what is wrong with a request before anything is dialled or
// sent. The messages are those of net/http, which programs match.
func validate(req *http.Request) error {
	switch {
	case req.URL == nil:
		return errors.New("http: nil Request.URL")
	case req.Header == nil:
		return errors.New("http: nil Request.Header")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Errorf("unsupported protocol scheme %q", req.URL.Scheme)
	}
	if err := validateFields(req.Header, "header"); err != nil {
		return err
	}
	if err := validateFields(req.Trailer, "trailer"); err != nil {
		return err
	}
	switch {
	case req.Method != "" && !httpguts.ValidHeaderFieldName(req.Method): // both are tokens
		return fmt.Errorf("net/http: invalid method %q", req.Method)
	case req.URL.Host == "":
		return errors.New("http: no Host in request URL")
	}
	return nil
}

// validateFields leaves the value out of its error: it may be a secret.
func validateFields(fields http.Header, what string) error {
	for name, values := range fields {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("net/http: invalid %s field name %q", what, name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("net/http: invalid %s field value for %q", what, name)
			}
		}
	}
	return nil
}

// keyOf returns what a request's connection must lead to. A proxy that forwards
// requests is shared by all hosts behind it; a tunnel leads to one host.
func keyOf(req *http.Request, proxy *url.URL) key {
	k := key{network: "tcp", address: asciiAddress(req.URL), tls: req.URL.Scheme == "https"}
	k.http1 = k.tls && upgradesToWebSocket(req.Header)
	if proxy == nil {
		return k
	}
	k.proxy = proxy.String()
	if !k.tls && (proxy.Scheme == "http" || proxy.Scheme == "https") {
		k.address, k.forwards = asciiAddress(proxy), true
	}
	return k
}

// upgradesToWebSocket reports whether a request can only be made in HTTP/1.1
// (RFC 6455, 4.1).
func upgradesToWebSocket(h http.Header) bool {
	return strings.EqualFold(h.Get("Upgrade"), "websocket") &&
		httpguts.HeaderValuesContainsToken(h["Connection"], "upgrade")
}

// asciiAddress returns host and port, the host in ASCII if it can be; if not, the
// dialer will say what it thinks of it.
func asciiAddress(u *url.URL) string {
	address := u.Host
	if u.Port() == "" {
		address = connect.Address(u)
	}
	return inASCII(address)
}

// inASCII returns a host, or host and port, as names are looked up (RFC 5891, 5), or
// as it is if it is no name.
func inASCII(address string) string {
	if isASCII(address) {
		return address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ascii, invalid := idna.Lookup.ToASCII(host)
	switch {
	case invalid != nil:
		return address
	case err != nil:
		return ascii
	}
	return net.JoinHostPort(ascii, port)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
