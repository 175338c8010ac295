package opaque

import (
	"sync"
	"time"
)

// deadline is a point in time that can be waited for, and moved. The zero
// value never comes.
type deadline struct {
	mu     sync.Mutex // guards the rest
	timer  *time.Timer
	passed chan struct{} // closed when it has come; made when first asked for
}

// over returns a channel that is closed when the deadline has come.
func (d *deadline) over() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} {
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

// set moves the deadline; the zero time takes it away. Whoever waits already
// goes by the old channel until it is closed, so a deadline that has passed is
// not unpassed for him.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	select {
	case <-d.channel():
		d.passed = make(chan struct{})
	default:
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.passed)
	default:
		d.closeAfter(left)
	}
}

// closeAfter closes the channel in time, unless the deadline is moved before.
func (d *deadline) closeAfter(left time.Duration) {
	passed := d.passed
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer {
			close(passed)
		}
	})
	d.timer = timer
}
