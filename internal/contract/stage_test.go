package contract

import (
	"context"
	"sync"
	"time"
)

// A moment is a named point of an exchange that one side reaches and the other may wait for.
type moment string

// Moments that the runner itself reaches.
const (
	idle     moment = "the warmed connections are idle"
	returned moment = "RoundTrip has returned"
	finished moment = "the caller is through with the response"
	legacy   moment = "Request.Cancel is closed"
)

// patience bounds an exchange, and with it every wait of a script: what takes longer hangs.
const patience = 10 * time.Second

// grace bounds the wait for what a transport should do by itself after an exchange: close a connection or a body.
const grace = 2 * time.Second

// tooLong is what no exchange takes that goes as it should.
const tooLong = 3 * time.Second

// stage is what the two sides of one run share: the moments they tell each other, so that no script has to sleep, and
// the means to cancel the caller.
type stage struct {
	ctx    context.Context // ends with the run, or when patience does
	stop   context.CancelFunc
	cancel context.CancelCauseFunc // cancels the caller's request

	mu      sync.Mutex
	moments map[moment]chan struct{}
	told    map[moment]bool
}

func newStage() *stage {
	s := &stage{moments: map[moment]chan struct{}{}, told: map[moment]bool{}}
	s.ctx, s.stop = context.WithTimeout(context.Background(), patience)
	return s
}

// reached returns a channel that is closed once m has been told.
func (s *stage) reached(m moment) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moments[m] == nil {
		s.moments[m] = make(chan struct{})
	}
	return s.moments[m]
}

func (s *stage) tell(m moment) {
	ch := s.reached(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told[m] {
		s.told[m] = true
		close(ch)
	}
}

func (s *stage) await(m moment) error {
	select {
	case <-s.reached(m):
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *stage) has(m moment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told[m]
}
