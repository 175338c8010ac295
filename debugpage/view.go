package debugpage

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/ttlpool/ttlpool"
)

const (
	maxHosts = 200
	maxConns = 500
)

// view is what the template shows.
type view struct {
	Time      time.Time
	Filter    string
	Refresh   int // seconds; 0: not
	Stats     ttlpool.Stats
	ReuseRate string
	Hosts     []hostRow
	Conns     []connRow
	MoreHosts int // not shown
	MoreConns int
	Closes    []bar
	Stale     []bar
	Retries   []bar
}

type hostRow struct {
	Address string
	ttlpool.HostStats
}

type connRow struct {
	ttlpool.ConnStatus
	Used int // per cent of its TTL, while it is idle
}

// bar is one counter, with its share of the largest beside it in per cent.
type bar struct {
	Name  string
	Count int64
	Share int
}

func viewOf(s Snapshot, filter string, refresh int) view {
	v := view{
		Time: s.Time, Filter: filter, Refresh: refresh, Stats: s.Stats,
		ReuseRate: rate(s.Stats.Reuses, s.Stats.Requests),
		Hosts:     hostRows(s.Stats.Hosts),
		Closes:    reasonBars(s.Stats.Closed),
		Stale:     idleBars(s.Stats.StaleByIdle),
		Retries:   reasonBars(s.Stats.RetriesBy),
	}
	if excess := len(v.Hosts) - maxHosts; excess > 0 {
		v.Hosts, v.MoreHosts = v.Hosts[:maxHosts], excess
	}
	shown := s.Conns
	if excess := len(shown) - maxConns; excess > 0 {
		shown, v.MoreConns = shown[:maxConns], excess
	}
	for _, c := range shown {
		v.Conns = append(v.Conns, connRow{c, usedUp(c)})
	}
	return v
}

// hostRows has the busiest first: those with connections, then by requests.
func hostRows(hosts map[string]ttlpool.HostStats) []hostRow {
	rows := make([]hostRow, 0, len(hosts))
	for address, h := range hosts {
		rows = append(rows, hostRow{address, h})
	}
	slices.SortFunc(rows, func(a, b hostRow) int {
		return cmp.Or(
			cmp.Compare(min(b.Open+b.Waiting, 1), min(a.Open+a.Waiting, 1)),
			cmp.Compare(b.Requests+b.Reuses, a.Requests+a.Reuses),
			cmp.Compare(a.Address, b.Address))
	})
	return rows
}

// usedUp is how much of its TTL an idle connection has been idle.
func usedUp(c ttlpool.ConnStatus) int {
	if c.Leases > 0 || c.TTL <= 0 {
		return 0
	}
	return int(min(100, 100*c.Idle/c.TTL))
}

// rate is a share in per cent, as text.
func rate(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + " %"
}

// reasonBars has the most frequent first, and leaves out what has not happened.
func reasonBars[R interface {
	comparable
	String() string
}](counts map[R]int64) []bar {
	var bars []bar
	for reason, n := range counts {
		if n > 0 {
			bars = append(bars, bar{Name: reason.String(), Count: n})
		}
	}
	slices.SortFunc(bars, func(a, b bar) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return scaled(bars)
}

// idleBars is a histogram up to the last bucket that is not empty.
func idleBars(buckets []ttlpool.IdleBucket) []bar {
	bars := make([]bar, 0, len(buckets))
	var above time.Duration
	last := 0 // how many there are with the last that is not empty
	for _, bucket := range buckets {
		name := "up to " + duration(bucket.UpTo)
		if bucket.UpTo == 0 {
			name = "over " + duration(above)
		}
		above = bucket.UpTo
		bars = append(bars, bar{Name: name, Count: bucket.Count})
		if bucket.Count > 0 {
			last = len(bars)
		}
	}
	return scaled(bars[:last])
}

func scaled(bars []bar) []bar {
	var most int64 = 1
	for _, b := range bars {
		most = max(most, b.Count)
	}
	for i := range bars {
		bars[i].Share = int(100 * bars[i].Count / most)
		if bars[i].Count > 0 {
			bars[i].Share = max(1, bars[i].Share)
		}
	}
	return bars
}

// duration writes a duration with as many digits as one reads; 0 is none.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	}
	return d.Truncate(time.Second).String()
}

// size writes a number of bytes.
func size(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return strconv.FormatInt(n, 10) + " B"
	case n < unit*unit:
		return strconv.FormatFloat(float64(n)/unit, 'f', 1, 64) + " KiB"
	case n < unit*unit*unit:
		return strconv.FormatFloat(float64(n)/unit/unit, 'f', 1, 64) + " MiB"
	}
	return strconv.FormatFloat(float64(n)/unit/unit/unit, 'f', 1, 64) + " GiB"
}

// count writes a number with thin spaces between thousands.
func count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}
