package ttlpool

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lessons are what the closes of idle connections have taught about the server
// behind one address. They are part of its past, which outlives the bucket.
type lessons struct {
	mu        sync.Mutex // guards the rest; nothing but arithmetic happens under it
	votes     []vote     // oldest first, at most maxVotes
	best      Evidence   // what they come to; zero: nothing yet
	since     instant    // the last vote for it
	restarted instant    // the last close of the last restart; zero: none was seen

	warned bool

	// any is set while there is a vote, so that most need not take the lock. It is
	// looked at with each checkout, which counts as well: the tally of the past is
	// next to it, in the same line of the cache.
	any atomic.Bool
}

// vote is what one instant says: a connection, or several at once, closed by
// the peer after so much idle time.
type vote struct {
	at        instant // of the first close
	until     instant // of the last
	min, max  time.Duration
	straggles bool          // comes so soon after a restart that it may be part of it
	spared    bool          // another connection, idle at the time too, was left open
	outlived  time.Duration // how much longer connections have been idle since, each by alikeFor at most
}

// Evidence says how a server's keep-alive timeout was learned: so many times
// it closed connections that had been idle for From to To.
type Evidence struct {
	Timeout  time.Duration // what is taken for it, before fading and margin; 0: nothing learned
	From, To time.Duration
	Closes   int
}

const (
	maxVotes = 16
	// shortestTimeout is what no server's timeout is below; a connection closed
	// sooner was closed for another reason.
	shortestTimeout = 200 * time.Millisecond
	// quorum is how many votes make a timeout; fewer may be odd.
	quorum = 3
	// sparedFor is how long after a vote another connection must be open that was idle
	// already, for the vote to be none of a restart.
	sparedFor = 500 * time.Millisecond
	// refuted is how many connections may outlive a vote by an eighth until it counts no
	// more, or twice as many by half of that. A server that closes at random between a
	// half and the whole of its timeout closes one of eight in the first eighth of
	// that time, so that three votes come before, as a rule; odd closes, or restarts
	// that find one connection idle, are rarer, and would come to agree in time.
	refuted = 32
	// atOnce is how far apart closes may be that have one cause. One restart may
	// take longer in all: a server closes some ten thousand a second.
	atOnce      = 100 * time.Millisecond
	atOnceInAll = 5 * time.Second
	// straggle is how long before and after the bulk of them a restart may close
	// connections: one process of the server after the other.
	straggle = 2 * time.Second
	// sweep is how far apart the idle times may be that a server closes at one instant
	// for its timeout: lighttpd looks once a second.
	sweep = time.Second
	// fadeAfter is how long a timeout holds that is not confirmed. Then it
	// grows by a tenth for each such time, so that a raised one is found again,
	// and after forgetAfter it is forgotten.
	fadeAfter   = 5 * time.Minute
	forgetAfter = time.Hour
)

// alike reports whether two idle times may come from one timeout. Servers that
// look at their timers once a second are up to that much off.
func alike(low, high time.Duration) bool {
	return high-low <= alikeFor(low)
}

// alikeFor is how much more than an idle time is alike.
func alikeFor(idle time.Duration) time.Duration { return idle / 8 }

// note takes in that the peer has closed a connection after so much idle time.
// Closes at one instant are one vote; if their idle times differ, the server
// was restarted or reloaded, which teaches nothing. It reports whether a shorter
// timeout is believed now than before.
func (l *lessons) note(idle time.Duration, now instant) (shorter bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outlivedLocked(idle, now, false)
	v := l.voteLocked(now)
	v.min, v.max, v.until = min(v.min, idle), max(v.max, idle), now
	if v.restart() {
		l.restarted = now
		l.dropForerunners(*v)
	}
	l.any.Store(true)
	before := l.best.Timeout
	l.count(now)
	return l.best.Timeout > 0 && (before == 0 || l.best.Timeout < before)
}

// voteLocked returns the vote that a close belongs to, the last in any case.
func (l *lessons) voteLocked(now instant) *vote {
	n := len(l.votes)
	if n > 0 && l.votes[n-1].belongs(now) {
		return &l.votes[n-1]
	}
	if n > 0 && l.votes[n-1].mixed() && elapsed(now, l.votes[n-1].until) < sweep-atOnce {
		l.votes[n-1].straggles, l.restarted = true, l.votes[n-1].until // it was one process of several that restart
	}
	switch {
	case n > 0 && l.votes[n-1].teachesNothing():
		l.votes = l.votes[:n-1] // it must not push out what does
	case n == maxVotes:
		least := max(0, slices.IndexFunc(l.votes, vote.refuted))
		l.votes = slices.Delete(l.votes, least, least+1)
	}
	straggles := l.restarted != (instant{}) && elapsed(now, l.restarted) <= straggle
	l.votes = append(l.votes, vote{at: now, until: now, min: math.MaxInt64, straggles: straggles})
	return &l.votes[len(l.votes)-1]
}

// outlive takes in that a connection has served after so much idle time, which ended
// then, or was closed here, its TTL having run out.
func (l *lessons) outlive(idle time.Duration, then instant, served bool) {
	if idle < shortestTimeout || !l.any.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outlivedLocked(idle, then, served)
}

// outlivedLocked counts a connection that has been idle for so long, whether it
// served then or was closed, there or here. A close may be noticed late, by a process
// that stood still: it does not speak against what is believed.
func (l *lessons) outlivedLocked(idle time.Duration, then instant, served bool) {
	for i := range l.votes {
		v := &l.votes[i]
		if elapsed(then, v.until) >= sparedFor && elapsed(then, v.at) < idle {
			v.spared = true
		}
		if v.max < idle && (served || !l.believesLocked(*v)) {
			v.outlived += min(idle-v.max, alikeFor(v.max))
		}
	}
}

// believesLocked reports whether what is believed rests on a vote.
func (l *lessons) believesLocked(v vote) bool { return v.min >= l.best.From && v.max <= l.best.To }

// dropForerunners takes away the votes just before the last, which is a restart;
// but not those that what is believed rests on.
func (l *lessons) dropForerunners(last vote) {
	l.votes = slices.DeleteFunc(l.votes, func(v vote) bool {
		return v != last && !l.believesLocked(v) && elapsed(last.at, v.until) <= straggle
	})
}

// restart reports whether connections of different idle times were closed at
// once, which no timeout does. A server that looks at its timers once a second closes
// at once all that has become due since, and is told from a restart where its timeout
// is much longer than that.
func (v vote) restart() bool {
	return v.mixed() && (v.min < 4*sweep || v.max-v.min > sweep)
}

// mixed reports whether one timeout explains the idle times only if the server looks at
// its timers once a second.
func (v vote) mixed() bool { return !alike(v.min, v.max) }

// teachesNothing reports whether the closes were those of a restart, or cannot be
// of a timeout.
func (v vote) teachesNothing() bool { return v.straggles || v.restart() || v.min < shortestTimeout }

// refuted reports whether so many connections have outlived the vote that it is none
// for a timeout, but speaks against one: closes after such idle times come by chance.
func (v vote) refuted() bool { return v.max > 0 && v.outlived >= refuted*alikeFor(v.max) }

// belongs reports whether a close at now has the same cause as the vote's.
func (v vote) belongs(now instant) bool {
	return elapsed(now, v.until) <= atOnce && elapsed(now, v.at) <= atOnceInAll
}

// count finds the shortest timeout that a quorum of votes agrees on, beside those
// that speak against it. The shortest, because a server may close at random between a
// half and the whole of its timeout; a quorum, because a single close may have had any
// cause.
func (l *lessons) count(now instant) {
	relevant := make([]vote, 0, maxVotes)
	for _, v := range l.votes {
		if !v.teachesNothing() && elapsed(now, v.at) < forgetAfter {
			relevant = append(relevant, v)
		}
	}
	slices.SortFunc(relevant, func(a, b vote) int { return cmp.Compare(a.min, b.min) })
	for i, shortest := range relevant {
		if !l.admitsLocked(shortest, now) {
			continue
		}
		agreeing := relevant[i:i:i]
		for _, v := range relevant[i:] {
			if l.admitsLocked(v, now) && alike(shortest.min, v.min) {
				agreeing = append(agreeing, v)
			}
		}
		if len(agreeing) >= quorum+shortest.refutations(relevant) {
			l.settle(agreeing)
			return
		}
	}
	l.best = Evidence{}
}

// admitsLocked reports whether a vote counts, beside what is believed: if that was
// confirmed lately, and the vote is for something clearly shorter, only if it was
// certainly no restart. Restarts that follow each other closely come to agree, and
// close all that is idle.
func (l *lessons) admitsLocked(v vote, now instant) bool {
	confirmed := l.best.Timeout > 0 && elapsed(now, l.since) < fadeAfter
	shorter := v.max < l.best.From && !alike(v.max, l.best.From)
	return !v.refuted() && (v.spared || !confirmed || !shorter)
}

// refutations counts those of the votes that are of about the same idle time, and
// refuted.
func (v vote) refutations(votes []vote) (n int) {
	for _, other := range votes {
		if other.refuted() && alike(min(v.min, other.min), max(v.min, other.max)) {
			n++
		}
	}
	return n
}

// settle takes over what votes agree on.
func (l *lessons) settle(agreeing []vote) {
	l.best = Evidence{Timeout: agreeing[0].min, From: agreeing[0].min, Closes: len(agreeing)}
	l.since = agreeing[0].at
	for _, v := range agreeing {
		l.best.To = max(l.best.To, v.max)
		if v.at.monotonic > l.since.monotonic {
			l.since = v.at
		}
	}
}

// timeout returns what is believed of the server's timeout now; 0 means
// nothing.
func (l *lessons) timeout(now instant) time.Duration {
	if !l.any.Load() {
		return 0
	}
	timeout, _ := l.belief(now)
	return timeout
}

// belief returns the timeout, and what it rests on.
func (l *lessons) belief(now instant) (timeout time.Duration, rests Evidence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	age := elapsed(now, l.since)
	if l.best.Timeout == 0 || age >= forgetAfter {
		return 0, Evidence{}
	}
	return l.best.Timeout + l.best.Timeout/10*time.Duration(age/fadeAfter), l.best
}

// disprove reports whether a TTL has proved longer than the server's timeout, and
// by what, as long as nobody has been warned of it.
func (l *lessons) disprove(ttl time.Duration) (Evidence, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.best, !l.warned && l.best.Timeout > 0 && ttl > l.best.Timeout
}

// warnOnce is true once.
func (l *lessons) warnOnce() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.warned
	l.warned = true
	return first
}
