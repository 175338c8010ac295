package recipes

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/ttlpool/ttlpool"
)

// Upstream is one of several servers behind a proxy that authenticates.
type Upstream struct {
	Path               string // of the requests that are its own, as http.ServeMux has it
	URL                *url.URL
	FlushInterval      time.Duration // negative: at once
	InsecureSkipVerify bool
	ServerTimeout      time.Duration // its keep-alive timeout; 0: not known
}

// Upstreams serves each upstream by a proxy and a transport of its own.
type Upstreams struct {
	http.ServeMux
	transports []*ttlpool.Transport
}

// NewUpstreams returns the handler of them all. What sign does to a request, just
// before it goes out, it does to a copy.
func NewUpstreams(upstreams []Upstream, sign func(*http.Request)) (*Upstreams, error) {
	all := &Upstreams{}
	for _, u := range upstreams {
		transport, err := u.transport()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("upstream %s: %w", u.Path, err), all.Close())
		}
		all.transports = append(all.transports, transport)
		all.Handle(u.Path, &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(u.URL) },
			FlushInterval: u.FlushInterval,
			Transport:     signing{transport, sign}, // the wrapper stays as it was
		})
	}
	return all, nil
}

func (u Upstream) transport() (*ttlpool.Transport, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	if u.InsecureSkipVerify {
		base.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return ttlpool.NewTransport(ttlpool.WithBase(base), ttlpool.WithServerTimeout(u.ServerTimeout))
}

// Close ends all transports.
func (u *Upstreams) Close() (err error) {
	for _, transport := range u.transports {
		err = errors.Join(err, transport.Close())
	}
	return err
}

// signing is a wrapper of a transport. It leaves the body alone: whatever reads
// it before the transport does takes away the second try.
type signing struct {
	next http.RoundTripper
	sign func(*http.Request)
}

func (s signing) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context()) // a RoundTripper must not change its request
	s.sign(req)
	return s.next.RoundTrip(req)
}
