// Package hosts bounds how many addresses a system of metrics sees.
package hosts

import (
	"cmp"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/ttlpool/ttlpool"
)

// Other is the name that stands for all addresses without one of their own.
const Other = "other"

// Host is what is told of one address, or of all others.
type Host struct {
	Name  string
	Stats ttlpool.HostStats
}

// Names gives addresses names of their own while there are any to give. It is
// safe for concurrent use.
type Names struct {
	most int

	mu    sync.Mutex // guards the rest; only the map is touched under it
	given map[string]struct{}
}

// NewNames returns as many names as most says; less than 0 is 0.
func NewNames(most int) *Names {
	return &Names{most: most, given: make(map[string]struct{})}
}

// Of returns an address's own name, which is the address, or Other. An address
// that is not UTF-8 gets none: URLs allow it, and systems of metrics do not.
//
// Who has a name keeps it, and who has come too late never gets one: were it
// always the busiest, the counters of Other would step back each time one of
// them changes, which is taken for a restart, and all is counted again.
func (n *Names) Of(address string) string {
	if !utf8.ValidString(address) {
		return Other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.given[address]; ok {
		return address
	}
	if len(n.given) < n.most {
		n.given[address] = struct{}{}
		return address
	}
	return Other
}

// Split returns the addresses that have a name, and Other at the end, so that
// the sum over all is that of Stats. Of more new addresses than there are names
// the busiest get one.
func (n *Names) Split(s ttlpool.Stats) []Host {
	all := make([]Host, 0, len(s.Hosts)+1)
	for address, stats := range s.Hosts {
		all = append(all, Host{address, stats})
	}
	slices.SortFunc(all, func(a, b Host) int {
		return cmp.Or(cmp.Compare(busy(b.Stats), busy(a.Stats)), cmp.Compare(a.Name, b.Name))
	})
	named := slices.DeleteFunc(all, func(h Host) bool { return n.Of(h.Name) == Other })
	return append(named, Host{Other, rest(s.Counts, named)})
}

func busy(h ttlpool.HostStats) int64 { return h.Dials + h.Reuses }

// rest is what the hosts leave of the sum. Every reason is there, with zero if
// need be, so that a rate has something to start from.
func rest(sum ttlpool.Counts, named []Host) ttlpool.HostStats {
	sum.Closed, sum.RetriesBy = copied(sum.Closed), copied(sum.RetriesBy)
	sum.StaleByIdle = slices.Clone(sum.StaleByIdle)
	for i := range named {
		subtract(&sum, named[i].Stats.Counts)
		complete(&named[i].Stats.Counts, sum)
	}
	return ttlpool.HostStats{Counts: sum}
}

func copied[K comparable](m map[K]int64) map[K]int64 {
	other := make(map[K]int64, len(m))
	for key, n := range m {
		other[key] = n
	}
	return other
}

func subtract(sum *ttlpool.Counts, n ttlpool.Counts) {
	sum.Open -= n.Open
	sum.Idle -= n.Idle
	sum.InUse -= n.InUse
	sum.Dialing -= n.Dialing
	sum.Waiting -= n.Waiting
	sum.Dials -= n.Dials
	sum.DialErrors -= n.DialErrors
	sum.Reuses -= n.Reuses
	sum.Waits -= n.Waits
	sum.WaitTime -= n.WaitTime
	sum.WaitTimeout -= n.WaitTimeout
	sum.Requests -= n.Requests
	sum.Stale -= n.Stale
	sum.Retries -= n.Retries
	sum.NotRetried -= n.NotRetried
	sum.Unseen -= n.Unseen
	sum.BadHints -= n.BadHints
	sum.StaleIdle -= n.StaleIdle
	for reason, count := range n.Closed {
		sum.Closed[reason] -= count
	}
	for reason, count := range n.RetriesBy {
		sum.RetriesBy[reason] -= count
	}
	for i := range n.StaleByIdle {
		sum.StaleByIdle[i].Count -= n.StaleByIdle[i].Count
	}
}

// complete gives a host the reasons and buckets that it has no count for.
func complete(n *ttlpool.Counts, like ttlpool.Counts) {
	n.Closed, n.RetriesBy = copied(n.Closed), copied(n.RetriesBy)
	for reason := range like.Closed {
		n.Closed[reason] += 0
	}
	for reason := range like.RetriesBy {
		n.RetriesBy[reason] += 0
	}
	if n.StaleByIdle == nil {
		n.StaleByIdle = slices.Clone(like.StaleByIdle)
		for i := range n.StaleByIdle {
			n.StaleByIdle[i].Count = 0
		}
	}
}
