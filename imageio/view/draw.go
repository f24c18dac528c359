package view

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/inconsolata"
	"golang.org/x/image/math/fixed"
)

func white() color.RGBA { return color.RGBA{235, 235, 235, 255} }
func dim() color.RGBA   { return color.RGBA{165, 165, 170, 255} }

// pen draws text.
type pen struct{ face, bold font.Face }

func newPen() pen { return pen{inconsolata.Regular8x16, inconsolata.Bold8x16} }

// text draws a line with a dark rim, so that it can be read on white too. (x, y) is the left end of the baseline.
func (p pen) text(dst draw.Image, x, y int, s string, c color.Color) { rimmed(dst, p.face, x, y, s, c) }

// strong draws a line in bold.
func (p pen) strong(dst draw.Image, x, y int, s string, c color.Color) {
	rimmed(dst, p.bold, x, y, s, c)
}

func rimmed(dst draw.Image, face font.Face, x, y int, s string, c color.Color) {
	d := font.Drawer{Dst: dst, Src: image.NewUniform(color.RGBA{0, 0, 0, 255}), Face: face}
	for _, o := range []image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
		d.Dot = fixed.P(x+o.X, y+o.Y)
		d.DrawString(s)
	}
	d.Src, d.Dot = image.NewUniform(c), fixed.P(x, y)
	d.DrawString(s)
}

func (p pen) width(s string) int { return font.MeasureString(p.face, s).Round() }

// shorten cuts a text to so many pixels.
func (p pen) shorten(s string, pixels int) string {
	runes := []rune(s)
	for len(runes) > 1 && p.width(s) > pixels {
		runes = runes[:len(runes)-1]
		s = string(runes) + ".."
	}
	return s
}

// panel draws one slice of the scan and what the row lays over it.
func (s *scene) panel(canvas *image.RGBA, at image.Rectangle, r row) {
	p, w, h := r.planes[0], at.Dx(), at.Dy()
	labels := s.labelsOf(p, w, h, r.seg || r.outline)
	channel := s.scan.Channel(s.o.Channel)
	for y := range h {
		for x := range w {
			c := s.shade(p, channel, x, y, w, h)
			if r.heat {
				v := s.heat.trilinear(s.voxel(p, (float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)))
				c = s.heated(c, v)
			}
			if labels != nil {
				c = s.labelled(c, labels, x, y, w, h, r.seg)
			}
			canvas.SetRGBA(at.Min.X+x, at.Min.Y+y, c)
		}
	}
	for _, l := range r.lines {
		s.outline(canvas, at, p, l)
	}
}

// shade returns the grey of a pixel: the mean over its area where a pixel holds several voxels.
func (s *scene) shade(p plane, channel []float32, x, y, w, h int) color.RGBA {
	su, sv := s.box[p.u][1]-s.box[p.u][0]+1, s.box[p.v][1]-s.box[p.v][0]+1
	nx, ny := max(1, (su+w-1)/w), max(1, (sv+h-1)/h)
	mean := func(data []float32) float64 {
		sum := 0.0
		for j := range ny {
			for i := range nx {
				fx := (float64(x) + (float64(i)+0.5)/float64(nx)) / float64(w)
				fy := (float64(y) + (float64(j)+0.5)/float64(ny)) / float64(h)
				sum += bilinear(s.scan.Grid, data, p, s.voxel(p, fx, fy))
			}
		}
		return sum / float64(nx*ny)
	}
	if s.colour {
		return color.RGBA{s.grey(mean(s.scan.Channel(0))), s.grey(mean(s.scan.Channel(1))), s.grey(mean(s.scan.Channel(2))), 255}
	}
	g := s.grey(mean(channel))
	return color.RGBA{g, g, g, 255}
}

func (s *scene) grey(v float64) uint8 {
	f := (v - s.window[0]) / (s.window[1] - s.window[0])
	if math.IsNaN(f) {
		return 0
	}
	return uint8(math.Round(255 * min(max(f, 0), 1)))
}

// labelsOf returns the labels of a panel's pixels.
func (s *scene) labelsOf(p plane, w, h int, wanted bool) []int {
	if !wanted || s.seg == nil {
		return nil
	}
	labels := make([]int, w*h)
	for y := range h {
		for x := range w {
			labels[y*w+x] = s.seg.label(s.voxel(p, (float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)))
		}
	}
	return labels
}

// labelled lays a label over a pixel: opaque at the rim of its region, translucent within if filled.
func (s *scene) labelled(c color.RGBA, labels []int, x, y, w, h int, fill bool) color.RGBA {
	l := labels[y*w+x]
	if l == 0 {
		return c
	}
	if rim(labels, x, y, w, h) {
		if w < smallPanel && fill { // thick lines would hide a small picture
			return blend(c, s.colourOf(l), 0.6)
		}
		return blend(c, s.colourOf(l), 0.9)
	}
	if fill {
		return blend(c, s.colourOf(l), 0.38)
	}
	return c
}

// rim reports whether a pixel's region ends beside it.
func rim(labels []int, x, y, w, h int) bool {
	l := labels[y*w+x]
	return x > 0 && labels[y*w+x-1] != l || x < w-1 && labels[y*w+x+1] != l ||
		y > 0 && labels[(y-1)*w+x] != l || y < h-1 && labels[(y+1)*w+x] != l
}

func (s *scene) colourOf(label int) color.RGBA {
	if l, ok := s.names[label]; ok && l.Color.A > 0 {
		return l.Color
	}
	return Color(label)
}

func blend(a, b color.RGBA, weight float64) color.RGBA {
	mix := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-weight) + float64(y)*weight)) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// annotate writes the orientation letters and the position onto a panel.
func (s *scene) annotate(pen pen, canvas *image.RGBA, at image.Rectangle, p plane) {
	small := at.Dx() < smallPanel
	if text := s.position(p); text != "" {
		if small {
			text = text[len(p.name)+1:]
		}
		pen.text(canvas, at.Min.X+6, at.Min.Y+16, text, white())
	}
	if p.letters[0] != "" {
		middle := image.Pt((at.Min.X+at.Max.X)/2, (at.Min.Y+at.Max.Y)/2)
		pen.strong(canvas, at.Min.X+5, middle.Y+5, p.letters[0], white())
		pen.strong(canvas, at.Max.X-13, middle.Y+5, p.letters[1], white())
		if !small {
			pen.strong(canvas, middle.X-4, at.Min.Y+16, p.letters[2], white())
			pen.strong(canvas, middle.X-4, at.Max.Y-7, p.letters[3], white())
		}
	}
}

// barLength returns a round length in mm, at most a third of so many pixels.
func barLength(pixels int, scale float64) float64 {
	aim := 0.33 * float64(pixels) / scale
	unit := math.Pow(10, math.Floor(math.Log10(aim)))
	length := unit
	for _, m := range []float64{2, 5} {
		if m*unit <= aim {
			length = m * unit
		}
	}
	return length
}

// scaleBar draws a bar of that many mm at the lower right.
func scaleBar(pen pen, canvas *image.RGBA, at image.Rectangle, length, scale float64) {
	pixels := int(math.Round(length * scale))
	x1, y1 := at.Max.X-10, at.Max.Y-10
	bar := image.Rect(x1-pixels, y1-3, x1, y1)
	draw.Draw(canvas, bar.Inset(-1), image.NewUniform(color.RGBA{0, 0, 0, 255}), image.Point{}, draw.Src)
	draw.Draw(canvas, bar, image.NewUniform(white()), image.Point{}, draw.Src)
	text := fmt.Sprintf("%g mm", length)
	x := min(x1-pixels/2-pen.width(text)/2, x1-pen.width(text)) // stays in the panel
	pen.text(canvas, x, y1-8, text, white())
}
