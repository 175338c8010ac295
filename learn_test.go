package ttlpool

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// at is an instant so long after the beginning, on both clocks.
func at(d time.Duration) instant { return instant{wall: int64(d), monotonic: int64(d)} }

// taught returns lessons of closes, one a minute, after these idle times.
func taught(idle ...time.Duration) (*lessons, instant) {
	l := &lessons{}
	now := at(time.Hour)
	for _, d := range idle {
		now = now.before(-time.Minute)
		l.note(d, now)
	}
	return l, now
}

func restsOn(l *lessons, now instant) Evidence {
	_, evidence := l.belief(now)
	return evidence
}

func TestClosesAtOneIdleTimeAreATimeout(t *testing.T) {
	l, now := taught(16*time.Second, 15990*time.Millisecond)
	assert.Zero(t, l.timeout(now), "two may be odd")
	l.note(16010*time.Millisecond, now.before(-time.Minute))
	assert.Equal(t, 15990*time.Millisecond, l.timeout(now))
	assert.Equal(t, Evidence{
		Timeout: 15990 * time.Millisecond, From: 15990 * time.Millisecond, To: 16010 * time.Millisecond, Closes: 3,
	}, restsOn(l, now))
}

func TestSingleOddClosesTeachNothing(t *testing.T) {
	l, now := taught(300*time.Millisecond, 16*time.Second, 2*time.Second, 16*time.Second, 16*time.Second, 7*time.Second)
	assert.Equal(t, 16*time.Second, l.timeout(now))
}

func TestARestartTeachesNothing(t *testing.T) {
	l, now := taught()
	for range 10 {
		now = now.before(-time.Minute)
		for _, idle := range []time.Duration{time.Second, 3 * time.Second, 9 * time.Second} {
			l.note(idle, now.before(-time.Duration(idle/1000))) // within milliseconds
		}
	}
	assert.Zero(t, l.timeout(now))
}

func TestARestartDoesNotUndoWhatWasLearned(t *testing.T) {
	l, now := taught(16*time.Second, 16*time.Second, 16*time.Second)
	for range 5 {
		now = now.before(-time.Second)
		for idle := range 10 {
			l.note(time.Duration(idle+1)*time.Second, now)
		}
	}
	assert.Equal(t, 16*time.Second, l.timeout(now))
}

// The processes of a server go one after the other, and the first and the last
// connections of a restart are closed apart from the bulk.
func TestTheStragglersOfARestartTeachNothing(t *testing.T) {
	l, now := taught(16*time.Second, 16*time.Second, 16*time.Second)
	for range 10 {
		now = now.before(-time.Minute)
		for _, c := range []struct{ after, idle time.Duration }{
			{0, 2000 * time.Millisecond},
			{200 * time.Millisecond, 700 * time.Millisecond}, {210 * time.Millisecond, 1700 * time.Millisecond},
			{500 * time.Millisecond, 2010 * time.Millisecond}, {900 * time.Millisecond, 710 * time.Millisecond},
		} {
			l.note(c.idle, now.before(-c.after))
		}
		assert.Equal(t, 16*time.Second, restsOn(l, now).Timeout)
	}
	for range quorum { // but what comes later does
		now = now.before(-time.Minute)
		l.note(5*time.Second, now)
	}
	assert.Equal(t, 5*time.Second, restsOn(l, now).Timeout)
}

// Reloads may follow each other closely. The end of one that began so soon after
// another that it may have been part of it teaches nothing either.
func TestARestartSoonAfterAnotherTeachesNothing(t *testing.T) {
	l, now := taught()
	for range 10 {
		now = now.before(-2 * time.Second)
		for _, c := range []struct{ after, idle time.Duration }{
			{20 * time.Millisecond, 400 * time.Millisecond}, {30 * time.Millisecond, 900 * time.Millisecond},
			{250 * time.Millisecond, 790 * time.Millisecond},
		} {
			l.note(c.idle, now.before(-c.after+time.Duration(rand.N(20))*time.Millisecond))
		}
		assert.Zero(t, l.timeout(now))
	}
}

// What was refuted there, time and again, comes about by chance.
func TestClosesAfterIdleTimesThatWereRefutedNeedMoreThanAQuorum(t *testing.T) {
	const often = 4
	l, now := taught()
	for range often {
		now = now.before(-10 * time.Second)
		l.note(700*time.Millisecond, now)
		for range refuted {
			l.outlive(time.Second, now, false)
		}
	}
	for n := range quorum + often {
		assert.Zero(t, l.timeout(now), "%d after that", n)
		now = now.before(-10 * time.Second)
		l.note(700*time.Millisecond, now)
	}
	assert.Equal(t, 700*time.Millisecond, l.timeout(now))
}

func TestClosesAtOneInstantAreOneVote(t *testing.T) {
	l, now := taught()
	for range 50 {
		l.note(5*time.Second, now)
	}
	assert.Zero(t, l.timeout(now), "they may have had one cause")
}

// lighttpd looks at its timers once a second, and closes at one instant all that is due.
func TestAServerThatLooksOnceASecondIsLearnedHoweverManyAreIdle(t *testing.T) {
	const timeout = 5 * time.Second
	for _, each := range []int{1, 2, 5, 20} { // connections that become idle in a second
		for range 20 {
			l, now := taught()
			for range 20 {
				now = now.before(-time.Second)
				for range each {
					l.note(timeout+rand.N(time.Second), now)
				}
			}
			learned := l.timeout(now)
			assert.GreaterOrEqual(t, learned, timeout, "%d a second", each)
			assert.LessOrEqual(t, learned, timeout+time.Second/2, "%d a second", each)
		}
	}
}

// Where what is due within a second is a large part of the timeout, it looks like a
// restart, as do connections of which some had been idle for a second longer.
func TestWhatIsClosedAtOnceIsOneTimeoutUpToASecond(t *testing.T) {
	for _, row := range []struct {
		shortest, spread, want time.Duration
	}{
		{4 * time.Second, time.Second, 4 * time.Second},
		{4 * time.Second, 1001 * time.Millisecond, 0},
		{3999 * time.Millisecond, 499 * time.Millisecond, 3999 * time.Millisecond},
		{3999 * time.Millisecond, time.Second, 0},
		{16 * time.Second, 2 * time.Second, 16 * time.Second},
		{16 * time.Second, 2001 * time.Millisecond, 0},
	} {
		l, now := taught()
		for range 3 {
			now = now.before(-time.Minute)
			l.note(row.shortest, now)
			l.note(row.shortest+row.spread, now)
		}
		assert.Equal(t, row.want, l.timeout(now), "%v and %v more", row.shortest, row.spread)
	}
}

// Each process closes what differs by less than a second, and at once comes the next.
func TestARestartOfSeveralProcessesIsNoServerThatLooksOnceASecond(t *testing.T) {
	l, now := taught()
	for range 3 {
		now = now.before(-time.Minute)
		for process := range 4 {
			then := now.before(-time.Duration(process) * 200 * time.Millisecond)
			for _, idle := range []time.Duration{4200 * time.Millisecond, 4900 * time.Millisecond} {
				l.note(idle+time.Duration(process)*200*time.Millisecond, then)
			}
		}
	}
	assert.Zero(t, l.timeout(now))
}

func TestAServerThatClosesAtRandomIsTakenAtItsShortest(t *testing.T) {
	const longest = 20 * time.Second
	for range 50 {
		l, now := taught()
		for range 3 * maxVotes {
			now = now.before(-10 * time.Second)
			l.note(longest/2+rand.N(longest/2), now)
		}
		learned := l.timeout(now)
		assert.GreaterOrEqual(t, learned, longest/2)
		assert.LessOrEqual(t, learned, longest*19/20)
	}
}

// Others are used again meanwhile, or reach the TTL, which speaks against each close
// that came sooner.
func TestAServerThatClosesAtRandomIsLearnedWhileConnectionsAreUsed(t *testing.T) {
	const longest = 20 * time.Second
	never, late := 0, 0
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(2, seed))
		upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
		l, now := taught()
		stale := 0
		for range 1000 {
			now = now.before(-time.Second)
			use, closed, ttl := upTo(25*time.Second), longest/2+upTo(longest/2), l.timeout(now)*3/4
			switch expires := ttl > 0 && ttl < min(use, closed); {
			case expires:
				l.outlive(ttl, now, false)
			case use < closed:
				l.outlive(use, now, true)
			default:
				l.note(closed, now)
				stale++
			}
		}
		if l.timeout(now) == 0 {
			never++
		}
		if stale > 100 {
			late++
		}
	}
	assert.Zero(t, never, "of 100")
	assert.Zero(t, late, "of 100")
}

// What is believed, and was confirmed lately, gives way to closes that left other idle
// connections open. A restart leaves none.
func TestALoweredTimeoutIsLearnedWhereOthersAreSpared(t *testing.T) {
	for name, row := range map[string]struct {
		idle, after time.Duration // of another connection, and when it is used after each close
		want        time.Duration
	}{
		"spared":                       {3 * time.Second, time.Second, 5 * time.Second},
		"used too soon to be sure":     {3 * time.Second, sparedFor - 1, 60 * time.Second},
		"idle only since":              {time.Second, time.Second, 60 * time.Second},
		"used before":                  {3 * time.Second, -time.Second, 60 * time.Second},
		"idle just before, used after": {sparedFor + 1, sparedFor, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := taught(60*time.Second, 60*time.Second, 60*time.Second)
			for range quorum {
				now = now.before(-10 * time.Second)
				l.note(5*time.Second, now)
				l.outlive(row.idle, now.before(-row.after), true)
			}
			now = now.before(-10 * time.Second)
			l.note(5*time.Second, now)
			assert.Equal(t, row.want, l.timeout(now))
		})
	}
}

func TestALoweredTimeoutIsLearnedIfTheOldOneIsOfLongAgo(t *testing.T) {
	l, now := taught(60*time.Second, 60*time.Second, 60*time.Second)
	now = now.before(-fadeAfter)
	for range quorum {
		assert.Equal(t, 66*time.Second, l.timeout(now))
		now = now.before(-10 * time.Second)
		l.note(5*time.Second, now)
	}
	assert.Equal(t, 5*time.Second, l.timeout(now))
}

// Odd closes, or restarts that find one connection idle, come to agree by chance
// in time.
func TestWhatManyConnectionsOutliveIsNoTimeout(t *testing.T) {
	for name, row := range map[string]struct {
		idle   time.Duration // of those that serve between two closes
		served int
		want   time.Duration
	}{
		"many":                 {1900 * time.Millisecond, refuted / 2, 0},
		"few":                  {1900 * time.Millisecond, refuted/2 - 1, 700 * time.Millisecond},
		"by half of that":      {743750 * time.Microsecond, refuted, 0},
		"hardly longer":        {710 * time.Millisecond, refuted, 700 * time.Millisecond},
		"after no such time":   {600 * time.Millisecond, refuted, 700 * time.Millisecond},
		"after no time at all": {0, refuted, 700 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			l, now := taught()
			for range quorum {
				now = now.before(-10 * time.Second)
				l.note(700*time.Millisecond, now)
				for range row.served {
					l.outlive(row.idle, now, true)
				}
			}
			assert.Equal(t, row.want, l.timeout(now))
		})
	}
}

// In a loop of restarts a third of all connections are closed, after whatever idle
// time, and in each fourth restart only one is idle.
func TestClosesAfterMoreIdleTimeSpeakAgainstATimeoutToo(t *testing.T) {
	fallen := 0
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(1, seed))
		l, now := taught(2*time.Second, 2*time.Second, 2*time.Second)
		closed := func() {
			idle := 300*time.Millisecond + time.Duration(random.Int64N(int64(1700*time.Millisecond)))
			if idle < l.timeout(now) { // else the pool has closed it before
				l.note(idle, now)
			}
		}
		for range 50 {
			now = now.before(-10 * time.Second)
			closed()
			if random.IntN(4) == 0 {
				continue
			}
			for range 9 {
				closed()
			}
		}
		if l.timeout(now) < time.Second {
			fallen++
		}
	}
	assert.LessOrEqual(t, fallen, 5, "of 100, and without that, 53: some may always come together")
}

// Closes are noticed late by a process that stood still.
func TestAPauseDoesNotUndoWhatWasLearned(t *testing.T) {
	l, now := taught(16*time.Second, 16*time.Second, 16*time.Second)
	now = now.before(-time.Minute)
	for i := range 10 * refuted {
		l.note(20*time.Second+time.Duration(i)*time.Millisecond, now)
	}
	assert.Equal(t, 16*time.Second, l.timeout(now))
}

func TestWhatWasLearnedFades(t *testing.T) {
	l, last := taught(10*time.Second, 10*time.Second, 10*time.Second)
	for _, row := range []struct{ after, want time.Duration }{
		{0, 10 * time.Second},
		{fadeAfter - 1, 10 * time.Second},
		{fadeAfter, 11 * time.Second},
		{3 * fadeAfter, 13 * time.Second},
		{forgetAfter - 1, 21 * time.Second},
		{forgetAfter, 0},
	} {
		now := last.before(-row.after)
		assert.Equal(t, row.want, l.timeout(now), "%v after the last close", row.after)
		assert.Equal(t, row.want > 0, restsOn(l, now).Closes > 0, "what it rests on is forgotten with it")
	}
}

// Fading lets connections live a little longer, so that a raised timeout shows;
// one that was not raised is confirmed by the first close.
func TestARaisedTimeoutIsFoundAgain(t *testing.T) {
	l, now := taught(10*time.Second, 10*time.Second, 10*time.Second)
	for range quorum {
		now = now.before(-forgetAfter / 3)
		l.note(30*time.Second, now)
	}
	assert.Equal(t, 30*time.Second, l.timeout(now))
}

func TestVotesAreBounded(t *testing.T) {
	l, now := taught()
	for range 10 * maxVotes {
		now = now.before(-time.Second)
		l.note(time.Second, now)
	}
	assert.Len(t, l.votes, maxVotes)
}

func TestATTLIsDisprovedOnce(t *testing.T) {
	disproved := func(l *lessons, ttl time.Duration) bool {
		_, tooLong := l.disprove(ttl)
		return tooLong
	}
	l, _ := taught(16*time.Second, 16*time.Second)
	assert.False(t, disproved(l, time.Minute), "nothing is known yet")
	l.note(16*time.Second, at(2*time.Hour))
	assert.False(t, disproved(l, 10*time.Second), "the TTL is short enough")
	assert.False(t, disproved(l, 0), "there is none")
	assert.True(t, disproved(l, time.Minute))
	assert.True(t, l.warnOnce())
	assert.False(t, l.warnOnce())
	assert.False(t, disproved(l, time.Minute))
}

func TestEvidenceInWords(t *testing.T) {
	for _, row := range []struct {
		from, to time.Duration
		want     string
	}{
		{15923 * time.Millisecond, 16099 * time.Millisecond, "closed idle connections at 15.9 to 16.1 s, 7 times"},
		{16 * time.Second, 16003 * time.Millisecond, "closed idle connections at 16 s, 7 times"},
		{401 * time.Millisecond, 412 * time.Millisecond, "closed idle connections at 0.401 to 0.412 s, 7 times"},
		{2 * time.Hour, 2*time.Hour + time.Second, "closed idle connections at 7200 to 7201 s, 7 times"},
	} {
		assert.Equal(t, row.want, Evidence{Timeout: row.from, From: row.from, To: row.to, Closes: 7}.String())
	}
}

func TestWarningsAreLimited(t *testing.T) {
	var w warned
	for range warnings {
		assert.True(t, w.allow(at(time.Hour)))
	}
	assert.False(t, w.allow(at(time.Hour)))
	assert.False(t, w.allow(at(time.Hour+warningsWithin-1)))
	assert.True(t, w.allow(at(time.Hour+warningsWithin)))
}
