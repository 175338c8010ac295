package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"text/template"
	"time"
)

// The chart is a grid: a column for each situation, a row for each transport. A panel shows the share of the aimed
// polls that failed over the time at which they were sent.

//go:embed chart.svg.tmpl
var chartSource string

var chartTemplate = template.Must(template.New("chart").Parse(chartSource))

const (
	chartBuckets = 40
	panelWidth   = 400.0
	panelHeight  = 90.0
	columnGap    = 64.0
	rowGap       = 44.0
	chartLeft    = 72.0
	chartTop     = 96.0
	chartBottom  = 12.0
)

// drawing is what the template needs; all lengths are pixels.
type drawing struct {
	Width, Height float64
	Title         string
	AxisY         float64 // middle of the vertical axis' label
	Columns       []column
	Panels        []panel
}

type column struct {
	X, Middle, Bottom float64
	Title, Axis       string
}

type panel struct {
	X, Y, Width, Height float64
	Title, Total        string
	Mark                float64 // where the close is
	Bars                []bar
	XTicks, YTicks      []tick
}

type bar struct {
	X, Y, Width, Height float64
	Tip                 string
}

type tick struct {
	At   float64
	Text string
}

// chart draws the report as an SVG document.
func chart(r report) ([]byte, error) {
	rows := float64(len(r.Situations[0].Legs))
	d := drawing{
		Width:  chartLeft + float64(len(r.Situations))*(panelWidth+columnGap),
		Height: chartTop + rows*(panelHeight+rowGap) + chartBottom,
		Title: fmt.Sprintf("Failed requests: %s, keep-alive timeout %s, TTL %s",
			r.Backend, duration(r.Timeout), duration(r.TTL)),
		AxisY: chartTop + (rows*(panelHeight+rowGap)-rowGap)/2,
	}
	for i, s := range r.Situations {
		x := chartLeft + float64(i)*(panelWidth+columnGap)
		d.Columns = append(d.Columns, column{
			X:      x,
			Middle: x + panelWidth/2,
			Bottom: d.Height - chartBottom - 4,
			Title:  "Polls aimed at the " + s.Name,
			Axis:   axisName(s),
		})
		d.Panels = append(d.Panels, panels(r, s, x)...)
	}
	var svg bytes.Buffer
	if err := chartTemplate.Execute(&svg, d); err != nil {
		return nil, fmt.Errorf("chart: %w", err)
	}
	return svg.Bytes(), nil
}

func axisName(s situationResult) string {
	if s.restarts {
		return "time from the restart (dashed) to the sending of the poll, ms"
	}
	return "idle time when the poll was sent, ms (dashed: the server's timeout)"
}

// panels are the column of one situation. Its panels share their scales.
func panels(r report, s situationResult, x float64) []panel {
	over := spanOf(s.Legs)
	var origin time.Duration
	if !s.restarts {
		origin = time.Duration(float64(r.Timeout) * float64(time.Second))
	}
	var split [][]bucket
	highest := 0.0
	for _, l := range s.Legs {
		buckets := splitSamples(l.samples, over, chartBuckets)
		split = append(split, buckets)
		for _, b := range buckets {
			highest = max(highest, b.share())
		}
	}
	top := ceilShare(highest)
	var drawn []panel
	for i, l := range s.Legs {
		p := panel{
			X: x, Y: chartTop + float64(i)*(panelHeight+rowGap), Width: panelWidth, Height: panelHeight,
			Title:  l.title[0] + " " + l.title[1],
			Total:  fmt.Sprintf("%s of %s failed", count(l.Failed), count(l.Requests)),
			Mark:   over.at(0),
			Bars:   bars(split[i], over, origin, top),
			XTicks: xTicks(over, origin),
			YTicks: []tick{{panelHeight, "0"}, {0, strconv.Itoa(int(100*top+0.5)) + " %"}},
		}
		drawn = append(drawn, p)
	}
	return drawn
}

func bars(buckets []bucket, over span, origin time.Duration, top float64) []bar {
	var drawn []bar
	for _, b := range buckets {
		if b.polls == 0 {
			continue
		}
		height := tenth(panelHeight * b.share() / top)
		drawn = append(drawn, bar{
			X: over.at(b.low), Y: tenth(panelHeight - height),
			Width: tenth(over.at(b.high) - over.at(b.low) - 1), Height: height,
			Tip: fmt.Sprintf("%s to %s ms: %d of %d failed", millis(origin+b.low), millis(origin+b.high), b.fails, b.polls),
		})
	}
	return drawn
}

func xTicks(over span, origin time.Duration) []tick {
	step := niceStep(over.high-over.low, time.Millisecond, 8)
	var ticks []tick
	for offset := -floor(-(origin + over.low), step); offset <= origin+over.high; offset += step {
		ticks = append(ticks, tick{over.at(offset - origin), millis(offset)})
	}
	return ticks
}

// at is the place of an offset in a panel.
func (s span) at(offset time.Duration) float64 {
	return tenth(panelWidth * float64(min(offset, s.high)-s.low) / float64(s.high-s.low))
}

func tenth(pixels float64) float64 { return math.Round(pixels*10) / 10 }

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64)
}
