package contract

import (
	"net"
	"sync"
	"time"
)

// listeners are for one server after the other: to find a free port becomes slow when there are thousands in use.
var listeners listenerPool

type listenerPool struct {
	mu   sync.Mutex
	free []*net.TCPListener
}

func (p *listenerPool) take() (*net.TCPListener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		l := p.free[n-1]
		p.free = p.free[:n-1]
		return l, l.SetDeadline(time.Time{})
	}
	return net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
}

func (p *listenerPool) give(l *net.TCPListener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, l)
}
