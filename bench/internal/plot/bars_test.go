package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func chart() Bars {
	return Bars{
		Title:  "Time & space",
		Axis:   "of the other's",
		Series: []Series{{"ours", "ours"}, {"theirs", "base"}},
		Groups: []Group{{"one <row>", []float64{0.5, 1}}, {"another", []float64{math.NaN(), 2}}},
	}
}

func TestAChartIsWellFormedAndItsTextIsText(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, chart().Write(&out))
	var text strings.Builder
	for d := xml.NewDecoder(&out); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if s, ok := token.(xml.CharData); ok {
			text.Write(s)
		}
	}
	for _, want := range []string{"Time & space", "of the other's", "one <row>", "another", "theirs", "0.5"} {
		assert.Contains(t, text.String(), want)
	}
}

func TestWhatWasNotMeasuredHasNoBar(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, chart().Write(&out))
	assert.Equal(t, 3, strings.Count(out.String(), "<g>"))
	assert.NotContains(t, out.String(), "NaN")
}

func TestABarIsAsLongAsItsFigureSays(t *testing.T) {
	linear := newAxis(2, 1, false)
	assert.InDelta(t, (linear.at(0)+linear.at(2))/2, linear.at(1), 0.1)
	log := newAxis(1000, 1, true)
	assert.InDelta(t, log.at(10)-log.at(1), log.at(100)-log.at(10), 0.2)
	assert.Equal(t, []float64{1, 10, 100, 1000}, log.ticks())
}

func TestAChartOfNothingIsAnError(t *testing.T) {
	assert.Error(t, Bars{Title: "empty"}.Write(io.Discard))
}
