package ttlpool

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Option configures a [Transport]. Every option of a [Pool] is one too.
type Option interface {
	applyTransport(*config) error
}

// PoolOption configures a [Pool] or a [Transport].
type PoolOption interface {
	Option
	applyPool(*config) error
}

// HostOption configures a Pool or a Transport, or with [WithHost] the
// connections to some addresses only.
type HostOption interface {
	PoolOption
	applyHost(*policy) error
}

// config is what the options add up to. It is not changed after construction.
type config struct {
	policy  policy // for every address
	hosts   []hostRule
	maxIdle int
	traces  traces
	logger  *slog.Logger

	base        *http.Transport
	idempotent  func(*http.Request) bool
	replayLimit int64
	ignoreHints bool
}

// hostRule is one WithHost.
type hostRule struct {
	pattern string
	opts    []HostOption
	policy  policy // what the options for all and then opts add up to
}

// The defaults. No TTL is configured; hints and learning bring one.
const (
	defaultMargin         = time.Second
	defaultMaxIdle        = 4096
	defaultMaxIdlePerHost = 256
	defaultReplayLimit    = 64 << 10
	defaultBlackHole      = 30 * time.Second
)

func defaultConfig() *config {
	return &config{
		policy:      policy{margin: defaultMargin, maxIdle: defaultMaxIdlePerHost, blackHole: defaultBlackHole},
		maxIdle:     defaultMaxIdle,
		replayLimit: defaultReplayLimit,
	}
}

type hostOption func(*policy) error

func (o hostOption) applyHost(p *policy) error      { return o(p) }
func (o hostOption) applyPool(c *config) error      { return o(&c.policy) }
func (o hostOption) applyTransport(c *config) error { return o(&c.policy) }

type poolOption func(*config) error

func (o poolOption) applyPool(c *config) error      { return o(c) }
func (o poolOption) applyTransport(c *config) error { return o(c) }

type transportOption func(*config) error

func (o transportOption) applyTransport(c *config) error { return o(c) }

// WithTTL sets the most idle time after which a connection may still be
// reused. State less than the server's keep-alive timeout, or state that with
// [WithServerTimeout]. Zero, the default, means no limit.
func WithTTL(d time.Duration) HostOption {
	return durationOption("TTL", d, func(p *policy) { p.ttl = d })
}

// WithServerTimeout states the server's own keep-alive timeout: the TTL is
// that less the margin, or the one of [WithTTL] if that is shorter. Zero, the
// default, means unknown.
func WithServerTimeout(d time.Duration) HostOption {
	return durationOption("server timeout", d, func(p *policy) { p.serverTimeout = d })
}

// WithStrictTTL sets the most idle time after which a connection may be used by
// a request that could not be sent again, as a POST or one with a body too long
// to be kept; it gets a newer connection, or a new one. Nor does it get one that was
// idle when the peer was found to have hung up on another, less than a second ago: a
// restart closes one after the other. Zero turns both off. The default is half the
// effective TTL.
func WithStrictTTL(d time.Duration) HostOption {
	return durationOption("strict TTL", d, func(p *policy) { p.strictTTL, p.strictStated = d, true })
}

// WithMargin sets what is taken off a server's timeout so that a request gets
// there in time; the connection's round-trip time with its variation is taken
// if that is more. The default is one second, or a quarter of the timeout if
// that is less.
func WithMargin(d time.Duration) HostOption {
	return durationOption("margin", d, func(p *policy) { p.margin, p.marginStated = d, true })
}

// WithLearning says whether to learn a server's keep-alive timeout from its
// closes of idle connections: that less the margin is a TTL. It needs to be
// told at once of such closes, which works for sockets on Linux, macOS and
// FreeBSD, and, below a Transport, for connections of unknown kind. Closes over
// HTTP/2 teach nothing: there a server says which requests it has not acted on.
// The default is true.
func WithLearning(learn bool) HostOption {
	return hostOption(func(p *policy) error {
		p.learningOff = !learn
		return nil
	})
}

// WithMaxAge sets the most age, counted from the dial, at which a connection
// may still be reused, so that new addresses and backends are found. A request
// in flight is never cut short. Zero, the default, means no limit.
func WithMaxAge(d time.Duration) HostOption {
	return durationOption("maximum age", d, func(p *policy) { p.maxAge = d })
}

// WithMaxAgeJitter shortens the maximum age of each connection by a random
// time of up to d, drawn when it is dialled, so that connections dialled
// together are not renewed together. It must be shorter than the maximum age.
func WithMaxAgeJitter(d time.Duration) HostOption {
	return durationOption("maximum age's jitter", d, func(p *policy) { p.maxAgeJitter = d })
}

// WithMaxUses sets how many exchanges a connection may serve. Zero, the
// default, means no limit.
func WithMaxUses(n int) HostOption {
	return countOption("maximum of uses", n, func(p *policy) { p.maxUses = n })
}

// WithMaxIdlePerHost limits the idle connections to one address; the longest
// idle makes way. Those of different networks or schemes, through different
// proxies, or for WebSockets over TLS, are counted apart, as [http.Transport]
// counts them. Zero means no limit. The default is 256.
func WithMaxIdlePerHost(n int) HostOption {
	return countOption("maximum of idle connections per host", n, func(p *policy) { p.maxIdle = n })
}

// WithMaxConnsPerHost limits the connections to one address: idle, in use and
// being dialled. Requests beyond it wait, first come first served. What is counted
// apart is as with [WithMaxIdlePerHost]. Zero, the default, means no limit.
func WithMaxConnsPerHost(n int) HostOption {
	return countOption("maximum of connections per host", n, func(p *policy) { p.maxConns = n })
}

// WithAcquireTimeout limits how long a request waits for a connection, be it
// for a place within [WithMaxConnsPerHost] or for a dial. The error matches
// [ErrAcquireTimeout]. Zero, the default, means no limit but the request's
// own context.
func WithAcquireTimeout(d time.Duration) HostOption {
	return durationOption("acquire timeout", d, func(p *policy) { p.acquireTimeout = d })
}

// WithBlackHoleTimeout limits how long bytes may be on their way to a peer
// whose kernel gives no sign of life, until the connection is given up: a NAT
// may have forgotten it. The error matches [ErrBlackHole]; it comes up to a
// quarter later than stated, or a millisecond. It hurts neither a server that takes its time nor
// one that does not read: their kernels answer. It needs Linux, and a socket;
// elsewhere the system gives up, in its own time. Zero means that it does here
// too. The default is 30 seconds.
func WithBlackHoleTimeout(d time.Duration) HostOption {
	return durationOption("black-hole timeout", d, func(p *policy) { p.blackHole = d })
}

// WithMaxIdle limits the idle connections to all addresses together; one that
// has been idle long makes way (of the longest idle of a few addresses, the
// longest). Zero means no limit. The default is 4096.
func WithMaxIdle(n int) PoolOption {
	return poolOption(func(c *config) error {
		if n < 0 {
			return fmt.Errorf("ttlpool: maximum of idle connections is negative: %d", n)
		}
		c.maxIdle = n
		return nil
	})
}

// WithHost applies options to the addresses that match pattern only, over
// those given for all. A pattern is "host:port", "host" for every port,
// "*.domain" for every host below a domain (with or without a port), or "*".
// Case does not matter, nor whether a name is written in Unicode or as it is
// looked up (xn--). If several match, the first one given applies.
func WithHost(pattern string, opts ...HostOption) PoolOption {
	return poolOption(func(c *config) error {
		if pattern == "" {
			return errors.New("ttlpool: empty host pattern")
		}
		if star := strings.LastIndexByte(pattern, '*'); star > 0 || star == 0 && pattern != "*" && !strings.HasPrefix(pattern, "*.") {
			return fmt.Errorf("ttlpool: host pattern %q: a star stands alone or before the first dot", pattern)
		}
		c.hosts = append(c.hosts, hostRule{pattern: normalPattern(pattern), opts: opts})
		return nil
	})
}

// WithTrace adds hooks on the life of connections.
func WithTrace(t *Trace) PoolOption {
	return poolOption(func(c *config) error {
		if t == nil {
			return errors.New("ttlpool: nil Trace")
		}
		c.traces = append(c.traces, t)
		return nil
	})
}

// WithLogger logs what an operator should know: stale connections at level
// Warn where the request failed and Info where it was sent again, and closes
// at level Debug. The default is not to log.
func WithLogger(l *slog.Logger) PoolOption {
	return poolOption(func(c *config) error {
		if l == nil {
			return errors.New("ttlpool: nil Logger")
		}
		c.logger = l
		return nil
	})
}

// WithBase takes over the settings of an http.Transport, as they are at this
// moment: later changes have no effect, but what its pointers, maps and
// functions lead to is shared, except the TLSClientConfig, which is cloned.
// An explicit option wins over the base, wherever it stands in the list.
// A setting that cannot be honoured is an error of [NewTransport].
func WithBase(t *http.Transport) Option {
	return transportOption(func(c *config) error {
		if t == nil {
			return errors.New("ttlpool: nil base Transport")
		}
		c.base = t
		return nil
	})
}

// WithIdempotent declares more requests idempotent: those for which f returns
// true may be sent again when a stale connection failed them, as GET, HEAD,
// OPTIONS, TRACE, PUT and DELETE may. f must be safe for concurrent use.
func WithIdempotent(f func(*http.Request) bool) Option {
	return transportOption(func(c *config) error {
		if f == nil {
			return errors.New("ttlpool: nil predicate of idempotency")
		}
		c.idempotent = f
		return nil
	})
}

// WithReplayLimit sets how many bytes of a request body without GetBody are
// kept so that it can be sent again. They are kept until the response begins; on
// a connection over HTTP/1.1 that was not used before no more than 16 KiB are.
// Zero means that none are. The default is 64 KiB.
func WithReplayLimit(bytes int64) Option {
	return transportOption(func(c *config) error {
		if bytes < 0 {
			return fmt.Errorf("ttlpool: replay limit is negative: %d", bytes)
		}
		c.replayLimit = bytes
		return nil
	})
}

// WithKeepAliveHint says whether to honour what servers say in Keep-Alive: their
// timeout less the margin is a TTL for that connection, and their number of
// further requests a limit of its uses. The default is true.
func WithKeepAliveHint(honour bool) Option {
	return transportOption(func(c *config) error {
		c.ignoreHints = !honour
		return nil
	})
}

func durationOption(what string, d time.Duration, set func(*policy)) HostOption {
	return hostOption(func(p *policy) error {
		if d < 0 {
			return fmt.Errorf("ttlpool: %s is negative: %v", what, d)
		}
		set(p)
		return nil
	})
}

func countOption(what string, n int, set func(*policy)) HostOption {
	return hostOption(func(p *policy) error {
		if n < 0 {
			return fmt.Errorf("ttlpool: %s is negative: %d", what, n)
		}
		set(p)
		return nil
	})
}

// validate finds contradictions within one policy.
func (p *policy) validate() error {
	switch {
	case p.maxAgeJitter > 0 && p.maxAge == 0:
		return errors.New("ttlpool: jitter of the maximum age without a maximum age")
	case p.maxAge > 0 && p.maxAgeJitter >= p.maxAge:
		return fmt.Errorf("ttlpool: jitter %v is not shorter than the maximum age %v", p.maxAgeJitter, p.maxAge)
	case p.serverTimeout > 0 && p.marginOf(p.serverTimeout, 0) >= p.serverTimeout:
		return fmt.Errorf("ttlpool: margin %v leaves nothing of the server timeout %v", p.margin, p.serverTimeout)
	}
	return nil
}

// validateStated finds contradictions between what was stated side by side.
// What is inherited, from a base or from the options for all hosts, is no
// contradiction: the shortest TTL applies.
func (p *policy) validateStated() error {
	margin := p.marginOf(p.serverTimeout, 0)
	if p.serverTimeout > 0 && p.ttl > p.serverTimeout-margin {
		return fmt.Errorf("ttlpool: TTL %v is longer than the server timeout %v less the margin %v", p.ttl, p.serverTimeout, margin)
	}
	if p.ttl > 0 && p.strictTTL > p.ttl {
		return fmt.Errorf("ttlpool: strict TTL %v is longer than the TTL %v", p.strictTTL, p.ttl)
	}
	return nil
}

// settle computes the policy of every host rule, once all options for all
// hosts are known, and finds contradictions in each.
func (c *config) settle() error {
	if err := c.policy.validate(); err != nil {
		return err
	}
	for i := range c.hosts {
		rule := &c.hosts[i]
		rule.policy = c.policy
		if err := rule.apply(); err != nil {
			return fmt.Errorf("host %q: %w", rule.pattern, err)
		}
	}
	return nil
}

// apply applies the rule's options over the policy for all, and for themselves.
func (r *hostRule) apply() error {
	stated := policy{margin: r.policy.margin, marginStated: r.policy.marginStated}
	for _, opt := range r.opts {
		if opt == nil {
			return errNilOption
		}
		if err := opt.applyHost(&r.policy); err != nil {
			return err
		}
		_ = opt.applyHost(&stated) // succeeds as it has just done
	}
	if err := r.policy.validate(); err != nil {
		return err
	}
	return stated.validateStated()
}

var errNilOption = errors.New("ttlpool: nil option")

// policyFor returns the policy for one address.
func (c *config) policyFor(address string) *policy {
	for i := range c.hosts {
		if matchHost(c.hosts[i].pattern, address) {
			return &c.hosts[i].policy
		}
	}
	return &c.policy
}

// normalPattern returns a pattern in lower case, and in ASCII, as addresses are
// compared.
func normalPattern(pattern string) string {
	domain, wild := strings.CutPrefix(strings.ToLower(pattern), "*.")
	domain = inASCII(domain)
	if wild {
		return "*." + domain
	}
	return domain
}

// matchHost reports whether address ("host:port" or "host") matches a normal
// pattern.
func matchHost(pattern, address string) bool {
	address = inASCII(strings.ToLower(address))
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if domain, wild := strings.CutPrefix(pattern, "*"); wild {
		return domain == "" || strings.HasSuffix(address, domain) || strings.HasSuffix(host, domain)
	}
	return pattern == address || strings.Trim(pattern, "[]") == host
}
