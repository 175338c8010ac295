package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// finding is what is made of all that one server has shown. Durations are zero
// where there is nothing to say.
type finding struct {
	URL   string
	facts facts
	err   error // why there is nothing to find

	KeepsNone  bool          // it closes after each response
	Earliest   time.Duration // idle time at the close
	Latest     time.Duration
	Lifetime   time.Duration // it closes by age, and not by idle time
	Closed     map[how]int   // connections by how they ended
	Held       int           // connections that were held idle
	Waited     time.Duration // for which the longest was held, if it is open still
	Said       string        // what it said before it closed
	Stated     time.Duration // its timeout as it says
	StatedMax  int           // its number of further requests as it says
	RequestCap int           // after so many requests it closed
	TTL        time.Duration // what to set
}

// analyse makes a finding of observations; some may be nil. served is after how
// many requests a connection was closed, 0 if none was.
func analyse(url string, observed []*observation, served int) *finding {
	f := &finding{URL: url, Closed: make(map[how]int), RequestCap: served}
	var closed []*observation
	for _, o := range observed {
		if o == nil {
			continue
		}
		f.note(o)
		if o.ending.how != stillOpen && o.ending.how != "" {
			closed = append(closed, o)
		}
	}
	switch {
	case f.Held == 0 && len(observed) == 1 && observed[0].closeAsked:
		f.KeepsNone = true
		return f
	case len(closed) > 0:
		f.time(closed)
	}
	f.recommend()
	return f
}

// note takes in what one connection has shown but the time.
func (f *finding) note(o *observation) {
	hint := cmp.Or(o.facts.keepAlive, f.facts.keepAlive)
	f.facts = o.facts
	f.facts.keepAlive = hint
	f.Stated, f.StatedMax = stated(hint)
	if o.ending.how == "" {
		return
	}
	f.Held++
	f.Closed[o.ending.how]++
	f.Said = cmp.Or(f.Said, o.ending.said)
	if o.ending.how == stillOpen {
		f.Waited = max(f.Waited, o.idle())
	}
}

// sameTime is how far apart closes may be of a timer that is exact.
const sameTime = 100 * time.Millisecond

// time tells a timer that begins anew with each request from a limit of age: the
// connections have made their last requests at different ages.
func (f *finding) time(closed []*observation) {
	idles, ages := spreadOf(closed, (*observation).idle), spreadOf(closed, (*observation).age)
	if len(closed) > 2 && ages.width() < idles.width() && idles.width() > sameTime {
		f.Lifetime = ages.low.Round(10 * time.Millisecond)
		return
	}
	f.Earliest, f.Latest = idles.low.Round(10*time.Millisecond), idles.high.Round(10*time.Millisecond)
}

type spread struct{ low, high time.Duration }

func (s spread) width() time.Duration { return s.high - s.low }

func spreadOf(observed []*observation, of func(*observation) time.Duration) spread {
	byTime := func(a, b *observation) int { return cmp.Compare(of(a), of(b)) }
	return spread{of(slices.MinFunc(observed, byTime)), of(slices.MaxFunc(observed, byTime))}
}

// recommend works out the TTL: what the library makes of a server's timeout,
// rounded down. The earlier of what the server says and what it does counts.
func (f *finding) recommend() {
	timeout := f.Earliest
	if f.Stated > 0 && (timeout == 0 || f.Stated < timeout) {
		timeout = f.Stated
	}
	if timeout == 0 {
		return
	}
	ttl := timeout - min(time.Second, timeout/4)
	if f.TTL = ttl.Truncate(100 * time.Millisecond); f.TTL == 0 {
		f.TTL = ttl.Truncate(time.Millisecond)
	}
}

// stated reads a Keep-Alive field (RFC 2068, 19.7.1).
func stated(field string) (timeout time.Duration, further int) {
	for parameter := range strings.SplitSeq(field, ",") {
		name, text, _ := strings.Cut(parameter, "=")
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 31)
		if err != nil {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "timeout":
			timeout = time.Duration(n) * time.Second
		case "max":
			further = int(n)
		}
	}
	return timeout, further
}
