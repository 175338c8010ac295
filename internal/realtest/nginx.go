package realtest

import "time"

// Nginx is nginx.
type Nginx struct {
	KeepAliveTimeout time.Duration // to the millisecond
	MaxRequests      int           // that a connection serves
	Certificate      *Certificate  // nil: no TLS
	HTTP2            bool          // needs a Certificate

	Backend            string        // host and port: a reverse proxy
	BackendIdle        int           // idle connections that each of two workers keeps to it; 0: none, HTTP/1.0
	BackendIdleTimeout time.Duration // of these
}

func (n Nginx) facts() facts {
	return facts{
		name: "nginx", programs: []string{"nginx"}, packages: "nginx", version: []string{"-v"},
		secure: n.Certificate != nil,
	}
}

// nginxConfiguration sends what nginx says before it has read it to the error log
// too: see start.
var nginxConfiguration = configuration("nginx.conf", `
daemon off;
pid {{.Site.Dir}}/nginx.pid;
error_log {{.Site.Dir}}/error.log notice;
worker_processes 2;
worker_shutdown_timeout 5s;
{{if .Site.Root}}user www-data;{{end}}
events { worker_connections 1000; }
http {
	log_format ids "id $http_x_request_id";
	access_log {{.Site.Dir}}/requests.log ids;
	client_body_temp_path {{.Site.Dir}}/body;
	proxy_temp_path {{.Site.Dir}}/proxy;
	fastcgi_temp_path {{.Site.Dir}}/fastcgi;
	uwsgi_temp_path {{.Site.Dir}}/uwsgi;
	scgi_temp_path {{.Site.Dir}}/scgi;
	{{if .Kind.KeepAliveTimeout}}keepalive_timeout {{milliseconds .Kind.KeepAliveTimeout}}ms;{{end}}
	keepalive_requests {{or .Kind.MaxRequests 1000000000}};
	{{if .Kind.Backend}}
	upstream backend {
		server {{.Kind.Backend}};
		{{with .Kind.BackendIdle}}keepalive {{.}};{{end}}
		{{with .Kind.BackendIdleTimeout}}keepalive_timeout {{milliseconds .}}ms;{{end}}
	}
	{{end}}
	server {
		listen {{.Site.Address}} backlog=1024{{if .Kind.Certificate}} ssl{{end}}{{if .Kind.HTTP2}} http2{{end}};
		{{if .Kind.Certificate}}
		ssl_certificate {{.Site.Dir}}/chain.pem;
		ssl_certificate_key {{.Site.Dir}}/key.pem;
		{{end}}
		location / {
			{{if .Kind.Backend}}
			proxy_pass http://backend;
			{{if .Kind.BackendIdle}}
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			{{end}}
			{{else}}
			add_header X-Request-Id $http_x_request_id always;
			return 204;
			{{end}}
		}
	}
}
`)

func (n Nginx) start(s *site) (running, error) {
	if n.HTTP2 && n.Certificate == nil {
		return nil, errHTTP2
	}
	if err := s.writeCertificate(n.Certificate); err != nil {
		return nil, err
	}
	if err := s.write("nginx.conf", nginxConfiguration, n); err != nil {
		return nil, err
	}
	return s.run(signals{reload: signalHangUp}, "-p", s.Dir, "-c", s.File("nginx.conf"), "-e", s.File(errorLog))
}
