package realtest

import (
	"fmt"
	"net"
	"time"
)

// Varnish is Varnish, as a reverse proxy that caches nothing.
type Varnish struct {
	KeepAliveTimeout time.Duration // to the millisecond
	Backend          string        // host and port
}

func (Varnish) facts() facts {
	return facts{name: "Varnish", programs: []string{"varnishd"}, packages: "varnish", version: []string{"-V"}}
}

var varnishConfiguration = configuration("default.vcl", `
vcl 4.1;
backend default {
	.host = "{{.Kind.Host}}";
	.port = "{{.Kind.Port}}";
}
sub vcl_recv { return (pass); }
`)

func (v Varnish) start(s *site) (running, error) {
	host, port, err := net.SplitHostPort(v.Backend)
	if err != nil {
		return nil, fmt.Errorf("its Backend: %w", err)
	}
	settings := struct {
		Varnish
		Host, Port string
	}{v, host, port}
	if err := s.write("default.vcl", varnishConfiguration, settings); err != nil {
		return nil, err
	}
	args := []string{
		"-F", "-j", "none", "-n", s.File("varnish"), "-a", s.Address, "-f", s.File("default.vcl"),
		"-T", "none", "-s", "default,16m", "-p", "listen_depth=1024",
		"-p", "thread_queue_limit=1000", // beyond which it hangs up on new connections
	}
	if v.KeepAliveTimeout != 0 {
		args = append(args, "-p", fmt.Sprintf("timeout_idle=%.3f", v.KeepAliveTimeout.Seconds()))
	}
	return s.run(signals{}, args...)
}
