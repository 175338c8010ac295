package realtest

import (
	_ "embed"
	"encoding/json"
	"os"
	"time"
)

// Node is the http module of Node.js.
type Node struct {
	KeepAliveTimeout time.Duration // to the millisecond
	MaxRequests      int           // that a connection serves
	Certificate      *Certificate  // nil: no TLS
}

func (n Node) facts() facts {
	return facts{
		name: "Node.js", programs: []string{"node", "nodejs"}, packages: "nodejs", version: []string{"--version"},
		secure: n.Certificate != nil,
	}
}

//go:embed apps/answer.js
var nodeApp []byte

func (n Node) start(s *site) (running, error) {
	if err := s.writeCertificate(n.Certificate); err != nil {
		return nil, err
	}
	settings, err := json.Marshal(map[string]any{
		"host":             s.Host(),
		"port":             s.Port(),
		"keepAliveTimeout": n.KeepAliveTimeout.Milliseconds(),
		"maxRequests":      n.MaxRequests,
		"secure":           n.Certificate != nil,
	})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.File("answer.js"), nodeApp, 0o600); err != nil {
		return nil, err
	}
	return s.run(signals{}, s.File("answer.js"), string(settings))
}
