package ttlpool

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a pool. Counters only grow; they are read one after
// the other, so sums of them may be off by what happened in between.
type Stats struct {
	// Open counts established connections, Idle and InUse divide them;
	// Dialing counts dials in progress, Waiting the requests in a queue.
	Open, Idle, InUse, Dialing, Waiting int

	Dials       int64 // dials begun
	DialErrors  int64 // dials that failed
	Reuses      int64 // checkouts of a connection that had been given back before
	Waits       int64 // checkouts that had to wait, for a dial or for a place
	WaitTime    time.Duration
	WaitTimeout int64 // checkouts that gave up after the acquire timeout

	// Closed counts closed connections, one counter per cause.
	Closed map[CloseReason]int64

	// The following are counted by a Transport only.

	Requests   int64 // exchanges begun, first tries and second
	Stale      int64 // exchanges that failed because the connection was stale
	Retries    int64 // requests sent a second time
	BadHints   int64 // parameters of Keep-Alive that could not be understood
	NotRetried int64 // stale exchanges that could not be sent again

	// Hosts has the gauges per address, for the addresses with a connection,
	// a dial or a waiter now.
	Hosts map[string]HostStats
}

// HostStats is what Stats says of one address.
type HostStats struct {
	Open, Idle, InUse, Dialing, Waiting int
	TTL                                 time.Duration // the effective TTL; 0: none
	Learned                             Evidence      // of the server's timeout
}

// counters are the running totals behind Stats.
type counters struct {
	dials, dialErrors, reuses      atomic.Int64
	waits, waitNanos, waitTimeouts atomic.Int64
	closed                         [closeReasons]atomic.Int64

	requests, stale, retries, notRetried, badHints atomic.Int64
}

func (n *counters) snapshot() Stats {
	s := Stats{
		Dials:       n.dials.Load(),
		DialErrors:  n.dialErrors.Load(),
		Reuses:      n.reuses.Load(),
		Waits:       n.waits.Load(),
		WaitTime:    time.Duration(n.waitNanos.Load()),
		WaitTimeout: n.waitTimeouts.Load(),
		Closed:      make(map[CloseReason]int64, closeReasons),
		Requests:    n.requests.Load(),
		Stale:       n.stale.Load(),
		Retries:     n.retries.Load(),
		NotRetried:  n.notRetried.Load(),
		BadHints:    n.badHints.Load(),
		Hosts:       make(map[string]HostStats),
	}
	for reason := range closeReasons {
		if reason != NotClosed {
			s.Closed[reason] = n.closed[reason].Load()
		}
	}
	return s
}

// add counts one address in.
func (s *Stats) add(address string, h HostStats) {
	s.Open += h.Open
	s.Idle += h.Idle
	s.InUse += h.InUse
	s.Dialing += h.Dialing
	s.Waiting += h.Waiting

	sum := s.Hosts[address] // the same address may stand behind several keys
	sum.Open += h.Open
	sum.Idle += h.Idle
	sum.InUse += h.InUse
	sum.Dialing += h.Dialing
	sum.Waiting += h.Waiting
	sum.TTL, sum.Learned = h.TTL, h.Learned
	s.Hosts[address] = sum
}

// CloseReason says why a connection was closed.
type CloseReason int

// The reasons for which a connection is closed.
const (
	NotClosed        CloseReason = iota // it is open
	ClosedTTL                           // idle for its TTL
	ClosedMaxAge                        // older than its maximum age
	ClosedMaxUses                       // used as often as it may be
	ClosedMaxIdle                       // one idle connection too many
	ClosedHungUp                        // the peer had closed it while it was idle
	ClosedStrayBytes                    // bytes nobody had asked for came in while it was idle
	ClosedStale                         // a request found that the peer had closed it, or that it, or a sibling, is a black hole
	ClosedFailed                        // a request on it failed, or was cancelled
	ClosedUnread                        // the response was not read to its end
	ClosedNotKept                       // one side asked for it (Connection: close), or its protocol does
	ClosedByHolder                      // Conn.Close was called
	ClosedMadeWay                       // idle, for a request that could not be risked on it
	ClosedSurplus                       // dialled, but another connection had served meanwhile
	ClosedCloseIdle                     // CloseIdle or CloseIdleConnections was called
	ClosedPoolClosed                    // Close or Shutdown was called
	closeReasons                        // how many there are
)

var closeReasonNames = [closeReasons]string{
	NotClosed:        "open",
	ClosedTTL:        "ttl",
	ClosedMaxAge:     "max_age",
	ClosedMaxUses:    "max_uses",
	ClosedMaxIdle:    "max_idle",
	ClosedHungUp:     "hung_up",
	ClosedStrayBytes: "stray_bytes",
	ClosedStale:      "stale",
	ClosedFailed:     "failed",
	ClosedUnread:     "unread",
	ClosedNotKept:    "not_kept",
	ClosedByHolder:   "by_holder",
	ClosedMadeWay:    "made_way",
	ClosedSurplus:    "surplus",
	ClosedCloseIdle:  "close_idle",
	ClosedPoolClosed: "pool_closed",
}

// String returns a short name in snake case, fit for a metric's label.
func (r CloseReason) String() string {
	if r < 0 || r >= closeReasons {
		return "unknown"
	}
	return closeReasonNames[r]
}

// MarshalText makes Stats readable as JSON.
func (r CloseReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
