package transform

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Threshold makes a label image: 1 where a sample lies above Above and below Below, both excluded, else 0.
type Threshold struct {
	Above *float64 `json:"above,omitzero"` // nil: no lower limit
	Below *float64 `json:"below,omitzero"` // nil: no upper limit
}

func (Threshold) op() string { return "threshold" }

func (t Threshold) check() error {
	if t.Above == nil && t.Below == nil {
		return errors.New("want above or below")
	}
	lo, hi := t.limits()
	if !(lo < hi) {
		return fmt.Errorf("want above < below, got %v and %v", lo, hi)
	}
	return nil
}

func (t Threshold) limits() (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	if t.Above != nil {
		lo = *t.Above
	}
	if t.Below != nil {
		hi = *t.Below
	}
	return lo, hi
}

// Apply makes the mask.
func (t Threshold) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(t, im) }

func (t Threshold) run(im *imageio.Image) (*imageio.Image, error) {
	lo, hi := t.limits()
	out, err := mapSamples(im, func(v float32) float32 {
		if (t.Above == nil || float64(v) > lo) && (t.Below == nil || float64(v) < hi) && v == v {
			return 1
		}
		return 0
	})
	if err == nil {
		out.Kind = imageio.Label
	}
	return out, err
}

// Remap replaces values: the keys of Map by their values. Other values stay. The result is a label image.
type Remap struct {
	Map map[int]int `json:"map"`
}

func (Remap) op() string { return "remap" }

func (r Remap) check() error {
	if len(r.Map) == 0 {
		return errors.New("map: want at least one value")
	}
	for from, to := range r.Map {
		if max(from, -from, to, -to) > 1<<24 {
			return fmt.Errorf("map: want numbers up to %d, got %d to %d", 1<<24, from, to)
		}
	}
	return nil
}

// Apply replaces the values.
func (r Remap) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(r, im) }

func (r Remap) run(im *imageio.Image) (*imageio.Image, error) {
	from := slices.Sorted(maps.Keys(r.Map))
	table := map[float32]float32{}
	for _, k := range from {
		table[float32(k)] = float32(r.Map[k])
	}
	lo, hi := float32(from[0]), float32(from[len(from)-1])
	out, err := mapSamples(im, func(v float32) float32 {
		if v < lo || v > hi {
			return v
		}
		if to, ok := table[v]; ok {
			return to
		}
		return v
	})
	if err == nil {
		out.Kind = imageio.Label
	}
	return out, err
}

// OneHot turns a label image of one channel into Classes channels: channel c is 1 where the label is c, else 0.
// The result is an intensity image, so that it may be interpolated.
type OneHot struct {
	Classes int `json:"classes"`
}

func (OneHot) op() string { return "one_hot" }

func (o OneHot) check() error {
	if o.Classes < 1 || o.Classes > maxLabels {
		return fmt.Errorf("classes: want 1 to %d, got %d", maxLabels, o.Classes)
	}
	return nil
}

// Apply makes the channels.
func (o OneHot) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(o, im) }

func (o OneHot) run(im *imageio.Image) (*imageio.Image, error) {
	if im.Channels != 1 {
		return nil, fmt.Errorf("want 1 channel, got %d", im.Channels)
	}
	out, err := newImage(im, im.Grid, o.Classes, false)
	if err != nil {
		return nil, err
	}
	out.Kind = imageio.Intensity
	n := im.Grid.Len()
	for i, v := range im.Data {
		c := int(v)
		if float32(c) != v || c < 0 || c >= o.Classes {
			return nil, fmt.Errorf("want labels 0 to %d, got %v", o.Classes-1, v)
		}
		out.Data[c*n+i] = 1
	}
	return out, nil
}
