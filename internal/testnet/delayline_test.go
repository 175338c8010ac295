package testnet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// put pushes a packet of one byte.
func put(l *delayLine, b byte, sent time.Time) { l.buffer()[0] = b; l.push(1, sent) }

func TestDelayLineIsFirstInFirstOut(t *testing.T) {
	start := time.Now()
	l := newDelayLine(time.Second, 3)
	_, _, ok := l.head()
	require.False(t, ok, "a new line is empty")

	// Always two in it, so that the ring goes round several times.
	put(l, 0, start)
	for i := byte(1); i < 10; i++ {
		put(l, i, start.Add(time.Duration(i)))
		data, sent, ok := l.head()
		require.True(t, ok)
		assert.Equal(t, []byte{i - 1}, data)
		assert.Equal(t, start.Add(time.Duration(i-1)), sent)
		l.pop()
	}
	l.pop()
	_, _, ok = l.head()
	assert.False(t, ok)
}

func TestDelayLineIsBounded(t *testing.T) {
	now := time.Now()
	l := newDelayLine(time.Second, 2)
	put(l, 1, now)
	assert.False(t, l.full())
	put(l, 2, now)
	assert.True(t, l.full())
	l.pop()
	assert.False(t, l.full())
	assert.Zero(t, testing.AllocsPerRun(100, func() { put(l, 3, now); l.pop() }), "its buffers are used again")
}
