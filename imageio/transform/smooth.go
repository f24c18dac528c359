package transform

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Smooth blurs by a Gaussian, as MONAI's GaussianSmooth: weights integrated over each voxel by the error
// function, cut off at 4 standard deviations, zero outside the image. The standard deviation is MM millimetres
// or Voxels voxels along each axis; an axis with 0 is left alone.
type Smooth struct {
	MM     Factors `json:"mm,omitzero"`
	Voxels Factors `json:"voxels,omitzero"`
}

func (Smooth) op() string    { return "smooth" }
func (Smooth) leavesLabels() {}

func (s Smooth) check() error {
	for _, v := range append(s.MM[:], s.Voxels[:]...) {
		if !(v >= 0 && v <= 1e4) {
			return fmt.Errorf("mm or voxels: want 0 to 10000, got %v", v)
		}
	}
	if (s.MM == Factors{}) == (s.Voxels == Factors{}) {
		return errors.New("want either mm or voxels")
	}
	return nil
}

// Apply blurs the image.
func (s Smooth) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(s, im) }

func (s Smooth) run(im *imageio.Image) (*imageio.Image, error) {
	sigma := [3]float64(s.Voxels)
	if s.MM != (Factors{}) {
		for i, mm := range im.Grid.Spacing() {
			sigma[i] = s.MM[i] / mm
		}
	}
	return gaussian(im, sigma)
}

// gaussian blurs with standard deviations in voxels.
func gaussian(im *imageio.Image, sigma [3]float64) (*imageio.Image, error) {
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	copy(out.Data, im.Data)
	for axis, s := range sigma {
		if s <= 0 {
			continue
		}
		kernel := gaussianKernel(s)
		for c := range im.Channels {
			convolve(out.Channel(c), im.Grid.Size, axis, kernel)
		}
	}
	return out, nil
}

// gaussianKernel returns the weights -tail..tail of MONAI 1.6's gaussian_1d with approx "erf".
func gaussianKernel(sigma float64) []float64 {
	tail := int(max(sigma*4, 0.5) + 0.5)
	t := 0.70710678 / sigma
	k := make([]float64, 2*tail+1)
	for i := range k {
		x := float64(i - tail)
		k[i] = max(0, 0.5*(math.Erf(t*(x+0.5))-math.Erf(t*(x-0.5))))
	}
	return k
}

// convolve filters a channel in place along one axis, zero outside.
func convolve(data []float32, size [3]int, axis int, kernel []float64) {
	lines(data, size, data, size, axis, func(line, result []float64) {
		n, tail := len(line), len(kernel)/2
		for i := range result {
			sum := 0.0
			for j := max(0, i-tail); j <= min(n-1, i+tail); j++ {
				sum += line[j] * kernel[j-i+tail]
			}
			result[i] = sum
		}
	})
}
