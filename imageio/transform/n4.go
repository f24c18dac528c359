package transform

import (
	"context"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/internal/bias"
)

// N4 divides by the slow change of brightness that an MR coil makes, estimated as ITK's N4BiasFieldCorrection does. The
// defaults are ITK's and, for Shrink, the usual advice.
type N4 struct {
	Mask        Other   `json:"mask,omitzero"`        // where not zero the field is estimated; default: above Otsu's threshold
	Shrink      int     `json:"shrink,omitzero"`      // every how many voxels along each axis are looked at, default 4
	Levels      int     `json:"levels,omitzero"`      // resolutions of the field, each twice as fine, default 4
	Iterations  int     `json:"iterations,omitzero"`  // at most at each level, default 50
	Mesh        Each    `json:"mesh,omitzero"`        // spline pieces along each axis at the first level, default 1
	Convergence float64 `json:"convergence,omitzero"` // a level ends when the relative change varies by less, default 0.001
	Bins        int     `json:"bins,omitzero"`        // of the histogram, default 200
	FWHM        float64 `json:"fwhm,omitzero"`        // of the Gaussian deconvolved, in logarithms, default 0.15
	Noise       float64 `json:"noise,omitzero"`       // of the Wiener filter, default 0.01
	Field       bool    `json:"field,omitzero"`       // the result is the field, a factor, in place of the image
}

func (N4) op() string    { return "n4" }
func (N4) leavesLabels() {}

func (n N4) check() error {
	var faults []error
	for _, k := range []struct {
		key         string
		value, most int
	}{{"shrink", n.Shrink, 64}, {"levels", n.Levels, 8}, {"iterations", n.Iterations, 10000}, {"bins", n.Bins, 1 << 16}} {
		if k.value < 0 || k.value > k.most {
			faults = append(faults, fmt.Errorf("%s: want 1 to %d, got %d", k.key, k.most, k.value))
		}
	}
	for _, m := range n.Mesh {
		if m < 0 || m > 64 {
			faults = append(faults, fmt.Errorf("mesh: want 1 to 64, got %d", m))
		}
	}
	for _, k := range []struct {
		key   string
		value float64
	}{{"convergence", n.Convergence}, {"fwhm", n.FWHM}, {"noise", n.Noise}} {
		if !(k.value >= 0 && k.value <= 10) {
			faults = append(faults, fmt.Errorf("%s: want 0 to 10, got %v", k.key, k.value))
		}
	}
	if n.Bins == 1 {
		faults = append(faults, errors.New("bins: want at least 2"))
	}
	return errors.Join(faults...)
}

// Apply corrects the image, each channel alone.
func (n N4) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(n, im) }

func (n N4) options() bias.Options {
	o := bias.Options{
		Levels: or(n.Levels, 4), Iterations: or(n.Iterations, 50), Convergence: or(n.Convergence, 0.001),
		Bins: or(n.Bins, 200), FWHM: or(n.FWHM, 0.15), Noise: or(n.Noise, 0.01),
	}
	for i, m := range n.Mesh {
		o.Mesh[i] = max(m, 1)
	}
	return o
}

func (n N4) run(im *imageio.Image) (*imageio.Image, error) {
	var mask *imageio.Image
	var err error
	if !n.Mask.IsZero() {
		if mask, err = n.Mask.beside(im); err != nil {
			return nil, fmt.Errorf("mask: %w", err)
		}
	}
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		samples := im.Channel(c)
		in := aboveThreshold(samples)
		if mask != nil {
			m := channelOf(mask, c)
			in = func(i int) bool { return m[i] != 0 }
		}
		few, inside, size := thin(samples, im.Grid.Size, or(n.Shrink, 4), in)
		lattice, err := bias.N4(context.Background(), few, inside, size, n.options())
		if err != nil {
			return nil, fmt.Errorf("channel %d: %w", c, err)
		}
		n.divide(out.Channel(c), samples, im.Grid.Size, lattice)
	}
	return out, nil
}

// divide writes the corrected samples, or the field.
func (n N4) divide(dst, samples []float32, size [3]int, l *bias.Lattice) {
	l.EvaluateRows(size, func(at int, field []float32) {
		for i, f := range field {
			f = exp32(f)
			if n.Field {
				dst[at+i] = f
			} else {
				dst[at+i] = samples[at+i] / f
			}
		}
	})
}

// thin keeps every k-th voxel along each axis, from the middle of the first k, and whether it counts: positive and in.
func thin(samples []float32, size [3]int, k int, in func(i int) bool) (few []float32, inside []bool, small [3]int) {
	var first [3]int
	for i, n := range size {
		small[i] = max(1, n/k)
		first[i] = min(k/2, (n-1)/2)
	}
	few, inside = make([]float32, 0, small[0]*small[1]*small[2]), make([]bool, 0, small[0]*small[1]*small[2])
	for z := range small[2] {
		for y := range small[1] {
			for x := range small[0] {
				i := ((first[2]+z*k)*size[1]+first[1]+y*k)*size[0] + first[0] + x*k
				few = append(few, samples[i])
				inside = append(inside, samples[i] > 0 && in(i))
			}
		}
	}
	return few, inside, small
}
