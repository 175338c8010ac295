package testnet

import "sync"

// loss decides which packets arrive.
type loss struct {
	// mu is held from the decision on a packet until the packet has arrived,
	// so that none arrives any more once Cut has returned. That is a write to
	// a TUN device, which does not block.
	mu   sync.Mutex
	lose func(Packet) bool // nil: all arrive
}

func (l *loss) set(lose func(Packet) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = lose
}

// pass calls arrive, unless the packet is lost.
func (l *loss) pass(p Packet, arrive func([]byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lose == nil || !l.lose(p) {
		arrive(p.Data)
	}
}
