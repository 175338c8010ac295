package ttlpool

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// A pool gives so many warnings in so much time: a thousand addresses of one make
// are no news.
const (
	warnings       = 10
	warningsWithin = time.Minute
)

// warned counts warnings.
type warned struct {
	mu    sync.Mutex // guards the rest; nothing but arithmetic happens under it
	since instant
	count int
}

// allow takes one of the warnings that there may be.
func (w *warned) allow(now instant) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since == (instant{}) || elapsed(now, w.since) >= warningsWithin {
		w.since, w.count = now, 0
	}
	w.count++
	return w.count <= warnings
}

// warn tells an operator, once for each address, that the TTL that holds for a
// connection is longer than what its server tolerates.
func (p *Pool) warn(c *Conn, now instant) {
	b := c.bucket
	b.mu.Lock()
	l := c.lifetimeLocked(now)
	b.mu.Unlock()
	ttl, source := b.policy.statedTTL(l)
	evidence, tooLong := b.lessons.disprove(ttl)
	if !tooLong || !p.warned.allow(now) || !b.lessons.warnOnce() {
		return
	}
	p.traces.ttlTooLong(b.key.address, ttl, evidence)
	if log := p.config.logger; log != nil {
		log.Warn(fmt.Sprintf("TTL %ss%s is longer than what %s tolerates (%v)", seconds(ttl), source, b.key.address, evidence),
			slog.String("address", b.key.address), slog.Duration("ttl", ttl),
			slog.Duration("closed_idle_from", evidence.From), slog.Duration("closed_idle_to", evidence.To),
			slog.Int("times", evidence.Closes))
	}
}

// statedTTL is the effective TTL without what was learned, 0 if there is none,
// and what it comes from if that is not WithTTL.
func (p *policy) statedTTL(l lifetime) (ttl time.Duration, source string) {
	l.learned = 0
	ttl = p.effectiveTTL(l)
	switch {
	case ttl == p.ttl:
		return ttl, ""
	case l.hinted > 0 && ttl == p.usable(l.hinted, l):
		return ttl, fmt.Sprintf(" (Keep-Alive: timeout=%s, less the margin)", seconds(l.hinted))
	}
	return ttl, fmt.Sprintf(" (server timeout %ss, less the margin)", seconds(p.serverTimeout))
}

// seconds writes a duration with three digits that count.
func seconds(d time.Duration) string {
	text := strconv.FormatFloat(d.Seconds(), 'g', 3, 64)
	if d >= 1000*time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', 0, 64)
	}
	return text
}

// String says it in words: closed idle connections at 15.9 to 16.1 s, 7 times.
func (e Evidence) String() string {
	from, to := seconds(e.From), seconds(e.To)
	if from != to {
		from += " to " + to
	}
	return fmt.Sprintf("closed idle connections at %s s, %d times", from, e.Closes)
}
