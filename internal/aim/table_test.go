package aim

import (
	"fmt"
	"strings"
	"testing"
)

// show logs the tallies as a table that docs/staleness.md can take as it is.
func (c *campaign) show(t *testing.T, clients []*client, tallies []map[string]*tally) {
	t.Helper()
	var text strings.Builder
	name := strings.ReplaceAll(strings.TrimPrefix(t.Name(), "Test"), "_", " ")
	fmt.Fprintf(&text, "| %s | calls | begun late | failed | by | slipped | sent twice | processed once | twice | against P4 |\n", name)
	fmt.Fprintln(&text, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for i, client := range clients {
		for _, m := range c.methods {
			tally := tallies[i][m]
			fmt.Fprintf(&text, "| %s, %s | %d | %d | %d | %s | %d | %d | %d | %d | %d |\n", client.name, m,
				tally.calls, tally.late, tally.failed(), tally.reasons(), tally.slipped, tally.resent, tally.once, tally.twice, tally.p4)
		}
	}
	for i, client := range clients {
		for _, m := range c.methods {
			if err := tallies[i][m].example; err != nil {
				fmt.Fprintf(&text, "%s, %s: %v\n", client.name, m, err)
			}
		}
		if client.pool != nil {
			s := client.pool.Stats()
			fmt.Fprintf(&text, "%s: %d dials, %d reuses, %d stale, %d sent again\n", client.name, s.Dials, s.Reuses, s.Stale, s.Retries)
		}
	}
	t.Logf("\n%s", text.String())
}

// reasons says what failed how many.
func (t *tally) reasons() string {
	var all []string
	for o := foreign; o < outcomes; o++ {
		if n := t.outcomes[o]; n > 0 {
			all = append(all, fmt.Sprintf("%s %d", outcomeNames[o], n))
		}
	}
	return strings.Join(all, ", ")
}

// contest runs a campaign and shows the result.
func (c *campaign) contest(t *testing.T, clients ...*client) []map[string]*tally {
	t.Helper()
	tallies := c.run(t, clients...)
	c.show(t, clients, tallies)
	return tallies
}
