package ttlpool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// What is certain about the arrival of the last byte, without the kernel's
// help. The estimate may be early, never late: a connection that looks younger
// than its peer thinks it is will be closed under a request.
func TestArrivalIsTheLatestInstantThatIsCertainlyNotTooLate(t *testing.T) {
	const s = time.Second
	write := func(at time.Duration) step { return step{write: true, after: at} }
	arrived := func(from, to time.Duration) step { return step{before: from, after: to} }
	found := func(at time.Duration) step { return step{before: at, after: at} }

	tests := []struct {
		name  string
		steps []step
		want  time.Duration
	}{
		{"nothing has happened yet: the dial", nil, 0},
		{"a request went out", []step{write(5 * s)}, 5 * s},
		{"a Read that waited returned what had just arrived",
			[]step{write(1 * s), arrived(1*s, 3*s)}, 3 * s},
		{"a Read that found its bytes there: not before the request",
			[]step{write(1 * s), found(9 * s)}, 1 * s},
		{"a slow reader of a buffered response: not before the request",
			[]step{write(1 * s), found(3 * s), found(6 * s), found(9 * s)}, 1 * s},
		{"bytes that were there after the socket had been seen empty",
			[]step{write(1 * s), found(3 * s).drained(), found(9 * s)}, 3 * s},
		{"each look at the empty socket counts",
			[]step{write(1 * s), found(3 * s).drained(), found(6 * s).drained(), found(9 * s).drained()}, 6 * s},
		{"a Read that waited and drained, then one that found more",
			[]step{write(1 * s), arrived(1*s, 3*s).drained(), found(9 * s)}, 3 * s},
		{"bytes arrive in order: those found later came no earlier than those waited for",
			[]step{write(1 * s), arrived(1*s, 5*s), found(9 * s)}, 5 * s},
		{"the next request starts the clock afresh",
			[]step{write(1 * s), arrived(1*s, 3*s).drained(), write(20 * s)}, 20 * s},
		{"and its response counts from there",
			[]step{write(1 * s), arrived(1*s, 3*s).drained(), write(20 * s), found(30 * s)}, 20 * s},
		{"a body sent in pieces: the last piece",
			[]step{write(1 * s), write(2 * s), write(7 * s), found(9 * s)}, 7 * s},
		{"a Read too short to have waited",
			[]step{write(1 * s), arrived(9*s, 9*s+waited-1)}, 1 * s},
		{"a Read just long enough to have waited",
			[]step{write(1 * s), arrived(9*s, 9*s+waited)}, 9*s + waited},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a arrival
			a.noteWrite(someday) // as at birth
			for _, st := range tt.steps {
				st.apply(&a)
			}
			_, latest := a.bounds()
			assert.Equal(t, tt.want, elapsed(latest, someday))
		})
	}
}

// Of a Read during which the machine was suspended nobody knows whether its bytes
// came before that.
func TestASuspensionDuringAReadCountsAsIdleTime(t *testing.T) {
	var a arrival
	a.noteWrite(someday)
	woken := later(someday, 2*time.Second)
	woken.wall += int64(time.Hour)
	a.noteRead(later(someday, time.Second), woken, true)
	_, latest := a.bounds()
	assert.Equal(t, time.Hour, elapsed(woken, latest))
	assert.Equal(t, 2*time.Second, elapsed(latest, someday))
}

// step is a Write, or a Read that returned bytes.
type step struct {
	write         bool
	before, after time.Duration
	emptied       bool
}

// drained says that the Read has left nothing behind.
func (s step) drained() step {
	s.emptied = true
	return s
}

func (s step) apply(a *arrival) {
	if s.write {
		a.noteWrite(later(someday, s.after))
		return
	}
	a.noteRead(later(someday, s.before), later(someday, s.after), s.emptied)
}
