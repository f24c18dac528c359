package view

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"maps"
	"slices"
)

// mostLabels is how many labels the legend lists.
const mostLabels = 60

// footer draws the legend and the scale of the heat for a picture of that width.
func (s *scene) footer(pen pen, width int) *image.RGBA {
	entries := s.entries()
	const line = 20
	cell := 150
	for _, e := range entries {
		cell = min(max(cell, 20+pen.width(e.name)+16+pen.width(e.amount)+24), 330)
	}
	columns := max(1, (width-2*margin)/cell)
	height := (len(entries) + columns - 1) / columns * line
	if s.heat != nil {
		height += 44
	}
	histogram := s.o.Histogram && !s.colour
	if histogram {
		height += histogramHeight
	}
	dst := image.NewRGBA(image.Rect(0, 0, width, max(height+margin/2, 1)))
	y := 0
	if s.heat != nil {
		s.heatScale(pen, dst, min(320, width-2*margin-80))
		y = 44
	}
	if histogram {
		s.histogram(pen, dst, y, min(420, width-2*margin))
		y += histogramHeight
	}
	rows := (len(entries) + columns - 1) / columns
	for i, e := range entries {
		x, top := margin+i/rows*cell, y+i%rows*line
		if e.color.A > 0 {
			draw.Draw(dst, image.Rect(x, top+3, x+14, top+16), image.NewUniform(e.color), image.Point{}, draw.Src)
		}
		room := cell - 20 - pen.width(e.amount) - 32
		pen.text(dst, x+20, top+15, pen.shorten(e.name, room), white())
		pen.text(dst, x+cell-pen.width(e.amount)-24, top+15, e.amount, dim())
	}
	return dst
}

// entry is a line of the legend.
type entry struct {
	name, amount string
	color        color.RGBA
}

// entries lists the labels that the segmentation has, in order of their values, with their amounts.
func (s *scene) entries() []entry {
	if s.seg == nil {
		return nil
	}
	counts := s.seg.counts()
	values := slices.Sorted(maps.Keys(counts))
	more := 0
	if len(values) > mostLabels { // the largest ones stay
		more = len(values) - mostLabels
		slices.SortFunc(values, func(a, b int) int { return cmp.Or(counts[b]-counts[a], a-b) })
		values = values[:mostLabels]
		slices.Sort(values)
	}
	var list []entry
	for _, v := range values {
		name := fmt.Sprintf("label %d", v)
		if l, ok := s.names[v]; ok && l.Name != "" {
			name = l.Name
		}
		list = append(list, entry{name, s.amount(counts[v]), s.colourOf(v)})
	}
	switch {
	case more > 0:
		list = append(list, entry{name: fmt.Sprintf("and %d more", more)})
	case len(values) == 0:
		list = append(list, entry{name: "no labels"})
	}
	return append(list, s.more...)
}

// amount says how large so many voxels are: millilitres, or mm² of a 2-D image.
func (s *scene) amount(voxels int) string {
	g := s.seg.im.Grid
	switch {
	case !spatial(s.scan):
		return fmt.Sprintf("%d px", voxels)
	case s.depth() == 1:
		sp := g.Spacing()
		return fmt.Sprintf("%.4g mm²", float64(voxels)*sp[0]*sp[1])
	}
	ml := float64(voxels) * g.VoxelVolume() / 1000
	switch {
	case ml >= 100:
		return fmt.Sprintf("%.0f mL", ml)
	case ml >= 1:
		return fmt.Sprintf("%.1f mL", ml)
	}
	return fmt.Sprintf("%.3f mL", ml)
}

// heatScale draws the colours of the heat from one end to the other.
func (s *scene) heatScale(pen pen, dst *image.RGBA, width int) {
	low := 0.0
	if s.signed {
		low = -1
	}
	for x := range width {
		f := low + (1-low)*float64(x)/float64(width-1)
		c, weight := heatColour(f)
		c = blend(color.RGBA{70, 70, 70, 255}, c, weight)
		draw.Draw(dst, image.Rect(margin+x, 4, margin+x+1, 18), image.NewUniform(c), image.Point{}, draw.Src)
	}
	left, right := fmt.Sprintf("%.3g", low*s.top), fmt.Sprintf("%.3g", s.top)
	pen.text(dst, margin, 34, left, dim())
	if s.signed {
		pen.text(dst, margin+width/2-4, 34, "0", dim())
	}
	pen.text(dst, margin+width-pen.width(right), 34, right, dim())
	pen.text(dst, margin+width+12, 15, "heat", white())
}
