package contract

import (
	"context"
	"time"
)

// A forced context has a deadline that passes when the script says so: one by the clock may pass on a busy machine before the
// exchange is where it should find it.
type forced struct {
	passed <-chan struct{}
	at     time.Time
}

func (f *forced) Deadline() (time.Time, bool) { return f.at, true }

func (f *forced) Done() <-chan struct{} { return f.passed }

func (f *forced) Err() error {
	select {
	case <-f.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func (f *forced) Value(any) any { return nil }
