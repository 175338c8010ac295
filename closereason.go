package ttlpool

// CloseReason says why a connection was closed.
type CloseReason int

// The reasons for which a connection is closed.
const (
	NotClosed        CloseReason = iota // it is open
	ClosedTTL                           // idle for its TTL
	ClosedMaxAge                        // older than its maximum age
	ClosedMaxUses                       // used as often as it may be
	ClosedMaxIdle                       // one idle connection too many
	ClosedHungUp                        // the peer had closed it while it was idle, or announced it along with an answer
	ClosedStrayBytes                    // bytes nobody had asked for came in while it was idle
	ClosedStale                         // a request found that the peer had closed it, or that it, or a sibling, is a black hole
	ClosedFailed                        // a request on it failed, or was cancelled
	ClosedUnread                        // the response was not read to its end
	ClosedNotKept                       // one side asked for it (Connection: close), or its protocol does
	ClosedByHolder                      // Conn.Close was called, or Conn.CloseWrite before Release
	ClosedMadeWay                       // for a request that could not be risked on it, or that needed its place
	ClosedSurplus                       // dialled, but another connection had served meanwhile
	ClosedCloseIdle                     // CloseIdle or CloseIdleConnections was called
	ClosedPoolClosed                    // Close or Shutdown was called
	// What is new comes last: the others keep their values.
	ClosedOwnTimeout // a deadline that it had set itself passed while it was idle
	closeReasons     // how many there are
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
	ClosedOwnTimeout: "own_timeout",
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
