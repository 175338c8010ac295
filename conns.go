package ttlpool

import (
	"cmp"
	"net"
	"slices"
	"time"
)

// ConnStatus is what Conns says of one open connection, at one instant.
type ConnStatus struct {
	ConnInfo

	Protocol      string // of a Transport's: "HTTP/1.1" or "HTTP/2.0"; of a bare pool's: empty
	TLS           bool   // as a Transport has dialled it
	Local, Remote string // addresses; Remote is the proxy's, if there is one

	TTL time.Duration // the effective TTL; 0: none

	// ClosesIn is how soon, at the latest, an idle connection is closed if nobody
	// uses it, and ClosesFor why. If nothing limits its idle life, or it is in
	// use, ClosesFor is NotClosed.
	ClosesIn  time.Duration
	ClosesFor CloseReason
}

// Conns lists the open connections, by address and, of one address, the oldest
// first. It is meant for inspection, such as a debug page: its cost grows with
// the number of connections, and what it says may be over when it returns.
func (p *Pool) Conns() []ConnStatus {
	now := readClocks()
	all := make([]ConnStatus, 0, max(0, p.places.Load()))
	for _, b := range p.snapshot() {
		all = append(all, b.connStatus(now)...)
	}
	slices.SortStableFunc(all, func(a, b ConnStatus) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), a.Born.Compare(b.Born), cmp.Compare(a.Local, b.Local))
	})
	return all
}

// Conns lists the open connections, as [Pool.Conns] does.
func (t *Transport) Conns() []ConnStatus {
	all := t.pool.Conns()
	for i := range all {
		if all[i].Protocol == "" {
			all[i].Protocol = "HTTP/1.1"
		}
	}
	return all
}

func (b *bucket) connStatus(now instant) []ConnStatus {
	conns, all := b.openConns(now)
	for i, c := range conns { // not under the lock: a caller's own net.Conn answers
		all[i].Local, all[i].Remote = addressText(c.LocalAddr()), addressText(c.RemoteAddr())
	}
	return all
}

func addressText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

func (b *bucket) openConns(now instant) (conns []*Conn, all []ConnStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		life := c.lifetimeLocked(now)
		s := ConnStatus{ConnInfo: c.infoLocked(now), TLS: b.key.tls, TTL: b.policy.effectiveTTL(life)}
		if c.session != nil {
			s.Protocol = "HTTP/2.0"
		}
		if c.idle {
			s.ClosesIn, _, s.ClosesFor = b.policy.due(life, now, 0)
			s.ClosesIn = max(0, s.ClosesIn)
		}
		conns, all = append(conns, c), append(all, s)
	}
	return conns, all
}
