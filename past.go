package ttlpool

import (
	"sync/atomic"
	"time"
)

// past is what the pool remembers of a key when nothing is open any more and
// its bucket has been dropped.
type past struct {
	lessons lessons
	tally   tally
	hint    atomic.Int64 // the server's timeout as it said last, a time.Duration; 0: it did not
}

// noteHint is called for every response with a hint, and nearly always says
// what was said before.
func (p *past) noteHint(timeout time.Duration) {
	if p.hint.Load() != int64(timeout) {
		p.hint.Store(int64(timeout))
	}
}

// maxPasts bounds the memory for addresses of long ago.
const maxPasts = 4096

// pastOfLocked returns what is known of a key. The caller holds Pool.mu.
func (p *Pool) pastOfLocked(k key) *past {
	if known := p.pasts[k]; known != nil {
		return known
	}
	for old, known := range p.pasts {
		if len(p.pasts) < maxPasts {
			break
		}
		if p.buckets[old] == nil {
			delete(p.pasts, old)
			known.tally.bequeath(&p.forgotten)
		}
	}
	known := &past{}
	p.pasts[k] = known
	return known
}

// stats returns the counters, and what is known of the server.
func (p *past) stats(policy *policy, now instant) HostStats {
	h := HostStats{
		Counts:  p.tally.counts(),
		Hinted:  time.Duration(p.hint.Load()),
		Learned: p.lessons.evidence(),
	}
	var l lifetime
	if !policy.learningOff {
		l.learned = p.lessons.timeout(now)
		h.LearnedTimeout = l.learned
	}
	h.TTL = policy.effectiveTTL(l)
	return h
}

// remembered returns the Stats without what the buckets add.
func (p *Pool) remembered(now instant) Stats {
	p.mu.RLock() // nothing is forgotten meanwhile, and so counted twice or not at all
	defer p.mu.RUnlock()
	s := Stats{Counts: noCounts(), Hosts: make(map[string]HostStats, len(p.pasts))}
	s.Counts.add(p.forgotten.counts())
	for k, known := range p.pasts {
		h := known.stats(p.config.policyFor(k.address), now)
		s.addHost(k.address, h)
		s.Counts.add(h.Counts)
	}
	return s
}
