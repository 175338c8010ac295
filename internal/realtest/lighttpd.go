package realtest

import "time"

// Lighttpd is lighttpd.
type Lighttpd struct {
	KeepAliveTimeout time.Duration // whole seconds
	MaxRequests      int           // that a connection serves
}

func (Lighttpd) facts() facts {
	return facts{
		name: "lighttpd", programs: []string{"lighttpd"}, packages: "lighttpd lighttpd-modules-lua", version: []string{"-v"},
		needs: []string{"/usr/lib/lighttpd/mod_magnet.so"},
	}
}

var lighttpdConfiguration = configuration("lighttpd.conf", `
server.modules = ("mod_accesslog", "mod_magnet")
server.document-root = "{{.Site.Dir}}"
server.bind = "{{.Site.Host}}"
server.port = {{.Site.Port}}
server.errorlog = "{{.Site.Dir}}/error.log"
server.max-fds = 1024
server.max-connections = 500
server.listen-backlog = 1024
server.feature-flags = ("server.graceful-shutdown-timeout" => 5)
{{with .Kind.KeepAliveTimeout}}server.max-keep-alive-idle = {{seconds .}}{{end}}
server.max-keep-alive-requests = {{or .Kind.MaxRequests 65535}}
accesslog.filename = "{{.Site.Dir}}/requests.log"
accesslog.format = "id %{X-Request-Id}i"
magnet.attract-response-start-to = ()
magnet.attract-raw-url-to = ("{{.Site.Dir}}/answer.lua")
`)

var lighttpdAnswer = configuration("answer.lua", `
local r = lighty.r
r.resp_header["X-Request-Id"] = r.req_header["X-Request-Id"]
return 204
`)

func (l Lighttpd) start(s *site) (running, error) {
	if err := wholeSeconds("KeepAliveTimeout", l.KeepAliveTimeout); err != nil {
		return nil, err
	}
	if err := s.write("answer.lua", lighttpdAnswer, l); err != nil {
		return nil, err
	}
	if err := s.write("lighttpd.conf", lighttpdConfiguration, l); err != nil {
		return nil, err
	}
	return s.run(signals{reload: signalUser1}, "-D", "-f", s.File("lighttpd.conf"))
}
