package realtest

import (
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Squid is Squid, as a proxy that caches nothing.
type Squid struct {
	KeepAliveTimeout time.Duration // whole seconds
	Backend          string        // host and port: a reverse proxy; else a forward proxy, with CONNECT
	User, Password   string        // which a forward proxy asks for, if not empty
}

const squidAuth = "/usr/lib/squid/basic_ncsa_auth"

func (Squid) facts() facts {
	return facts{
		name: "Squid", programs: []string{"squid"}, packages: "squid", version: []string{"-v"},
		needs: []string{squidAuth},
	}
}

var squidConfiguration = configuration("squid.conf", `
{{if .Kind.Backend}}
http_port {{.Site.Address}} accel no-vhost defaultsite={{.Kind.Backend}}
cache_peer {{.Kind.Host}} parent {{.Kind.Port}} 0 no-query originserver no-digest
never_direct allow all
{{else}}
http_port {{.Site.Address}}
{{end}}
{{if .Kind.User}}
auth_param basic program {{.Kind.Auth}} {{.Site.Dir}}/users
auth_param basic children 2
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
{{else}}
http_access allow all
{{end}}
{{if .Kind.KeepAliveTimeout}}client_idle_pconn_timeout {{seconds .Kind.KeepAliveTimeout}} seconds{{end}}
cache deny all
cache_mem 8 MB
logformat ids id %{X-Request-Id}>h
access_log stdio:{{.Site.Dir}}/requests.log ids
cache_log {{.Site.Dir}}/error.log
pid_filename {{.Site.Dir}}/squid.pid
coredump_dir {{.Site.Dir}}
shutdown_lifetime 0 seconds
pinger_enable off
icp_port 0
{{if .Kind.Account}}cache_effective_user {{.Kind.Account}}{{end}}
`)

func (q Squid) start(s *site) (running, error) {
	if err := q.refuse(); err != nil {
		return nil, err
	}
	settings := struct {
		Squid
		Host, Port, Auth, Account string
	}{Squid: q, Auth: squidAuth}
	settings.Host, settings.Port, _ = net.SplitHostPort(q.Backend)
	// It knows a password by its MD5, among others. That is no secret here.
	users := fmt.Sprintf("%s:%x\n", q.User, md5.Sum([]byte(q.Password)))
	if err := os.WriteFile(s.File("users"), []byte(users), 0o600); err != nil {
		return nil, err
	}
	if s.Root() {
		u, err := account("proxy", "squid", "nobody")
		if err != nil {
			return nil, err
		}
		settings.Account = u.Username
		defer func() { _ = s.giveTo(u) }()
	}
	if err := s.write("squid.conf", squidConfiguration, settings); err != nil {
		return nil, err
	}
	// Several can run side by side if each has a name.
	return s.run(signals{reload: signalHangUp}, "-N", "-n", "realtest"+s.Port(), "-f", s.File("squid.conf"))
}

func (q Squid) refuse() error {
	if q.Backend != "" && q.User != "" {
		return errors.New("only a forward proxy asks for a password")
	}
	return wholeSeconds("KeepAliveTimeout", q.KeepAliveTimeout)
}
