// Package plot draws bar charts as SVG: text as text, readable on light and on
// dark paper, and the same bytes for the same figures.
package plot

import (
	_ "embed"
	"errors"
	"html/template"
	"io"
	"math"
	"strconv"

	"github.com/ttlpool/ttlpool/bench/internal/figures"
)

// Bars is a chart of horizontal bars in groups.
type Bars struct {
	Title  string
	Axis   string // what the figures are, with their unit
	Series []Series
	Groups []Group
	Log    bool // each step of the axis is ten times the one before
}

// Series is what has one bar in each group, and its place in the legend.
type Series struct {
	Name  string
	Class string // of the style sheet: floor, other, base or ours
}

// Group is a row of the chart. It has a value for each series; NaN stands for
// one that was not measured.
type Group struct {
	Name   string
	Values []float64
}

// The measures of a chart in pixels.
const (
	width      = 800
	left       = 280 // where bars begin
	right      = 60  // for the figure behind the longest bar
	top        = 92
	barHeight  = 9
	barStep    = 11
	groupGap   = 12
	axisHeight = 44
)

//go:embed bars.svg.tmpl
var source string

var drawing = template.Must(template.New("bars").Parse(source))

// Write draws the chart. Every group must have as many values as there are
// series, and one value at least must be above 0.
func (b Bars) Write(out io.Writer) error {
	largest, smallest := b.extent()
	if largest <= 0 {
		return errors.New("there is nothing to draw")
	}
	a := newAxis(largest, smallest, b.Log)
	d := drawn{Title: b.Title, Axis: b.Axis, Width: width, Left: left, Top: top - 8}
	x := 16.0
	for _, s := range b.Series {
		d.Legend = append(d.Legend, legend{X: x, Series: s})
		x += 40 + 7*float64(len(s.Name))
	}
	y := top
	for _, g := range b.Groups {
		d.Groups = append(d.Groups, b.group(g, y, a))
		y += barStep*measured(g.Values) + groupGap
	}
	d.Bottom, d.Height, d.Middle = y, y+axisHeight, (left+width-right)/2
	for _, t := range a.ticks() {
		d.Ticks = append(d.Ticks, tick{X: a.at(t), Text: number(t)})
	}
	return drawing.Execute(out, d)
}

func (b Bars) group(g Group, y int, a axis) group {
	drawn := group{Name: g.Name, Y: y + barStep*measured(g.Values)/2}
	for i, v := range g.Values {
		if math.IsNaN(v) {
			continue
		}
		drawn.Bars = append(drawn.Bars, bar{
			X: left, Y: y, End: a.at(v), Width: math.Round(10*max(1, a.at(v)-left)) / 10, Height: barHeight,
			Class: b.Series[i].Class, Text: number(v), Tip: g.Name + ", " + b.Series[i].Name + ": " + number(v),
		})
		y += barStep
	}
	return drawn
}

func (b Bars) extent() (largest, smallest float64) {
	smallest = math.Inf(1)
	for _, g := range b.Groups {
		for _, v := range g.Values {
			if v > 0 {
				largest, smallest = max(largest, v), min(smallest, v)
			}
		}
	}
	return largest, smallest
}

func measured(values []float64) (n int) {
	for _, v := range values {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// number writes a figure with three digits at most that mean something.
func number(v float64) string {
	switch {
	case v >= 100:
		return figures.Whole(v)
	case v >= 10:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'g', -1, 64)
}

// What the template draws.
type (
	drawn struct {
		Title, Axis       string
		Width, Height     int
		Left, Top, Bottom int
		Middle            int
		Legend            []legend
		Groups            []group
		Ticks             []tick
	}
	legend struct {
		X float64
		Series
	}
	group struct {
		Name string
		Y    int
		Bars []bar
	}
	bar struct {
		X, Y, Height     int
		Width, End       float64
		Class, Text, Tip string
	}
	tick struct {
		X    float64
		Text string
	}
)
