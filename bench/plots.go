package main

import (
	"math"
	"os"
	"path/filepath"

	"github.com/ttlpool/ttlpool/bench/internal/client"
	"github.com/ttlpool/ttlpool/bench/internal/plot"
	"github.com/ttlpool/ttlpool/bench/internal/results"
)

// classes are how the clients are drawn.
var classes = map[string]string{
	client.Raw.Name: "floor", client.FastHTTP.Name: "other", client.Transport.Name: "base", client.TTLPool.Name: "ours",
}

func writePlots(set *results.Set, docs string) error {
	for _, p := range []struct {
		file  string
		chart plot.Bars
	}{
		{"performance-latency.svg", latencyPlot(set)},
		{"performance-idle.svg", idlePlot(set)},
		{"performance-tail.svg", tailPlot(set)},
	} {
		if err := writePlot(filepath.Join(docs, p.file), p.chart); err != nil {
			return err
		}
	}
	return nil
}

func writePlot(name string, chart plot.Bars) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := chart.Write(f); err != nil {
		return err
	}
	return f.Close()
}

func seriesOf(clients ...*client.Client) (series []plot.Series) {
	for _, c := range clients {
		series = append(series, plot.Series{Name: c.Name, Class: classes[c.Name]})
	}
	return series
}

// group is a row of a section with the sum of some of its figures for each
// client.
func group(set *results.Set, section, row string, clients []*client.Client, units ...string) plot.Group {
	g := plot.Group{Name: row}
	for _, c := range clients {
		sum := 0.0
		for _, unit := range units {
			s, ok := set.Summary(results.Key{Section: section, Row: row, Client: c.Name}, unit)
			if !ok {
				sum = math.NaN()
				break
			}
			sum += s.Center
		}
		g.Values = append(g.Values, sum)
	}
	return g
}

// latencyPlot shows times as shares of that of http.Transport: in nanoseconds,
// they differ by a factor of a thousand from row to row.
func latencyPlot(set *results.Set) plot.Bars {
	chart := plot.Bars{Title: "Time per request", Axis: "http.Transport takes 1 (shorter is better)", Series: seriesOf(client.All...)}
	for _, row := range set.Rows(latency) {
		g := plot.Group{Name: row}
		for _, c := range client.All {
			share, ok := set.Ratio(results.Key{Section: latency, Row: row, Client: c.Name},
				results.Key{Section: latency, Row: row, Client: client.Transport.Name}, "ns/op")
			if !ok {
				share = math.NaN()
			}
			g.Values = append(g.Values, share)
		}
		chart.Groups = append(chart.Groups, g)
	}
	return chart
}

func idlePlot(set *results.Set) plot.Bars {
	who := []*client.Client{client.Raw, client.Transport, client.TTLPool}
	chart := plot.Bars{Title: "Memory of an idle connection", Axis: "bytes of heap and stack together", Series: seriesOf(who...)}
	for _, row := range set.Rows(idle) {
		chart.Groups = append(chart.Groups, group(set, idle, row, who, "heap-B/conn", "stack-B/conn"))
	}
	return chart
}

func tailPlot(set *results.Set) plot.Bars {
	who := []*client.Client{client.Transport, client.TTLPool}
	chart := plot.Bars{Title: "The slowest requests", Axis: "µs", Series: seriesOf(who...), Log: true}
	for _, row := range set.Rows(tail) {
		for _, p := range []string{"p99", "p99.9"} {
			g := group(set, tail, row, who, p+"-µs")
			g.Name = row + ", " + p
			chart.Groups = append(chart.Groups, g)
		}
	}
	return chart
}
