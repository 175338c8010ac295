package torture

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// WriteMarkdown writes the reports as the tables of docs/reality.md.
func WriteMarkdown(w io.Writer, reports []Report) error {
	var text strings.Builder
	text.WriteString("| server | | its timeout | closes after |\n| --- | --- | --: | --: |\n")
	for _, r := range reports {
		fmt.Fprintf(&text, "| %s | %s | %v | %v |\n", r.Server, r.Note, r.Timeout, r.Closes)
	}
	for _, r := range reports {
		r.write(&text)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// String gives the range in seconds, or one time if that is all it is.
func (c Closes) String() string {
	first, last := fmt.Sprintf("%.2f", c.First.Seconds()), fmt.Sprintf("%.2f s", c.Last.Seconds())
	if first+" s" == last {
		return last
	}
	return first + " to " + last
}

func (r Report) title() string {
	if r.Note == "" {
		return r.Server
	}
	return r.Server + ", " + r.Note
}

// write writes a row of each peer, and what explains its numbers.
func (r Report) write(text *strings.Builder) {
	fmt.Fprintf(text, "\n### %s\n\n%s\n\n| failed |", r.title(), r.At.UTC().Format(time.DateOnly+" 15:04 UTC"))
	for _, c := range r.Peers[0].Cells {
		fmt.Fprintf(text, " %s |", c.Method)
	}
	text.WriteString(" aimed | twice | wrong | dials | late | p50, p99 |\n| --- |" + strings.Repeat(" --: |", len(r.Peers[0].Cells)+6) + "\n")
	for _, p := range r.Peers {
		p.write(text)
	}
	for _, p := range r.Peers {
		if t := p.Total(); len(t.Failures) > 0 {
			fmt.Fprintf(text, "\n%s: %s.\n", p.Name, kinds(t.Failures))
			if p.Ours {
				fmt.Fprintf(text, "The first: `%v`\n", t.Example)
			}
		}
	}
}

func (p PeerReport) write(text *strings.Builder) {
	fmt.Fprintf(text, "| %s |", p.Name)
	for _, c := range p.Cells {
		fmt.Fprintf(text, " %s |", per(c.Failed(), c.Aimed))
	}
	t := p.Total()
	dials := "-"
	if p.Dials >= 0 {
		dials = per(int(p.Dials), t.Aimed)
	}
	fmt.Fprintf(text, " %d | %d, %d | %d | %s | %s | %s, %s |\n", t.Aimed, p.unsafeTwice(), t.Twice-p.unsafeTwice(), t.Wrong, dials,
		per(t.Late, t.Aimed), short(t.Median), short(t.P99))
}

// unsafeTwice is how many were processed twice that may not be.
func (p PeerReport) unsafeTwice() (n int) {
	for _, c := range p.Cells {
		if !c.Idempotent {
			n += c.Twice
		}
	}
	return n
}

// per is a number for each 10,000.
func per(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d", (n*10_000+of/2)/of)
}

func short(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// kinds lists the most frequent first.
func kinds(failures map[string]int) string {
	names := slices.SortedFunc(maps.Keys(failures), func(a, b string) int {
		return cmp.Or(cmp.Compare(failures[b], failures[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", failures[name], name)
	}
	return strings.Join(names, ", ")
}
