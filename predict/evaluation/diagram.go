package evaluation

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/metric"
)

// diagram is a drawing with a title.
type diagram struct {
	Title string
	SVG   template.HTML
}

func newDiagram(title, svg string) diagram {
	return diagram{title, template.HTML(svg)} //nolint:gosec // every text in it is escaped where it is written
}

// axis maps numbers to a length of the drawing.
type axis struct{ low, high, from, to float64 }

func (a axis) at(v float64) float64 { return a.from + (v-a.low)/(a.high-a.low)*(a.to-a.from) }

// newAxis spans values; lowest and highest, where they are numbers, are included.
func newAxis(values []float64, lowest, highest, from, to float64) axis {
	low, high := lowest, highest
	for _, v := range values {
		if v-v == 0 {
			low, high = fmin(low, v), fmax(high, v)
		}
	}
	if !(low < high) {
		if low != low {
			low = 0
		}
		high = low + 1
	}
	return axis{low, high, from, to}
}

// padded leaves room at both ends.
func (a axis) padded() axis {
	room := 0.04 * (a.high - a.low)
	a.low, a.high = a.low-room, a.high+room
	return a
}

func fmin(a, b float64) float64 {
	if a != a || b < a {
		return b
	}
	return a
}

func fmax(a, b float64) float64 {
	if a != a || b > a {
		return b
	}
	return a
}

// ticks returns round numbers within an axis.
func (a axis) ticks(most float64) []float64 {
	base := math.Pow(10, math.Floor(math.Log10((a.high-a.low)/most)))
	step := 10 * base
	for _, m := range []float64{5, 2, 1} {
		if (a.high-a.low)/(m*base) <= most {
			step = m * base
		}
	}
	var out []float64
	for v := math.Ceil(a.low/step) * step; v <= a.high+step/1e6; v += step {
		out = append(out, v)
	}
	return out
}

// plain writes a number of an axis.
func plain(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e9)/1e9, 'g', 5, 64)
}

// boxes draws a measure's distribution over the cases, label by label.
func (r *Report) boxes(m measure) diagram {
	const left, right, row, top = 150.0, 16.0, 26.0, 6.0
	const width = 560.0
	var all []float64
	for _, c := range r.Cases {
		for _, s := range c.Labels {
			all = append(all, float64(m.of(s)))
		}
	}
	ax := newAxis(all, 0, math.NaN(), left, width-right)
	if !m.MM && ax.high <= 1 {
		ax.high = 1
	}
	height := top + row*float64(len(r.Labels)) + 22
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, html.EscapeString(m.Title))
	for _, v := range ax.ticks(6) {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`,
			ax.at(v), ax.at(v), top, height-20, ax.at(v), height-6, plain(v))
	}
	for i, l := range r.Labels {
		y := top + row*(float64(i)+0.5)
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%s</text>`, left-8, y+4, html.EscapeString(cut(l.Name, 22)))
		r.box(&b, m, i, y, ax)
	}
	b.WriteString(`</svg>`)
	return newDiagram(m.Title, b.String())
}

// box draws quartiles, whiskers to the farthest values within 1.5 of the box's length, and the cases.
func (r *Report) box(b *strings.Builder, m measure, label int, y float64, ax axis) {
	var values []float64
	for _, c := range r.Cases {
		if v := float64(m.of(c.Labels[label])); v-v == 0 {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return
	}
	slices.Sort(values)
	q1, q2, q3 := metric.Quantile(values, 0.25), metric.Quantile(values, 0.5), metric.Quantile(values, 0.75)
	reach := 1.5 * (q3 - q1)
	low, high := q1, q3
	for _, v := range values {
		if v >= q1-reach {
			low = min(low, v)
		}
		if v <= q3+reach {
			high = max(high, v)
		}
	}
	fmt.Fprintf(b, `<line class="whisker" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, ax.at(low), ax.at(high), y, y)
	fmt.Fprintf(b, `<rect class="box" x="%.1f" y="%.1f" width="%.1f" height="14"/>`, ax.at(q1), y-7, max(1, ax.at(q3)-ax.at(q1)))
	fmt.Fprintf(b, `<line class="median" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, ax.at(q2), ax.at(q2), y-7, y+7)
	for i, c := range r.Cases {
		if v := float64(m.of(c.Labels[label])); v-v == 0 {
			off := float64(i*7%11)/11*10 - 5 // apart, and the same every time
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="2"><title>%s: %s</title></circle>`, ax.at(v), y+off, html.EscapeString(c.ID), digits(metric.Number(v), m.MM))
		}
	}
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// plot is a square of two axes.
type plot struct {
	b    strings.Builder
	x, y axis
}

const plotWidth, plotHeight = 440.0, 340.0

func newPlot(title, below, beside string, x, y axis) *plot {
	x.from, x.to, y.from, y.to = 56, plotWidth-14, plotHeight-40, 12
	p := &plot{x: x, y: y}
	fmt.Fprintf(&p.b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, plotWidth, plotHeight, html.EscapeString(title))
	for _, v := range x.ticks(6) {
		fmt.Fprintf(&p.b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`, x.at(v), x.at(v), y.from, y.to, x.at(v), plotHeight-24, plain(v))
	}
	for _, v := range y.ticks(6) {
		fmt.Fprintf(&p.b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`, x.from, x.to, y.at(v), y.at(v), x.from-6, y.at(v)+4, plain(v))
	}
	fmt.Fprintf(&p.b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, (x.from+x.to)/2, plotHeight-6, html.EscapeString(below))
	fmt.Fprintf(&p.b, `<text transform="translate(12 %g) rotate(-90)" text-anchor="middle">%s</text>`, (y.from+y.to)/2, html.EscapeString(beside))
	return p
}

func (p *plot) dot(x, y float64, title string) {
	fmt.Fprintf(&p.b, `<circle cx="%.1f" cy="%.1f" r="3"><title>%s</title></circle>`, p.x.at(x), p.y.at(y), html.EscapeString(title))
}

// line draws from point to point in the n-th colour.
func (p *plot) line(x, y []float64, n int, title string) {
	p.b.WriteString(`<path class="s` + strconv.Itoa(n%6) + `" d="`)
	for i := range x {
		fmt.Fprintf(&p.b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], p.x.at(x[i]), p.y.at(y[i]))
	}
	p.b.WriteString(`"><title>` + html.EscapeString(title) + `</title></path>`)
}

// dashed draws a straight line from one side to the other.
func (p *plot) dashed(y0, y1 float64) {
	fmt.Fprintf(&p.b, `<line class="zero" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, p.x.from, p.x.to, p.y.at(y0), p.y.at(y1))
}

// key names the lines, at the lower right.
func (p *plot) key(names []string) {
	for i, n := range names {
		y := p.y.from - 10 - 15*float64(len(names)-1-i)
		fmt.Fprintf(&p.b, `<line class="s%d" stroke-width="3" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f">%s</text>`, i%6, p.x.to-150, p.x.to-132, y, y, p.x.to-126, y+4, html.EscapeString(cut(n, 22)))
	}
}

func (p *plot) diagram(title string) diagram {
	return newDiagram(title, p.b.String()+`</svg>`)
}
