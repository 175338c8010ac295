package contract

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// themes are the tables, by what they are about.
var themes = map[string][]exchange{
	"bodies":          bodies,
	"cancel":          cancellations,
	"chunked":         chunkedBodies,
	"connect":         connects,
	"continue":        continues,
	"early":           early,
	"gzip":            gzips,
	"http10":          http10,
	"informational":   informational,
	"invalid request": invalidRequests,
	"limits":          limits,
	"malformed":       malformed,
	"no body":         noBodies,
	"request":         requests,
	"request body":    requestBodies,
	"reuse":           reuses,
	"stale":           stales,
	"trace":           traces,
	"trailers":        trailers,
	"upgrade":         upgrades,
}

// TestContract runs every exchange through both transports and compares.
func TestContract(t *testing.T) {
	for theme, exchanges := range themes {
		for _, x := range exchanges {
			t.Run(theme+"/"+x.name, func(t *testing.T) {
				t.Parallel()
				compare(t, theme+": "+x.name, x)
			})
		}
	}
}

// legs are the two outcomes of an exchange in one mode.
type legs struct{ reference, ours *outcome }

func compare(t *testing.T, name string, x exchange) {
	modes := x.everywhere()
	differs, meant := differences[name]
	wantOurs := x.want
	if meant {
		wantOurs = differs.ours
	}
	all := make([]legs, len(modes))
	var running sync.WaitGroup
	for i, m := range modes {
		running.Go(func() { all[i].reference = run(t, reference, x, x.want, m) })
		running.Go(func() { all[i].ours = run(t, candidate, x, wantOurs, m) })
	}
	running.Wait()
	for i, m := range modes {
		for _, miss := range all[i].reference.misses(x, x.want) {
			t.Errorf("http.Transport over %s: %s", m, miss)
		}
		for _, miss := range all[i].ours.misses(x, wantOurs) {
			t.Errorf("ttlpool over %s: %s", m, miss)
		}
		theirs, ours := all[i].reference.facts(x), all[i].ours.facts(x)
		if found := differing(theirs, ours); !slices.Equal(found, differs.facts) {
			t.Errorf("over %s they differ in %q, and should in %q%s", m, found, differs.facts, show(theirs, ours))
		}
	}
}

// show sets the differing facts side by side.
func show(theirs, ours []fact) string {
	var text strings.Builder
	for _, name := range differing(theirs, ours) {
		fmt.Fprintf(&text, "\n%s\n  http.Transport: %q\n  ttlpool:        %q", name, value(theirs, name), value(ours, name))
	}
	return text.String()
}

func value(facts []fact, name string) string {
	for _, f := range facts {
		if f.name == name {
			return f.value
		}
	}
	return "(none)"
}

// TestNames finds differences that belong to no exchange, and exchanges that cannot be told apart.
func TestNames(t *testing.T) {
	names := map[string]int{}
	for theme, exchanges := range themes {
		for _, x := range exchanges {
			names[theme+": "+x.name]++
		}
	}
	for name, n := range names {
		if n > 1 {
			t.Errorf("%d exchanges are named %q", n, name)
		}
	}
	for name := range differences {
		if names[name] == 0 {
			t.Errorf("a difference is stated for %q, which is no exchange", name)
		}
	}
	if len(names) < 250 {
		t.Errorf("only %d exchanges", len(names))
	}
	t.Logf("%d exchanges", len(names))
}
