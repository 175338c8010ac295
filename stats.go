package ttlpool

import "time"

// Stats is a snapshot of a pool: plain values, which encoding/json can write.
// Counters only grow; they are read one after the other, so sums of them may be
// off by what happened in between.
type Stats struct {
	// Counts are those of all addresses together, of those that are no longer
	// in Hosts too.
	Counts

	// Hosts has the same by address, for all with a connection, a dial or a
	// waiter now, and for those of earlier that are remembered. Of these there
	// are at most 4096; the counters of one that is forgotten remain in Counts,
	// and begin again at zero if it comes back.
	Hosts map[string]HostStats
}

// Counts are the gauges and the counters of Stats.
type Counts struct {
	// Open counts established connections, Idle and InUse divide them;
	// Dialing counts dials in progress, Waiting the requests in a queue.
	Open, Idle, InUse, Dialing, Waiting int

	Dials       int64 // dials begun
	DialErrors  int64 // dials that failed
	Reuses      int64 // checkouts of a connection that had been given back before
	Waits       int64 // checkouts that had to wait, for a dial or for a place
	WaitTime    time.Duration
	WaitTimeout int64 // checkouts that gave up after the acquire timeout

	// Closed counts closed connections by cause. In Stats every cause is there;
	// in HostStats only those that are not zero.
	Closed map[CloseReason]int64

	// The following are counted by a Transport only.

	Requests   int64 // exchanges begun, first tries and second
	Stale      int64 // exchanges that failed because the connection was stale
	Retries    int64 // requests sent a second time
	NotRetried int64 // stale exchanges that could not be sent again
	Unseen     int64 // failed exchanges of which it was proved that the server had not seen them
	BadHints   int64 // parameters of Keep-Alive that could not be understood

	// RetriesBy divides Retries by what made them safe, as Closed does with
	// closed connections.
	RetriesBy map[RetryReason]int64

	// StaleByIdle divides Stale by how long the connection had been idle, and
	// StaleIdle is the sum of those times. In HostStats it is nil if Stale is 0.
	StaleByIdle []IdleBucket
	StaleIdle   time.Duration
}

// IdleBucket counts what had been idle for at most UpTo, and for more than the
// UpTo of the bucket before. The last bucket has no limit; its UpTo is 0.
type IdleBucket struct {
	UpTo  time.Duration
	Count int64
}

// HostStats is what Stats says of one address.
type HostStats struct {
	Counts

	TTL            time.Duration // the effective TTL; 0: none
	Hinted         time.Duration // the server's timeout as it said last; 0: it did not
	LearnedTimeout time.Duration // the server's timeout as its closes have shown it, faded; 0: not known
	Learned        Evidence      // what that rests on
}

// idleBounds are the limits of StaleByIdle. They lie beside the timeouts that
// servers have (5, 15, 60 s), not on them, because a server's close shows as an
// idle time just above its timeout.
var idleBounds = [...]time.Duration{
	time.Second, 2 * time.Second, 4 * time.Second, 6 * time.Second, 10 * time.Second, 20 * time.Second,
	45 * time.Second, 90 * time.Second, 3 * time.Minute, 6 * time.Minute,
}

// idleBucketOf returns the index of the bucket that an idle time falls into.
func idleBucketOf(idle time.Duration) int {
	for i, bound := range idleBounds {
		if idle <= bound {
			return i
		}
	}
	return len(idleBounds)
}

// addHost counts one key in. The same address may stand behind several.
func (s *Stats) addHost(address string, h HostStats) {
	sum := s.Hosts[address]
	sum.Counts.add(h.Counts)
	if h.TTL > 0 {
		sum.TTL = shorter(sum.TTL, h.TTL)
	}
	if h.Hinted > 0 {
		sum.Hinted = shorter(sum.Hinted, h.Hinted)
	}
	if h.LearnedTimeout > 0 && (sum.LearnedTimeout == 0 || h.LearnedTimeout < sum.LearnedTimeout) {
		sum.LearnedTimeout, sum.Learned = h.LearnedTimeout, h.Learned
	}
	s.Hosts[address] = sum
}

func (n *Counts) add(o Counts) {
	n.Open += o.Open
	n.Idle += o.Idle
	n.InUse += o.InUse
	n.Dialing += o.Dialing
	n.Waiting += o.Waiting
	n.Dials += o.Dials
	n.DialErrors += o.DialErrors
	n.Reuses += o.Reuses
	n.Waits += o.Waits
	n.WaitTime += o.WaitTime
	n.WaitTimeout += o.WaitTimeout
	n.Requests += o.Requests
	n.Stale += o.Stale
	n.Retries += o.Retries
	n.NotRetried += o.NotRetried
	n.Unseen += o.Unseen
	n.BadHints += o.BadHints
	n.StaleIdle += o.StaleIdle
	n.Closed = added(n.Closed, o.Closed)
	n.RetriesBy = added(n.RetriesBy, o.RetriesBy)
	if n.StaleByIdle == nil && o.StaleByIdle != nil {
		n.StaleByIdle = noneByIdle()
	}
	for i := range o.StaleByIdle {
		n.StaleByIdle[i].Count += o.StaleByIdle[i].Count
	}
}

// added adds to a map of counters, which is made if there is none.
func added[K comparable](sum, more map[K]int64) map[K]int64 {
	if sum == nil && len(more) > 0 {
		sum = make(map[K]int64, len(more))
	}
	for key, n := range more {
		sum[key] += n
	}
	return sum
}

func noneByIdle() []IdleBucket {
	buckets := make([]IdleBucket, len(idleBounds)+1)
	for i, bound := range idleBounds {
		buckets[i].UpTo = bound
	}
	return buckets
}

// noCounts has every cause in it.
func noCounts() Counts {
	n := Counts{
		Closed:      make(map[CloseReason]int64, closeReasons),
		RetriesBy:   make(map[RetryReason]int64, retryReasons),
		StaleByIdle: noneByIdle(),
	}
	for reason := NotClosed + 1; reason < closeReasons; reason++ {
		n.Closed[reason] = 0
	}
	for reason := range retryReasons {
		n.RetriesBy[reason] = 0
	}
	return n
}
