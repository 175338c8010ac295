package realtest

import (
	_ "embed"
	"os"
	"strconv"
	"time"
)

// Gunicorn is gunicorn with its threaded worker, the simplest that keeps
// connections.
type Gunicorn struct {
	KeepAliveTimeout time.Duration // whole seconds
	Certificate      *Certificate  // nil: no TLS
}

func (g Gunicorn) facts() facts {
	return facts{
		name: "gunicorn", programs: []string{"gunicorn"}, packages: "gunicorn", version: []string{"--version"},
		secure: g.Certificate != nil,
	}
}

//go:embed apps/answer.py
var gunicornApp []byte

func (g Gunicorn) start(s *site) (running, error) {
	if err := wholeSeconds("KeepAliveTimeout", g.KeepAliveTimeout); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.File("answer.py"), gunicornApp, 0o600); err != nil {
		return nil, err
	}
	if err := s.writeCertificate(g.Certificate); err != nil {
		return nil, err
	}
	args := []string{
		"--chdir", s.Dir, "--bind", s.Address, "--worker-class", "gthread", "--workers", "1", "--threads", "4",
		"--graceful-timeout", "1", "--worker-tmp-dir", s.Dir, "--error-logfile", s.File(errorLog), "--capture-output",
	}
	if g.KeepAliveTimeout != 0 {
		args = append(args, "--keep-alive", strconv.Itoa(int(g.KeepAliveTimeout/time.Second)))
	}
	if g.Certificate != nil {
		args = append(args, "--certfile", s.File(chainFile), "--keyfile", s.File(keyFile))
	}
	return s.run(signals{reload: signalHangUp}, append(args, "answer:application")...)
}
