package behaviour

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ttlpool/ttlpool"
)

// A behaviour is something that a transport does, and how to see it.
type behaviour struct {
	name  string
	modes []mode // in which it makes sense; nil: all
	alone bool   // it changes what others use: nothing may run beside it
	run   func(t *testing.T, e *env)
}

// A mode is how client and server speak with each other.
type mode string

const (
	plain mode = "HTTP/1.1"
	https mode = "HTTPS" // HTTP/1.1 over TLS
	h2    mode = "HTTP/2"
	h2c   mode = "h2c" // HTTP/2 without TLS, with prior knowledge
)

var (
	everywhere = []mode{plain, https, h2, h2c}
	overHTTP1  = []mode{plain, https}
	overHTTP2  = []mode{h2, h2c}
	overTLS    = []mode{https, h2}
	inTheClear = []mode{plain, h2c}
	overALPN   = []mode{plain, https, h2} // all but prior knowledge
)

func (m mode) tls() bool   { return m == https || m == h2 }
func (m mode) http2() bool { return m == h2 || m == h2c }

func (b behaviour) in() []mode {
	if b.modes == nil {
		return everywhere
	}
	return b.modes
}

// A theme is a list of behaviours under a heading.
type theme struct {
	name       string
	behaviours []behaviour
}

// A contestant makes the transport that a run is about.
type contestant struct {
	name string
	ours bool
	make func(*testing.T, *http.Transport) http.RoundTripper
}

var (
	reference = contestant{"net-http", false, func(t *testing.T, base *http.Transport) http.RoundTripper {
		t.Cleanup(base.CloseIdleConnections)
		return base
	}}
	candidate = contestant{"ttlpool", true, func(t *testing.T, base *http.Transport) http.RoundTripper {
		return ownTransport(t, ttlpool.WithBase(base))
	}}
)

// ownTransport makes a transport of ours.
func ownTransport(t *testing.T, opts ...ttlpool.Option) *ttlpool.Transport {
	tr, err := ttlpool.NewTransport(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// TestBehaviours runs what both transports must do.
func TestBehaviours(t *testing.T) { runAll(t, themes, reference, candidate) }

// TestDifferences runs what the two do differently, on purpose: each run asserts what its own transport does.
func TestDifferences(t *testing.T) { runAll(t, differences, reference, candidate) }

// TestOwn runs what http.Transport does not have.
func TestOwn(t *testing.T) { runAll(t, own, candidate) }

func runAll(t *testing.T, themes []theme, contestants ...contestant) {
	for _, th := range themes {
		t.Run(th.name, func(t *testing.T) {
			for _, b := range th.behaviours {
				t.Run(b.name, func(t *testing.T) { runOne(t, b, contestants) })
			}
		})
	}
}

func runOne(t *testing.T, b behaviour, contestants []contestant) {
	for _, m := range b.in() {
		for _, c := range contestants {
			t.Run(string(m)+"/"+c.name, func(t *testing.T) {
				if !b.alone {
					t.Parallel()
				}
				b.run(t, newEnv(t, m, c))
			})
		}
	}
}
