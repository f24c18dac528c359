package view

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
)

// histogramHeight is that of the panel with its text below, in pixels.
const histogramHeight = 118

// histogram draws how often intensities occur, on a logarithmic scale, with the window that is shown.
func (s *scene) histogram(pen pen, dst *image.RGBA, y, width int) {
	data := s.scan.Channel(s.o.Channel)
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range data {
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			low, high = min(low, f), max(high, f)
		}
	}
	if !(low < high) || width < 40 {
		pen.text(dst, margin, y+20, "one intensity everywhere", dim())
		return
	}
	counts, most := make([]int, width), 0
	for _, v := range data {
		if f := float64(v); f >= low && f <= high {
			i := min(int((f-low)/(high-low)*float64(width)), width-1)
			counts[i]++
			most = max(most, counts[i])
		}
	}
	const bars = 84
	base := y + 4 + bars
	fill(dst, image.Rect(margin, y+4, margin+width, base), color.RGBA{30, 30, 34, 255})
	at := func(v float64) int {
		return margin + min(max(int(math.Round((v-low)/(high-low)*float64(width))), 0), width-1)
	}
	left, right := at(s.window[0]), at(s.window[1])
	fill(dst, image.Rect(left, y+4, right+1, base), color.RGBA{44, 48, 60, 255})
	for i, n := range counts {
		if n > 0 {
			h := int(math.Ceil(bars * math.Log1p(float64(n)) / math.Log1p(float64(most))))
			fill(dst, image.Rect(margin+i, base-h, margin+i+1, base), color.RGBA{150, 156, 168, 255})
		}
	}
	for _, x := range []int{left, right} {
		fill(dst, image.Rect(x, y+4, x+1, base), color.RGBA{240, 190, 90, 255})
	}
	pen.text(dst, margin, base+16, fmt.Sprintf("%.4g", low), dim())
	top := fmt.Sprintf("%.4g", high)
	pen.text(dst, margin+width-pen.width(top), base+16, top, dim())
	shown := fmt.Sprintf("shown: %.4g to %.4g", s.window[0], s.window[1])
	pen.text(dst, margin+(width-pen.width(shown))/2, base+16, shown, white())
}

func fill(dst draw.Image, r image.Rectangle, c color.RGBA) {
	draw.Draw(dst, r, image.NewUniform(c), image.Point{}, draw.Src)
}
