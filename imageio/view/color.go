package view

import (
	"fmt"
	"image/color"
	"math"
)

// Color returns the colour that a label has unless it is given another: label 0 is transparent, the first
// 22 are as different as can be on black and on grey (after S. Trubetskoy's list, without its dark ones), and further ones step around
// the colour circle by the golden angle.
func Color(label int) color.RGBA {
	if label == 0 {
		return color.RGBA{}
	}
	table := [...]uint32{
		0xe6194b, 0x3cb44b, 0x4d7cfe, 0xffe119, 0xf58231, 0xb04be0, 0x46f0f0, 0xf032e6, 0xbcf60c, 0xfabebe, 0x18a3a3,
		0xd8b0ff, 0xc07a30, 0xfffac8, 0xc0304f, 0xaaffc3, 0xa5a51a, 0xffd0a0, 0x6f6fd8, 0xff8fb0, 0x74c2ff, 0xc0c0c0,
	}
	if label > 0 && label <= len(table) {
		c := table[label-1]
		return color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255}
	}
	n := math.Abs(float64(label))
	hue := math.Mod(n*137.50776405, 360)
	return hsv(hue, 0.55+0.4*math.Mod(n*0.381966, 1), 0.75+0.25*math.Mod(n*0.7548776, 1))
}

func hsv(h, s, v float64) color.RGBA {
	part := func(n float64) uint8 {
		k := math.Mod(n+h/60, 6)
		return uint8(math.Round(255 * (v - v*s*max(0, min(k, 4-k, 1)))))
	}
	return color.RGBA{part(5), part(3), part(1), 255}
}

// ParseColor reads "#rrggbb".
func ParseColor(text string) (color.RGBA, error) {
	var r, g, b uint8
	if n, err := fmt.Sscanf(text, "#%02x%02x%02x", &r, &g, &b); err != nil || n != 3 || len(text) != 7 {
		return color.RGBA{}, fmt.Errorf("view: colour: want #rrggbb, got %q", text)
	}
	return color.RGBA{r, g, b, 255}, nil
}

// heatColour returns the colour of a heat from -1 to 1 and how much of the scan it covers: black, red, yellow,
// white for heat, and blue to light blue below zero.
func heatColour(f float64) (color.RGBA, float64) {
	f = min(max(f, -1), 1)
	a := math.Abs(f)
	ramp := func(from, to float64) uint8 { return uint8(math.Round(255 * min(max((a-from)/(to-from), 0), 1))) }
	c := color.RGBA{ramp(-0.25, 0.45), ramp(0.3, 0.85), ramp(0.75, 1.3), 255}
	if f < 0 {
		c = color.RGBA{ramp(0.75, 1.3), ramp(0.25, 0.9), ramp(-0.25, 0.45), 255}
	}
	return c, 0.8 * min(1, max(0, (a-0.06)/0.35))
}

// heated lays heat over a pixel.
func (s *scene) heated(c color.RGBA, v float64) color.RGBA {
	if s.top == 0 || math.IsNaN(v) {
		return c
	}
	h, weight := heatColour(v / s.top)
	return blend(c, h, weight)
}

// heatRange returns the size of heat that is drawn in full (99.95 % of what is not zero) and whether heat
// has both signs.
func heatRange(data []float32) (top float64, signed bool) {
	var values []float32
	for _, v := range data {
		if f := float64(v); v != 0 && !math.IsNaN(f) && !math.IsInf(f, 0) {
			values = append(values, float32(math.Abs(f)))
			signed = signed || v < 0
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return quantile(sample(values), 0.9995), signed
}
