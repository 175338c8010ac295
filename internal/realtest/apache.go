package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Apache is Apache httpd.
type Apache struct {
	KeepAliveTimeout time.Duration // to the millisecond
	MaxRequests      int           // that a connection serves
	Prefork          bool          // a process for each connection, and not the event MPM
	Certificate      *Certificate  // nil: no TLS
	HTTP2            bool          // needs a Certificate
	Processes        int           // with the event MPM, 0: 6; or with one connection each, at the start, 0: 64
	Threads          int           // of each process, with the event MPM; 0: 256

	Backend        string        // host and port: a reverse proxy, with mod_proxy's defaults
	BackendTTL     time.Duration // mod_proxy's ttl; whole seconds
	BackendNoReuse bool          // mod_proxy's disablereuse
	BackendPools   int           // so many pools of connections to the Backend, for /0/, /1/ and so on, in each process; 0: one for all
	Forward        bool          // a forward proxy, with CONNECT
}

func (a Apache) facts() facts {
	name := "Apache httpd"
	if a.Prefork {
		name += " prefork"
	}
	return facts{
		name: name, programs: []string{"apache2", "httpd"}, packages: "apache2-bin", version: []string{"-v"},
		ready: "resuming normal operations", secure: a.Certificate != nil,
	}
}

// apacheConfiguration is made for thousands of connections that are mostly idle:
// httpd closes idle ones early when all its threads are busy, or when it thinks
// that it has more processes than it needs. It has several, so that each can do
// with the 1,024 open files that many systems allow.
var apacheConfiguration = configuration("httpd.conf", `
ServerName localhost
ServerRoot {{.Site.Dir}}
PidFile {{.Site.Dir}}/httpd.pid
DefaultRuntimeDir {{.Site.Dir}}
Listen {{.Site.Address}}
ListenBacklog 4096
ErrorLog {{.Site.Dir}}/error.log
ErrorLogFormat "[%{u}t] [%m:%l] [pid %P] %E: [client\ %a] %M id\ %{X-Request-Id}i"
LogLevel notice
{{range .Kind.Modules}}{{if .Path}}
<IfModule !{{.Name}}>
	LoadModule {{.Name}} {{.Path}}
</IfModule>{{end}}{{end}}
{{with .Kind.User}}
User {{.Username}}
Group #{{.Gid}}
{{end}}
{{if .Kind.Prefork}}
ServerLimit 512
StartServers {{.Kind.Processes}}
MinSpareServers 32
MaxSpareServers 512
MaxRequestWorkers 512
{{else}}
ServerLimit {{.Kind.Slots}}
StartServers {{.Kind.Processes}}
ThreadLimit {{.Kind.Threads}}
ThreadsPerChild {{.Kind.Threads}}
MaxRequestWorkers {{.Kind.Workers}}
MinSpareThreads 1
MaxSpareThreads {{.Kind.Workers}}
AsyncRequestWorkerFactor 20
{{end}}
MaxConnectionsPerChild 0

KeepAlive On
{{if .Kind.KeepAliveTimeout}}KeepAliveTimeout {{milliseconds .Kind.KeepAliveTimeout}}ms{{end}}
MaxKeepAliveRequests {{.Kind.MaxRequests}}
{{if .Kind.Certificate}}
SSLEngine On
SSLCertificateFile {{.Site.Dir}}/chain.pem
SSLCertificateKeyFile {{.Site.Dir}}/key.pem
Protocols {{if .Kind.HTTP2}}h2 {{end}}http/1.1
{{end}}
{{if .Kind.Backend}}
{{range .Kind.BackendPaths}}
ProxyPass {{.}} http://{{$.Kind.Backend}}{{.}}{{with $.Kind.BackendTTL}} ttl={{seconds .}}{{end}}{{if $.Kind.BackendNoReuse}} disablereuse=on{{end}}
{{end}}
{{else if .Kind.Forward}}
ProxyRequests On
AllowCONNECT 1-65535
{{else}}
Redirect 204 /
Header always set X-Request-Id expr=%{req:X-Request-Id} "expr=-n %{req:X-Request-Id}"
{{end}}
CustomLog {{.Site.Dir}}/requests.log "id %{X-Request-Id}i"
`)

func (a Apache) start(s *site) (running, error) {
	if err := a.refuse(); err != nil {
		return nil, err
	}
	if err := s.writeCertificate(a.Certificate); err != nil {
		return nil, err
	}
	user, err := apacheUser(s)
	if err != nil {
		return nil, err
	}
	switch {
	case a.Processes != 0:
	case a.Prefork:
		a.Processes = 64
	default:
		a.Processes = 6
	}
	if a.Threads == 0 {
		a.Threads = 256
	}
	settings := struct {
		Apache
		Workers      int
		Slots        int // for processes: those of before a reload end when their connections do
		BackendPaths []string
		Modules      []apacheModule
		User         any
	}{a, a.Threads * a.Processes, 4 * a.Processes, backendPaths(a.BackendPools), a.modules(), user}
	if err := s.write("httpd.conf", apacheConfiguration, settings); err != nil {
		return nil, err
	}
	return s.run(signals{reload: signalUser1}, "-D", "FOREGROUND", "-f", s.File("httpd.conf"), "-E", s.File(errorLog))
}

// refuse is an error for settings that cannot be.
func (a Apache) refuse() error {
	switch {
	case a.HTTP2 && a.Certificate == nil:
		return errHTTP2
	case a.HTTP2 && a.Prefork:
		return fmt.Errorf("there is no HTTP/2 with the prefork MPM")
	case a.Backend != "" && a.Forward:
		return fmt.Errorf("it is a reverse proxy or a forward proxy, not both")
	}
	return wholeSeconds("BackendTTL", a.BackendTTL)
}

// apacheUser returns whom to serve as, or nil where that is not root's choice. It
// refuses to serve as root.
func apacheUser(s *site) (any, error) {
	if !s.Root() {
		return nil, nil
	}
	return account("www-data", "apache", "_www", "nobody")
}

// apacheModule is a module and where it is; no path: it must be built in.
type apacheModule struct{ Name, Path string }

func (a Apache) modules() (all []apacheModule) {
	names := []string{
		"mpm_event_module", "unixd_module", "authz_core_module", "log_config_module", "alias_module", "headers_module",
		"proxy_module", "proxy_http_module", "proxy_connect_module",
	}
	if a.Prefork {
		names[0] = "mpm_prefork_module"
	}
	if a.Certificate != nil {
		names = append(names, "ssl_module")
	}
	if a.HTTP2 {
		names = append(names, "http2_module")
	}
	for _, name := range names {
		all = append(all, apacheModule{name, apacheModulePath(name)})
	}
	return all
}

func apacheModulePath(name string) string {
	for _, dir := range []string{
		"/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules",
		"/usr/libexec/apache2", "/usr/local/libexec/apache24",
	} {
		path := filepath.Join(dir, "mod_"+strings.TrimSuffix(name, "_module")+".so")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}
