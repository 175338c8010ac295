package recipes

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool"
)

// ServersTransport is how some services' servers are talked to, by configuration.
type ServersTransport struct {
	ServerName            string
	InsecureSkipVerify    bool
	MaxIdleConnsPerHost   int // 0: ttlpool's default
	DisableHTTP2          bool
	ResponseHeaderTimeout time.Duration
	IdleConnTimeout       time.Duration // the TTL
	ServerTimeout         time.Duration // what the servers themselves have; 0: not known
}

// Manager has the transports of the current configuration, by name. It is safe
// for concurrent use.
type Manager struct {
	mu      sync.RWMutex // guards current; nothing is closed or dialled under it
	current map[string]*managed
}

// managed is a transport that may be replaced while requests are on their way
// to it.
type managed struct {
	*ttlpool.Transport
	made    ServersTransport
	retired atomic.Bool
}

// Update takes up a configuration. What has not changed keeps its connections;
// what has changed or gone ends gently. If anything cannot be, nothing changes.
func (m *Manager) Update(configuration map[string]ServersTransport) error {
	gone, err := m.replace(configuration)
	for _, was := range gone {
		was.retire()
	}
	return err
}

// replace returns the transports that are no longer of use. If two updates began
// with the same ones, nobody would retire what the first of them has made.
func (m *Manager) replace(configuration map[string]ServersTransport) (gone []*managed, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make(map[string]*managed)
	for name, wanted := range configuration {
		if kept := m.current[name]; kept != nil && kept.made == wanted {
			next[name] = kept
			continue
		}
		transport, err := wanted.transport()
		if err != nil { // those made before have no connection yet
			return nil, fmt.Errorf("servers transport %s: %w", name, err)
		}
		next[name] = &managed{Transport: transport, made: wanted}
	}
	for name, was := range m.current {
		if next[name] != was {
			gone = append(gone, was)
		}
	}
	m.current = next
	return gone, nil
}

// Get returns the transport of this name, for as long as the handlers of the
// current configuration last.
func (m *Manager) Get(name string) (http.RoundTripper, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	transport, ok := m.current[name]
	if !ok {
		return nil, fmt.Errorf("no servers transport %s", name)
	}
	return transport, nil
}

func (s ServersTransport) transport() (*ttlpool.Transport, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{ServerName: s.ServerName, InsecureSkipVerify: s.InsecureSkipVerify}
	base.ForceAttemptHTTP2 = !s.DisableHTTP2
	base.MaxIdleConnsPerHost = s.MaxIdleConnsPerHost
	base.ResponseHeaderTimeout = s.ResponseHeaderTimeout
	base.IdleConnTimeout = s.IdleConnTimeout
	return ttlpool.NewTransport(ttlpool.WithBase(base), ttlpool.WithServerTimeout(s.ServerTimeout))
}

// retire closes what is idle, and what is in use when its response has ended.
// It is not Shutdown: handlers of the old configuration may yet have requests.
func (m *managed) retire() {
	m.retired.Store(true)
	m.CloseIdleConnections()
}

// RoundTrip sends a request, which may have come late.
func (m *managed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.Transport.RoundTrip(req)
	if m.retired.Load() {
		m.CloseIdleConnections()
	}
	return resp, err
}
