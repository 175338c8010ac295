package aim

import (
	"bytes"
	"fmt"
	"testing"
	"text/tabwriter"
)

// show logs the tallies as a table.
func (c *campaign) show(t *testing.T, clients []*client, tallies []map[string]*tally) {
	t.Helper()
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "client\tmethod\tcalls\tlate\tfailed\t")
	for o := foreign; o < outcomes; o++ {
		fmt.Fprintf(w, "%s\t", outcomeNames[o])
	}
	fmt.Fprintln(w, "slipped\tresent\tprocessed once\ttwice\tP4\t")
	for i, client := range clients {
		for _, m := range c.methods {
			tally := tallies[i][m]
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t", client.name, m, tally.calls, tally.late, tally.failed())
			for o := foreign; o < outcomes; o++ {
				fmt.Fprintf(w, "%d\t", tally.outcomes[o])
			}
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t\n", tally.slipped, tally.resent, tally.once, tally.twice, tally.p4)
		}
	}
	_ = w.Flush() // to memory
	for i, client := range clients {
		for _, m := range c.methods {
			if err := tallies[i][m].example; err != nil {
				fmt.Fprintf(&text, "%s %s: %v\n", client.name, m, err)
			}
		}
		if client.pool != nil {
			s := client.pool.Stats()
			fmt.Fprintf(&text, "%d dials, %d reuses, %d stale, %d sent again\n", s.Dials, s.Reuses, s.Stale, s.Retries)
		}
	}
	t.Logf("\n%s", text.String())
}

// contest runs a campaign and shows the result.
func (c *campaign) contest(t *testing.T, clients ...*client) []map[string]*tally {
	t.Helper()
	tallies := c.run(t, clients...)
	c.show(t, clients, tallies)
	return tallies
}
