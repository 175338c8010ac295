package torture

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ttlpool/ttlpool"
)

// Peer is a client of a server.
type Peer struct {
	Name string
	// Safe is true if it knows enough of the server that none of its requests
	// may fail, and Ours if it is ttlpool.
	Safe, Ours bool

	transport http.RoundTripper
	url       func(lane int) string
	header    http.Header         // of each request
	ttl       time.Duration       // after which it does not use a connection; 0: not known
	knows     func(lane int) bool // whether it has learned the timeout; nil: it does not learn
	dials     atomic.Int64        // for aimed requests
	countless bool                // nobody counts its connections
	stop      func()
}

// target is what the peers of one row aim at.
type target struct {
	address string
	secure  *tls.Config // nil: no TLS
	timeout time.Duration
}

func (t target) scheme() string {
	if t.secure != nil {
		return "https://"
	}
	return "http://"
}

// laneURL has a host name for each lane, so that each has idle connections of
// its own: sharing them, all would use the few that were used last.
func (t target) laneURL(lane int) string { return t.scheme() + laneHost(lane) + "/" }

// aimedKey is the context key of requests that are aimed, and no preparation.
type aimedKey struct{}

// laneAddress is what the Transport has for a lane's address.
func (t target) laneAddress(lane int) string {
	port := ":80"
	if t.secure != nil {
		port = ":443"
	}
	return laneHost(lane) + port
}

func laneHost(lane int) string { return "lane-" + strconv.Itoa(lane) + ".test" }

// dialing dials the target, whatever the name.
func (p *Peer) dialing(t target) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		if ctx.Value(aimedKey{}) != nil {
			p.dials.Add(1)
		}
		return new(net.Dialer).DialContext(ctx, network, t.address)
	}
}

// base are the settings that all transports share.
func (p *Peer) base(t target) *http.Transport {
	return &http.Transport{DialContext: p.dialing(t), TLSClientConfig: t.secure.Clone(), IdleConnTimeout: 90 * time.Second}
}

// netHTTP is http.Transport, with what the settings change.
func netHTTP(name string, t target, settings func(*http.Transport)) *Peer {
	p := &Peer{Name: name, url: t.laneURL}
	tr := p.base(t)
	settings(tr)
	p.transport, p.stop = tr, tr.CloseIdleConnections
	p.ttl = tr.IdleConnTimeout
	return p
}

// ours is ttlpool.
func ours(name string, t target, opts ...ttlpool.Option) (*Peer, *ttlpool.Transport, error) {
	p := &Peer{Name: name, url: t.laneURL, Safe: true, Ours: true}
	base := p.base(t)
	base.IdleConnTimeout = 0
	all := append([]ttlpool.Option{ttlpool.WithBase(base), ttlpool.WithMaxIdle(0)}, opts...)
	tr, err := ttlpool.NewTransport(all...)
	if err != nil {
		return nil, nil, err
	}
	p.transport, p.stop = tr, func() { _ = tr.Close() }
	return p, tr, nil
}

// margin is ttlpool's own, by default.
func (t target) margin() time.Duration { return min(time.Second, t.timeout/4) }

// direct are the peers that speak to the server themselves.
func direct(t target, hints hint) ([]*Peer, error) {
	careful := t.timeout - t.margin()
	peers := []*Peer{
		netHTTP("http.Transport", t, func(*http.Transport) {}),
		netHTTP("http.Transport, careful", t, func(tr *http.Transport) { tr.IdleConnTimeout = careful }),
		netHTTP("http.Transport, no keep-alive", t, func(tr *http.Transport) { tr.DisableKeepAlives = true }),
	}
	told, _, err := ours("ttlpool, told", t, ttlpool.WithServerTimeout(t.timeout), ttlpool.WithLearning(false),
		ttlpool.WithKeepAliveHint(false))
	if err != nil {
		return nil, err
	}
	told.ttl = careful
	learned, tr, err := ours("ttlpool, learning", t, ttlpool.WithKeepAliveHint(false))
	if err != nil {
		return nil, err
	}
	learned.knows = func(lane int) bool { return tr.Stats().Hosts[t.laneAddress(lane)].LearnedTimeout > 0 }
	peers = append(peers, told, learned)
	if hints == noHint {
		return peers, nil
	}
	hinted, _, err := ours("ttlpool, hinted", t, ttlpool.WithLearning(false))
	if err != nil {
		return nil, err
	}
	hinted.ttl = careful
	if hints == hintIfAsked {
		hinted.header = http.Header{"Connection": {"keep-alive"}}
	}
	return append(peers, hinted), nil
}

// hint says whether a server tells its timeout.
type hint int

const (
	noHint      hint = iota
	hintAlways       // in each response
	hintIfAsked      // to those who send Connection: keep-alive
)
