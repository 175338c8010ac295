package realtest

import (
	"bytes"
	"os"
	"text/template"
	"time"
)

// configTemplate is made for thousands of connections that are mostly idle:
// httpd closes idle ones early when all its threads are busy, or when it thinks
// that it has more processes than it needs. It has several, so that each can do
// with the 1,024 open files that many systems allow.
var configTemplate = template.Must(template.New("httpd.conf").Parse(`
ServerName localhost
ServerRoot {{.Dir}}
PidFile {{.Dir}}/httpd.pid
DefaultRuntimeDir {{.Dir}}
Listen {{.Address}}
ErrorLog {{.Dir}}/error.log
LogLevel notice
{{range .Modules}}{{if .Path}}
<IfModule !{{.Name}}>
	LoadModule {{.Name}} {{.Path}}
</IfModule>{{end}}{{end}}
{{with .User}}
User {{.User}}
Group {{.Group}}
{{end}}
ServerLimit 6
StartServers 6
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 1536
MinSpareThreads 1
MaxSpareThreads 1536
MaxConnectionsPerChild 0
AsyncRequestWorkerFactor 20

KeepAlive On
KeepAliveTimeout {{.KeepAliveTimeout.Milliseconds}}ms
MaxKeepAliveRequests 0

Redirect 204 /
CustomLog {{.Dir}}/requests.log "%{X-Request-Id}i"
`))

var modules = []string{"mpm_event_module", "unixd_module", "authz_core_module", "log_config_module", "alias_module"}

// configuration returns the text of httpd.conf.
func configuration(dir, address string, keepAliveTimeout time.Duration) ([]byte, error) {
	type module struct{ Name, Path string }
	type owner struct{ User, Group string }
	data := struct {
		Dir, Address     string
		Modules          []module
		User             *owner
		KeepAliveTimeout time.Duration
	}{Dir: dir, Address: address, KeepAliveTimeout: keepAliveTimeout}
	for _, name := range modules {
		data.Modules = append(data.Modules, module{name, modulePath(name)})
	}
	if os.Geteuid() == 0 {
		u, g, err := account()
		if err != nil {
			return nil, err
		}
		data.User = &owner{u.Username, g.Name}
	}
	var text bytes.Buffer
	err := configTemplate.Execute(&text, data)
	return text.Bytes(), err
}
