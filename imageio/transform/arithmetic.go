package transform

import (
	"errors"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Add adds to every sample the other image's sample at the same voxel, or Value. The other image lies on the
// same grid, to 0.01 mm, and has one channel, used for all, or as many.
//
// Of the four arithmetic steps: sums are in float32; a label image stays one while every result is a whole number
// up to 2^24, and becomes an intensity image otherwise.
type Add struct {
	Image Other    `json:"image,omitzero"`
	Value *float64 `json:"value,omitzero"`
}

// Subtract subtracts the other image, or Value; see [Add].
type Subtract struct {
	Image Other    `json:"image,omitzero"`
	Value *float64 `json:"value,omitzero"`
}

// Multiply multiplies by the other image, or by Value; see [Add].
type Multiply struct {
	Image Other    `json:"image,omitzero"`
	Value *float64 `json:"value,omitzero"`
}

// Divide divides by the other image, or by Value; where that is zero, the result is zero. See [Add].
type Divide struct {
	Image Other    `json:"image,omitzero"`
	Value *float64 `json:"value,omitzero"`
}

func (Add) op() string      { return "add" }
func (Subtract) op() string { return "subtract" }
func (Multiply) op() string { return "multiply" }
func (Divide) op() string   { return "divide" }

func (a Add) check() error      { return checkOperand(a.Image, a.Value) }
func (s Subtract) check() error { return checkOperand(s.Image, s.Value) }
func (m Multiply) check() error { return checkOperand(m.Image, m.Value) }

func (d Divide) check() error {
	if d.Value != nil && *d.Value == 0 {
		return errors.New("value: want anything but 0")
	}
	return checkOperand(d.Image, d.Value)
}

func checkOperand(o Other, value *float64) error {
	if o.IsZero() == (value == nil) {
		return errors.New("want either image or value")
	}
	if value == nil {
		return nil
	}
	return finite("value", *value)
}

// Apply adds.
func (a Add) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(a, im) }

// Apply subtracts.
func (s Subtract) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(s, im) }

// Apply multiplies.
func (m Multiply) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(m, im) }

// Apply divides.
func (d Divide) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(d, im) }

func (a Add) run(im *imageio.Image) (*imageio.Image, error) {
	return combine(im, a.Image, a.Value, func(x, y float32) float32 { return x + y })
}

func (s Subtract) run(im *imageio.Image) (*imageio.Image, error) {
	return combine(im, s.Image, s.Value, func(x, y float32) float32 { return x - y })
}

func (m Multiply) run(im *imageio.Image) (*imageio.Image, error) {
	return combine(im, m.Image, m.Value, func(x, y float32) float32 { return x * y })
}

func (d Divide) run(im *imageio.Image) (*imageio.Image, error) {
	return combine(im, d.Image, d.Value, func(x, y float32) float32 {
		if y == 0 {
			return 0
		}
		return x / y
	})
}

// combine applies a function of two samples: the image's, and the other image's or the value.
func combine(im *imageio.Image, o Other, value *float64, f func(x, y float32) float32) (*imageio.Image, error) {
	var out *imageio.Image
	var err error
	if value != nil {
		v := float32(*value)
		out, err = mapSamples(im, func(x float32) float32 { return f(x, v) })
	} else {
		out, err = combineImages(im, o, f)
	}
	if err == nil && im.Kind == imageio.Label && !wholeNumbers(out.Data) {
		out.Kind = imageio.Intensity
	}
	return out, err
}

func combineImages(im *imageio.Image, o Other, f func(x, y float32) float32) (*imageio.Image, error) {
	other, err := o.beside(im)
	if err != nil {
		return nil, err
	}
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		a, b, res := im.Channel(c), channelOf(other, c), out.Channel(c)
		parallelChunks(len(res), 1, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				res[i] = f(a[i], b[i])
			}
		})
	}
	return out, nil
}

// wholeNumbers reports whether every sample may be a label.
func wholeNumbers(samples []float32) bool {
	for _, v := range samples {
		if v != float32(math.Trunc(float64(v))) || v > 1<<24 || v < -(1<<24) {
			return false
		}
	}
	return true
}

// Mask keeps the samples where the other image is not zero and sets the rest to Outside. The other image lies on the
// same grid, to 0.01 mm, and has one channel, used for all, or as many. A label image stays one.
type Mask struct {
	Image   Other   `json:"image"`
	Outside float64 `json:"outside,omitzero"` // default 0
}

func (Mask) op() string { return "mask" }

func (m Mask) check() error {
	if m.Image.IsZero() {
		return errors.New("image: missing")
	}
	return finite("outside", m.Outside)
}

// Apply masks the image.
func (m Mask) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(m, im) }

func (m Mask) run(im *imageio.Image) (*imageio.Image, error) {
	outside := float32(m.Outside)
	kind := im.Kind
	out, err := combineImages(im, m.Image, func(x, y float32) float32 {
		if y == 0 || y != y {
			return outside
		}
		return x
	})
	if err == nil {
		out.Kind = kind
	}
	return out, err
}
