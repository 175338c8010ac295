package torture

import (
	"strings"
	"time"

	"github.com/ttlpool/ttlpool/internal/realtest"
)

// Row is a server under test.
type Row struct {
	Kind realtest.Kind
	Note string // on its settings, for the table

	exact   bool // it closes at its timeout, and not some time later
	hints   hint
	proxies bool                               // proxies are among its peers
	lanes   int                                // of each peer; 0: the default
	proxy   func(backend string) realtest.Kind // Kind, where a backend counts
	cert    *realtest.Certificate
}

// Name is the server's name and what is special about it.
func (r Row) Name() string { return strings.TrimSpace(realtest.Name(r.Kind) + " " + r.Note) }

// timeout is the servers' keep-alive timeout: whole seconds, and longer than the
// second below which mod_proxy's ttl cannot be set.
const timeout = 2 * time.Second

// preforked is how many connections httpd with a process for each can hold from the
// start. Six peers have connections to it, and those that are just being closed hold a
// process, too.
const preforked = 384

// Matrix returns the servers that people run.
func Matrix() ([]Row, error) {
	cert, err := realtest.NewCertificate()
	if err != nil {
		return nil, err
	}
	return []Row{
		{Kind: realtest.Apache{KeepAliveTimeout: timeout}, Note: "event", exact: true, hints: hintIfAsked, proxies: true},
		{Kind: realtest.Apache{KeepAliveTimeout: timeout, Prefork: true, Processes: preforked}, Note: "prefork", exact: true,
			hints: hintIfAsked, lanes: preforked / 8},
		{Kind: realtest.Nginx{KeepAliveTimeout: timeout}, exact: true, proxies: true},
		{Kind: realtest.Nginx{KeepAliveTimeout: timeout, MaxRequests: 3}, Note: "3 requests per connection", exact: true},
		{Kind: realtest.HAProxy{KeepAliveTimeout: timeout}, exact: true},
		{Kind: realtest.HAProxy{KeepAliveTimeout: timeout, Certificate: cert}, Note: "TLS", exact: true, cert: cert},
		{Kind: realtest.Go{KeepAliveTimeout: timeout}, exact: true, proxies: true},
		{Kind: realtest.Lighttpd{KeepAliveTimeout: timeout}},
		{Kind: realtest.Gunicorn{KeepAliveTimeout: timeout}},
		{Kind: realtest.Tomcat{KeepAliveTimeout: timeout}, hints: hintIfAsked},
		{Kind: realtest.Node{KeepAliveTimeout: timeout}, hints: hintAlways},
		{Kind: realtest.Varnish{KeepAliveTimeout: timeout}, Note: "before Go", proxy: func(b string) realtest.Kind {
			return realtest.Varnish{KeepAliveTimeout: timeout, Backend: b}
		}},
		{Kind: realtest.Squid{KeepAliveTimeout: timeout}, Note: "before Go", proxy: func(b string) realtest.Kind {
			return realtest.Squid{KeepAliveTimeout: timeout, Backend: b}
		}},
	}, nil
}
