// Package caddy is ttlpool for Caddy's reverse proxy: its transport module
// http.reverse_proxy.transport.ttlpool. A Caddy that imports this package
// understands, in a Caddyfile,
//
//	reverse_proxy hub:80 {
//		transport ttlpool {
//			server_timeout 16s # the hub's KeepAliveTimeout
//		}
//	}
package caddy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/ttlpool/ttlpool"
)

func init() { caddy.RegisterModule(new(Transport)) }

// Transport is Caddy's own transport, with all of its settings, over the
// connections of a [ttlpool.Transport]. HTTP/3 is refused: its connections are
// not pooled here.
//
// The most idle time of Caddy's transport, keepalive, is the TTL if none is
// stated; Caddy's default for it is two minutes.
type Transport struct {
	reverseproxy.HTTPTransport

	// TTL is the most idle time after which a connection is reused. The default
	// is that of keepalive.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// ServerTimeout is the upstream's keep-alive timeout: the TTL is that less
	// the margin, or TTL if that is shorter. Zero means unknown.
	ServerTimeout caddy.Duration `json:"server_timeout,omitempty"`
	// StrictTTL is the TTL for requests that could not be sent again; 0 means
	// that they have no other. The default is half the TTL.
	StrictTTL *caddy.Duration `json:"strict_ttl,omitempty"`
	// Margin is what is taken off a server's timeout. The default is one second,
	// or a quarter of the timeout if that is less.
	Margin *caddy.Duration `json:"margin,omitempty"`
	// MaxAge is the most age at which a connection is reused. Zero means no limit.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
	// MaxAgeJitter shortens the MaxAge of each connection by up to this.
	MaxAgeJitter caddy.Duration `json:"max_age_jitter,omitempty"`
	// MaxUses is how many requests a connection may serve. Zero means no limit.
	MaxUses int `json:"max_uses,omitempty"`
	// AcquireTimeout is how long a request waits for a connection, where their
	// number is limited or a dial takes long. Caddy then goes on to the next
	// upstream, if it is told to. Zero means no limit.
	AcquireTimeout caddy.Duration `json:"acquire_timeout,omitempty"`
	// ReplayLimit is how many bytes of a request's body are kept so that it can
	// be sent again; 0 means none. The default is 64 KiB.
	ReplayLimit *int64 `json:"replay_limit,omitempty"`
	// Learning says whether the upstream's timeout is learned from its closes.
	// The default is true.
	Learning *bool `json:"learning,omitempty"`
	// Hint says whether the upstream's Keep-Alive header is honoured. The
	// default is true.
	Hint *bool `json:"hint,omitempty"`
	// IdempotentRaw matches requests, as they go to the upstream, that may be
	// sent again whatever their method.
	IdempotentRaw caddyhttp.RawMatcherSets `json:"idempotent,omitempty" caddy:"namespace=http.matchers"`

	idempotent caddyhttp.MatcherSets
	pooled     *ttlpool.Transport // nil before Provision
	retired    atomic.Bool        // after Cleanup
}

// CaddyModule tells Caddy of the module.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.ttlpool",
		New: func() caddy.Module { return new(Transport) },
	}
}

// Provision lets Caddy make its own transport of the settings, and takes that
// as a base. A contradiction among the settings is an error.
func (t *Transport) Provision(ctx caddy.Context) error {
	if slices.Contains(t.Versions, "3") {
		return errors.New("ttlpool: versions: HTTP/3 is not supported")
	}
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	matchers, err := ctx.LoadModule(t, "IdempotentRaw")
	if err != nil {
		return fmt.Errorf("loading matchers of idempotent requests: %w", err)
	}
	if err := t.idempotent.FromInterface(matchers); err != nil {
		return err
	}
	options := append(t.options(), ttlpool.WithBase(t.HTTPTransport.Transport), ttlpool.WithLogger(ctx.Slogger()))
	if len(t.idempotent) > 0 {
		options = append(options, ttlpool.WithIdempotent(t.isIdempotent))
	}
	t.pooled, err = ttlpool.NewTransport(options...)
	return err
}

// options returns what was stated, and nothing that was not.
func (t *Transport) options() []ttlpool.Option {
	options := []ttlpool.Option{
		ttlpool.WithServerTimeout(time.Duration(t.ServerTimeout)),
		ttlpool.WithMaxAge(time.Duration(t.MaxAge)),
		ttlpool.WithMaxAgeJitter(time.Duration(t.MaxAgeJitter)),
		ttlpool.WithAcquireTimeout(time.Duration(t.AcquireTimeout)),
	}
	if t.TTL != 0 { // or it would stand against keepalive's
		options = append(options, ttlpool.WithTTL(time.Duration(t.TTL)))
	}
	if t.MaxUses != 0 { // or it would stand against "keepalive off"
		options = append(options, ttlpool.WithMaxUses(t.MaxUses))
	}
	if t.StrictTTL != nil {
		options = append(options, ttlpool.WithStrictTTL(time.Duration(*t.StrictTTL)))
	}
	if t.Margin != nil {
		options = append(options, ttlpool.WithMargin(time.Duration(*t.Margin)))
	}
	if t.ReplayLimit != nil {
		options = append(options, ttlpool.WithReplayLimit(*t.ReplayLimit))
	}
	if t.Learning != nil {
		options = append(options, ttlpool.WithLearning(*t.Learning))
	}
	if t.Hint != nil {
		options = append(options, ttlpool.WithKeepAliveHint(*t.Hint))
	}
	return options
}

// isIdempotent takes a matcher that fails for one that does not match: it is
// better not to send again.
func (t *Transport) isIdempotent(req *http.Request) bool {
	matches, err := t.idempotent.AnyMatchWithError(req)
	return err == nil && matches
}

// RoundTrip sends a request to its upstream.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.SetScheme(req)
	resp, err := t.pooled.RoundTrip(req)
	if t.retired.Load() {
		t.pooled.CloseIdleConnections() // this one's too, when its response has ended
	}
	if errors.Is(err, ttlpool.ErrAcquireTimeout) {
		err = reverseproxy.NewDialError(err) // nothing was sent: Caddy may try another upstream
	}
	return resp, err
}

// Cleanup closes idle connections now, and those in use when their response has
// ended. Caddy calls it when the configuration has been replaced, while requests
// that came under it go on, and may yet come here. They are served; so this is
// not Shutdown.
func (t *Transport) Cleanup() error {
	if t.pooled != nil {
		t.retired.Store(true)
		t.pooled.CloseIdleConnections()
	}
	return t.HTTPTransport.Cleanup()
}

var (
	_ http.RoundTripper                                = (*Transport)(nil)
	_ caddy.Provisioner                                = (*Transport)(nil)
	_ caddy.CleanerUpper                               = (*Transport)(nil)
	_ caddyfile.Unmarshaler                            = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
)
