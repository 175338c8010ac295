package testnet

import "time"

// delayLine holds packets until they are due, first in, first out. As all wait
// for the same time, the first in is the first due: nothing is ever reordered.
// It knows neither devices nor the clock.
//
//	slots  [ . . p1 p2 p3 . . . ]
//	             ^first   ^first+used: the next free one
type delayLine struct {
	delay       time.Duration
	slots       []slot // a ring; each slot's buffer is made once and used again
	first, used int
}

type slot struct {
	buffer []byte
	length int
	sent   time.Time
}

func newDelayLine(delay time.Duration, packets int) *delayLine {
	return &delayLine{delay: delay, slots: make([]slot, packets)}
}

func (l *delayLine) full() bool { return l.used == len(l.slots) }

func (l *delayLine) at(i int) *slot { return &l.slots[(l.first+i)%len(l.slots)] }

// buffer returns the room for the next packet. The line must not be full.
func (l *delayLine) buffer() []byte {
	s := l.at(l.used)
	if s.buffer == nil {
		s.buffer = make([]byte, mtu)
	}
	return s.buffer
}

// push takes in the packet that the last call of buffer made room for, and
// returns it.
func (l *delayLine) push(length int, sent time.Time) []byte {
	s := l.at(l.used)
	s.length, s.sent = length, sent
	l.used++
	return s.buffer[:length]
}

// head returns the packet that is due next, and when it was sent; ok is false
// if there is none.
func (l *delayLine) head() (data []byte, sent time.Time, ok bool) {
	if l.used == 0 {
		return nil, time.Time{}, false
	}
	s := l.at(0)
	return s.buffer[:s.length], s.sent, true
}

// pop takes out what head returned.
func (l *delayLine) pop() {
	l.first = (l.first + 1) % len(l.slots)
	l.used--
}
