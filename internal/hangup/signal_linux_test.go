package hangup

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// The runtime itself sends signals to its threads, to preempt them, and one that
// comes just then interrupts a look.
func TestASignalDoesNotSpoilALook(t *testing.T) {
	ours, peer := socketPair(t)
	quiet := probeOf(t, ours)
	done := make(chan struct{})
	var signals sync.WaitGroup
	signals.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				assert.NoError(t, unix.Kill(unix.Getpid(), unix.SIGURG))
			}
		}
	})
	states := make(map[State]int)
	for begun := time.Now(); time.Since(begun) < 300*time.Millisecond; {
		states[quiet.State()]++
	}
	assert.NoError(t, peer.Close())
	eventually(t, quiet, HungUp)
	for range 1000 {
		states[quiet.State()]++
	}
	close(done)
	signals.Wait()
	assert.Zero(t, states[Unknown], "%v", states)
	assert.Positive(t, states[Quiet])
	assert.Equal(t, 1000, states[HungUp])
}
