package ttlpool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/ttlpool/ttlpool/internal/connect"
	"github.com/ttlpool/ttlpool/internal/h1"
	"github.com/ttlpool/ttlpool/internal/h2"
)

// defaultBase is what a Transport stands on when no base is given: what
// http.DefaultTransport is, limits and idle timeout apart. It is not
// http.DefaultTransport itself, which programs replace.
func defaultBase() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// defaultHeaderLimit is net/http's, for a base that states none.
const defaultHeaderLimit = 10 << 20

// transportConfig applies the options over those of the base, if there is one.
func transportConfig(opts []Option) (*config, error) {
	named := defaultConfig() // to find the base, which may stand anywhere
	if err := named.apply(opts); err != nil {
		return nil, err
	}
	if err := named.policy.validateStated(); err != nil {
		return nil, err
	}
	c := defaultConfig()
	if named.base != nil {
		if err := refuse(named.base); err != nil {
			return nil, err
		}
		c.takeOver(named.base)
	}
	if err := c.apply(opts); err != nil {
		return nil, err
	}
	return c, c.settle()
}

func (c *config) apply(opts []Option) error {
	for _, opt := range opts {
		if opt == nil {
			return errNilOption
		}
		if err := opt.applyTransport(c); err != nil {
			return err
		}
	}
	return nil
}

// refuse names the first setting of a base that cannot be honoured.
func refuse(base *http.Transport) error {
	for proto := range base.TLSNextProto {
		if proto != h2.Proto && proto != "unencrypted_http2" { // which net/http itself puts there
			return fmt.Errorf("ttlpool: base Transport: TLSNextProto has %q, which is not supported", proto)
		}
	}
	if base.HTTP2 != nil && base.HTTP2.StrictMaxConcurrentRequests {
		return errors.New("ttlpool: base Transport: HTTP2.StrictMaxConcurrentRequests is not supported; see WithMaxConnsPerHost")
	}
	if p := protocolsOf(base); !p.HTTP1() && !p.HTTP2() && !p.UnencryptedHTTP2() {
		return errors.New("ttlpool: base Transport: Protocols has none that is supported")
	}
	return nil
}

// protocolsOf returns the protocols that a base speaks, by the rules of
// http.Transport: what Protocols says, else HTTP/1 and, unless something hints
// that the caller expects HTTP/1 only, HTTP/2.
func protocolsOf(base *http.Transport) http.Protocols {
	if base.Protocols != nil {
		return *base.Protocols
	}
	var p http.Protocols
	p.SetHTTP1(true)
	//lint:ignore SA1019 honoured although deprecated
	custom := base.TLSClientConfig != nil || base.Dial != nil || base.DialContext != nil || base.DialTLS != nil || base.DialTLSContext != nil
	if base.TLSNextProto != nil {
		p.SetHTTP2(base.TLSNextProto[h2.Proto] != nil)
	} else {
		p.SetHTTP2(base.ForceAttemptHTTP2 || !custom)
	}
	return p
}

// alpnOf returns the names of the protocols to be agreed on over TLS.
func alpnOf(p http.Protocols) (names []string) {
	if p.HTTP2() {
		names = append(names, h2.Proto)
	}
	if p.HTTP1() {
		names = append(names, connect.HTTP1)
	}
	return names
}

// takeOver maps the base's limits.
func (c *config) takeOver(base *http.Transport) {
	c.maxIdle = base.MaxIdleConns
	if n := base.MaxIdleConnsPerHost; n > 0 { // 0 is net/http's default of 2: too few for a proxy
		c.policy.maxIdle = n
	}
	if base.MaxIdleConnsPerHost < 0 || base.DisableKeepAlives {
		c.policy.maxUses = 1
	}
	c.policy.maxConns = max(0, base.MaxConnsPerHost)
	c.policy.ttl = max(0, base.IdleConnTimeout)
}

// settingsOf returns what exchanges take from the base.
func settingsOf(base *http.Transport) *h1.Settings {
	settings := h1.NewSettings(base.ReadBufferSize, base.WriteBufferSize)
	settings.MaxHeaderBytes = base.MaxResponseHeaderBytes
	if settings.MaxHeaderBytes <= 0 {
		settings.MaxHeaderBytes = defaultHeaderLimit
	}
	settings.HeaderTimeout = base.ResponseHeaderTimeout
	settings.ContinueTimeout = base.ExpectContinueTimeout
	settings.NoCompression = base.DisableCompression
	settings.NoKeepAlive = base.DisableKeepAlives
	return settings
}

// dialerOf returns what connections take from the base.
func dialerOf(base *http.Transport, maxHeaderBytes int64) connect.Dialer {
	return connect.Dialer{
		Dial:                   dialOf(base),
		DialTLS:                dialTLSOf(base),
		TLS:                    base.TLSClientConfig.Clone(), // the caller's may be changed later
		Protocols:              alpnOf(protocolsOf(base)),
		HandshakeTimeout:       base.TLSHandshakeTimeout,
		ProxyConnectHeader:     base.ProxyConnectHeader,
		GetProxyConnectHeader:  base.GetProxyConnectHeader,
		OnProxyConnectResponse: base.OnProxyConnectResponse,
		MaxHeaderBytes:         maxHeaderBytes,
	}
}

// dialOf returns the base's dial function; DialContext goes before Dial.
func dialOf(base *http.Transport) connect.DialFunc {
	//lint:ignore SA1019 honoured although deprecated
	switch dial := base.Dial; {
	case base.DialContext != nil:
		return base.DialContext
	case dial != nil:
		return func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) }
	}
	return (&net.Dialer{}).DialContext // no timeout, as in net/http
}

// dialTLSOf returns the base's dial function for TLS, or nil.
func dialTLSOf(base *http.Transport) connect.DialFunc {
	//lint:ignore SA1019 honoured although deprecated
	switch dial := base.DialTLS; {
	case base.DialTLSContext != nil:
		return base.DialTLSContext
	case dial != nil:
		return func(_ context.Context, network, address string) (net.Conn, error) { return dial(network, address) }
	}
	return nil
}
