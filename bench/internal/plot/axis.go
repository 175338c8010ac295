package plot

import "math"

// axis lays figures out between the left end of the bars and their right end.
type axis struct {
	from, to float64 // from is 0 unless it is logarithmic
	log      bool
}

func newAxis(largest, smallest float64, log bool) axis {
	if !log {
		return axis{to: largest}
	}
	return axis{
		from: math.Pow(10, math.Floor(math.Log10(smallest))),
		to:   math.Pow(10, math.Ceil(math.Log10(largest))),
		log:  true,
	}
}

// at is where a figure is, to a tenth of a pixel.
func (a axis) at(v float64) float64 {
	share := v / a.to
	if a.log {
		share = math.Log10(max(v, a.from)/a.from) / math.Log10(a.to/a.from)
	}
	return math.Round(10*(left+share*(width-left-right))) / 10
}

// ticks are round figures along the axis, about five.
func (a axis) ticks() []float64 {
	var all []float64
	if a.log {
		for t := a.from; t <= a.to*1.001; t *= 10 {
			all = append(all, t)
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10(a.to)))
	for _, divisor := range []float64{5, 2} {
		if a.to/step < 5 && a.to/(step/divisor) <= 10 {
			step /= divisor
			break
		}
	}
	for i := 0; float64(i)*step <= a.to; i++ {
		all = append(all, float64(i)*step)
	}
	return all
}
