package record

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Curve is a diagram of numbers over steps.
type Curve struct {
	Title  string
	Series []Series
	// Range fixes the vertical axis when Range[0] < Range[1].
	Range [2]float64
}

// Series is a line of points; values that are not finite leave a gap.
type Series struct {
	Name  string
	X, Y  []float64
	Faint bool
}

// The drawing's measures in its own units.
const (
	width, height       = 480.0, 240.0
	left, right         = 48.0, 12.0
	top, bottom         = 22.0, 24.0
	mostPoints          = 600
	innerWide, innerHig = width - left - right, height - top - bottom
)

func (c Curve) svg() string {
	x0, x1, y0, y1 := c.bounds()
	px := func(x float64) float64 { return left + (x-x0)/(x1-x0)*innerWide }
	py := func(y float64) float64 { return top + innerHig - (y-y0)/(y1-y0)*innerHig }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, html.EscapeString(c.Title))
	for _, v := range ticks(y0, y1, 5) {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, py(v), py(v), left-6, py(v)+4, short(v))
	}
	for _, v := range ticks(x0, x1, 6) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%s</text>`, px(v), height-6, short(v))
	}
	at := left
	for i, s := range c.Series {
		class := "s" + strconv.Itoa(i%4)
		if s.Faint {
			class += " faint"
		}
		fmt.Fprintf(&b, `<path class="%s" d="%s"/>`, class, s.thin().path(px, py))
		if len(c.Series) > 1 {
			fmt.Fprintf(&b, `<line class="%s" stroke-width="3" x1="%.0f" x2="%.0f" y1="9" y2="9"/><text x="%.0f" y="13">%s</text>`,
				class, at, at+14, at+18, html.EscapeString(s.Name))
			at += 30 + 6.5*float64(len(s.Name))
		}
	}
	b.WriteString(`</svg>`)
	return b.String()
}

func (c Curve) bounds() (x0, x1, y0, y1 float64) {
	x0, x1, y0, y1 = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		for i, y := range s.Y {
			if finite(y) {
				x0, x1 = min(x0, s.X[i]), max(x1, s.X[i])
				y0, y1 = min(y0, y), max(y1, y)
			}
		}
	}
	if c.Range[0] < c.Range[1] {
		y0, y1 = c.Range[0], c.Range[1]
	}
	if !(x0 <= x1) {
		x0, x1 = 0, 1
	}
	if !(y0 <= y1) {
		y0, y1 = 0, 1
	}
	if x0 == x1 {
		x1++
	}
	if y0 == y1 {
		y0, y1 = y0-math.Max(1e-9, math.Abs(y0)/10), y1+math.Max(1e-9, math.Abs(y1)/10)
	}
	return x0, x1, y0, y1
}

func (s Series) path(px, py func(float64) float64) string {
	var b strings.Builder
	pen := "M"
	alone := false
	for i, y := range s.Y {
		if !finite(y) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, px(s.X[i]), py(y))
		alone = pen == "M"
		pen = "L"
	}
	if alone { // a single point: draw a dash that can be seen
		b.WriteString("h4")
	}
	return b.String()
}

// thin keeps the lowest and the highest point of each stretch, so that peaks stay visible.
func (s Series) thin() Series {
	n := len(s.Y)
	if n <= mostPoints {
		return s
	}
	out := Series{Name: s.Name}
	for k := range mostPoints / 2 {
		from, to := k*n/(mostPoints/2), (k+1)*n/(mostPoints/2)
		low, high := from, from
		for i := from; i < to; i++ {
			if s.Y[i] < s.Y[low] {
				low = i
			}
			if s.Y[i] > s.Y[high] {
				high = i
			}
		}
		for _, i := range []int{min(low, high), max(low, high)} {
			out.X, out.Y = append(out.X, s.X[i]), append(out.Y, s.Y[i])
		}
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// ticks are round values within a range, about n of them.
func ticks(from, to float64, n int) []float64 {
	raw := (to - from) / float64(n)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit * 10
	for _, m := range []float64{1, 2, 5} {
		if m*unit >= raw {
			step = m * unit
			break
		}
	}
	var out []float64
	for k := math.Ceil(from/step - 1e-9); k*step <= to+step*1e-9 && len(out) < 50; k++ {
		out = append(out, k*step)
	}
	return out
}

func short(v float64) string {
	if math.Abs(v) < 1e-12 {
		return "0"
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
