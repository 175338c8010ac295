package realtest

import "time"

// HAProxy is HAProxy.
type HAProxy struct {
	KeepAliveTimeout time.Duration // to the millisecond
	Certificate      *Certificate  // nil: no TLS
	HTTP2            bool          // needs a Certificate
	Backend          string        // host and port: a reverse proxy
}

func (h HAProxy) facts() facts {
	return facts{
		name: "HAProxy", programs: []string{"haproxy"}, packages: "haproxy", version: []string{"-v"},
		secure: h.Certificate != nil,
	}
}

// haproxyConfiguration waits for all of a request (http-buffer-request) before it
// answers it alone.
var haproxyConfiguration = configuration("haproxy.cfg", `
global
	log stdout format raw local0 info
	maxconn 1000
	nbthread 2
	hard-stop-after 5s

defaults
	mode http
	log global
	option dontlognull
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout http-request 60s
	{{if .Kind.KeepAliveTimeout}}timeout http-keep-alive {{milliseconds .Kind.KeepAliveTimeout}}ms{{end}}

frontend front
	bind {{.Site.Address}}{{if .Kind.Certificate}} ssl crt {{.Site.Dir}}/both.pem alpn {{if .Kind.HTTP2}}h2,{{end}}http/1.1{{end}}
	http-request capture req.hdr(X-Request-Id) len 200
	log-format "id %[capture.req.hdr(0)]"
	{{if .Kind.Backend}}
	default_backend behind

backend behind
	server only {{.Kind.Backend}}
	{{else}}
	option http-buffer-request
	http-request return status 204 hdr X-Request-Id %[req.hdr(X-Request-Id)]
	{{end}}
`)

func (h HAProxy) start(s *site) (running, error) {
	if h.HTTP2 && h.Certificate == nil {
		return nil, errHTTP2
	}
	if err := s.writeCertificate(h.Certificate); err != nil {
		return nil, err
	}
	if err := s.write("haproxy.cfg", haproxyConfiguration, h); err != nil {
		return nil, err
	}
	// A master, which can reload, and a worker, which when terminated would lose
	// the log of its last requests.
	return s.run(signals{stop: signalUser1, reload: signalUser2}, "-W", "-f", s.File("haproxy.cfg"))
}
