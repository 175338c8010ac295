package ttlpool

import (
	"container/list"
	"sync/atomic"
	"time"
)

// past is what the pool remembers of a key when nothing is open any more and
// its bucket has been dropped.
type past struct {
	lessons lessons
	tally   tally
	hint    atomic.Int64 // the server's timeout as it said last, a time.Duration; 0: it did not

	dormant *list.Element // its place in Pool.dormant, nil while there is a bucket; guarded by Pool.mu
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

// pastOfLocked returns what is known of a key whose bucket is being made. The
// caller holds Pool.mu.
func (p *Pool) pastOfLocked(k key) *past {
	known := p.pasts[k]
	switch {
	case known == nil:
		if len(p.pasts) >= maxPasts {
			p.forgetOneLocked()
		}
		known = &past{}
		p.pasts[k] = known
	case known.dormant != nil:
		p.dormant.Remove(known.dormant)
		known.dormant = nil
	}
	return known
}

// retainLocked is for a key whose bucket is dropped. Keys in use may be more than
// maxPasts, so that there is no room for another past then. The caller holds
// Pool.mu.
func (p *Pool) retainLocked(k key) {
	p.pasts[k].dormant = p.dormant.PushBack(k)
	if len(p.pasts) > maxPasts {
		p.forgetOneLocked()
	}
}

// forgetOneLocked forgets the key that has been out of use for longest, if there
// is one. One at a time is enough: none is out of use while there are more than
// maxPasts. The caller holds Pool.mu.
func (p *Pool) forgetOneLocked() {
	longest := p.dormant.Front()
	if longest == nil {
		return
	}
	k := p.dormant.Remove(longest).(key)
	p.pasts[k].tally.bequeath(&p.forgotten)
	delete(p.pasts, k)
}

// stats returns the counters, and what is known of the server.
func (p *past) stats(policy *policy, now instant) HostStats {
	h := HostStats{
		Counts: p.tally.counts(),
		Hinted: time.Duration(p.hint.Load()),
	}
	var l lifetime
	if !policy.learningOff {
		l.learned, h.Learned = p.lessons.belief(now)
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
