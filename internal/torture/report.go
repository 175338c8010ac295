package torture

import (
	"maps"
	"slices"
	"time"
)

// Report is what one row has shown.
type Report struct {
	Server  string // and version
	Note    string // on its settings
	Exact   bool   // it closes at its timeout, and not some time later
	Timeout time.Duration
	Closes  Closes
	At      time.Time
	Peers   []PeerReport
}

// PeerReport is what one peer has shown at one server.
type PeerReport struct {
	Name       string
	Safe, Ours bool
	Dials      int64 // for the aimed requests; -1: not counted
	Unlearned  int   // connections on which a peer that learns had not, after many closes
	Cells      []Cell
}

// Cell is what became of the requests of one method.
type Cell struct {
	Method     string
	Idempotent bool
	Aimed      int            // requests
	Late       int            // of these, begun more than 2 ms later than meant
	Failures   map[string]int // by kind
	Wrong      int            // answers that belong to another request; they are no Failures
	Once       int            // requests that the server has processed once
	Twice      int            // and more than once
	Median     time.Duration
	P99, Max   time.Duration
	Example    error // the first failure
}

// ClosedNew is how many of ttlpool's failures were no race for an idle connection:
// the server had closed a new one without an answer.
func (c Cell) ClosedNew() int { return c.Failures[string(closedNew)] }

// Failed is how many failed.
func (c Cell) Failed() (n int) {
	for _, of := range c.Failures {
		n += of
	}
	return n
}

// Total is a peer's cells as one.
func (p PeerReport) Total() Cell {
	total := Cell{Method: "all", Failures: make(map[string]int)}
	for _, c := range p.Cells {
		total.Aimed += c.Aimed
		total.Late += c.Late
		total.Wrong += c.Wrong
		total.Once += c.Once
		total.Twice += c.Twice
		for kind, n := range c.Failures {
			total.Failures[kind] += n
		}
		total.Median = max(total.Median, c.Median)
		total.P99 = max(total.P99, c.P99)
		total.Max = max(total.Max, c.Max)
		if total.Example == nil {
			total.Example = c.Example
		}
	}
	return total
}

// report sums up, given how often the server says that it has processed each id.
func (c *campaign) report(processed map[string]int) PeerReport {
	r := PeerReport{Name: c.peer.Name, Safe: c.peer.Safe, Ours: c.peer.Ours, Dials: c.peer.dials.Load(),
		Unlearned: int(c.unlearned.Load())}
	if c.peer.countless {
		r.Dials = -1
	}
	for i := range c.methods {
		r.Cells = append(r.Cells, c.cells[i].report(c.methods[i]))
	}
	for id, method := range c.sent {
		switch times := processed[id]; {
		case times == 1:
			r.Cells[method].Once++
		case times > 1:
			r.Cells[method].Twice++
		}
	}
	return r
}

func (c *cell) report(m Method) Cell {
	r := Cell{Method: m.Name, Idempotent: m.Idempotent, Failures: make(map[string]int), Example: c.first}
	for o, n := range maps.All(c.outcomes) {
		r.Aimed += n
		switch o {
		case answered:
		case wrong:
			r.Wrong += n
		default:
			r.Failures[string(o)] += n
		}
	}
	r.Late = c.late
	if sorted := slices.Sorted(slices.Values(c.latencies)); len(sorted) > 0 {
		r.Median, r.P99, r.Max = sorted[len(sorted)/2], sorted[len(sorted)*99/100], sorted[len(sorted)-1]
	}
	return r
}
