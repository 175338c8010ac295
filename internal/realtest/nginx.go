package realtest

import "time"

// Nginx is nginx.
type Nginx struct {
	KeepAliveTimeout time.Duration // to the millisecond
	MaxRequests      int           // that a connection serves
	Certificate      *Certificate  // nil: no TLS
	HTTP2            bool          // needs a Certificate

	Backend            string        // host and port: a reverse proxy
	BackendIdle        int           // idle connections that each worker keeps to it; 0: none, HTTP/1.0
	BackendIdleTimeout time.Duration // of these
	BackendPools       int           // so many pools of connections to the Backend, for /0/, /1/ and so on; 0: one for all
	Unbuffered         bool          // bodies pass to and from it as they come, and of any size
}

func (n Nginx) facts() facts {
	return facts{
		name: "nginx", programs: []string{"nginx"}, packages: "nginx", version: []string{"-v"},
		secure: n.Certificate != nil,
	}
}

// nginxConfiguration has one worker where pools are counted, for each has its own.
var nginxConfiguration = configuration("nginx.conf", `
daemon off;
pid {{.Site.Dir}}/nginx.pid;
error_log {{.Site.Dir}}/error.log notice;
worker_processes {{if .Kind.BackendPools}}1{{else}}2{{end}};
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
	{{if .Kind.Backend}}{{range $i, $path := .Kind.Paths}}
	upstream backend{{$i}} {
		server {{$.Kind.Backend}};
		{{with $.Kind.BackendIdle}}keepalive {{.}};{{end}}
		{{with $.Kind.BackendIdleTimeout}}keepalive_timeout {{milliseconds .}}ms;{{end}}
	}
	{{end}}{{end}}
	server {
		listen {{.Site.Address}} backlog=1024{{if .Kind.Certificate}} ssl{{end}}{{if .Kind.HTTP2}} http2{{end}};
		{{if .Kind.Certificate}}
		ssl_certificate {{.Site.Dir}}/chain.pem;
		ssl_certificate_key {{.Site.Dir}}/key.pem;
		{{end}}
		{{if .Kind.Backend}}{{range $i, $path := .Kind.Paths}}
		location {{$path}} {
			proxy_pass http://backend{{$i}};
			{{if or $.Kind.BackendIdle $.Kind.Unbuffered}}proxy_http_version 1.1;{{end}}
			{{if $.Kind.BackendIdle}}proxy_set_header Connection "";{{end}}
			{{if $.Kind.Unbuffered}}
			client_max_body_size 0;
			proxy_request_buffering off;
			proxy_buffering off;
			{{end}}
		}
		{{end}}{{else}}
		location / {
			add_header X-Request-Id $http_x_request_id always;
			return 204;
		}
		{{end}}
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
	settings := struct {
		Nginx
		Paths []string
	}{n, backendPaths(n.BackendPools)}
	if err := s.write("nginx.conf", nginxConfiguration, settings); err != nil {
		return nil, err
	}
	return s.run(signals{reload: signalHangUp}, "-p", s.Dir, "-c", s.File("nginx.conf"), "-e", s.File(errorLog))
}
