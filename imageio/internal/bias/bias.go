// Package bias estimates the slow change of brightness over an MR image that its coil makes: N4.
package bias

import (
	"context"
	"errors"
	"math"

	"github.com/nitrain/nitrain/internal/tasks"
)

// Options are N4's parameters; all must be set.
type Options struct {
	Levels      int     // resolutions of the spline: each has twice the mesh of the one before
	Iterations  int     // at most, of each level
	Mesh        [3]int  // pieces of the spline along each axis at the first level
	Convergence float64 // a level ends when the field's relative change varies by less
	Bins        int     // of the histogram
	FWHM        float64 // of the Gaussian that blurs the histogram, in logarithms of brightness
	Noise       float64 // of the Wiener filter that takes that blur away
}

// errMask is a mask in which there is nothing to estimate from.
var errMask = errors.New("want at least two different positive samples in the mask")

// N4 returns the logarithm of the field as a spline: the method of Tustison et al. (IEEE Trans. Medical Imaging 29,
// 2010) with the details of ITK 5's N4BiasFieldCorrectionImageFilter. In turn the histogram of the logarithms is
// sharpened, and what the sharpening changed is fitted by a cubic B-spline, finer with every level. Only samples where mask
// is true count; those that are not positive must not be in it.
func N4(ctx context.Context, samples []float32, mask []bool, size [3]int, o Options) (*Lattice, error) {
	log := make([]float32, len(samples))
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, in := range mask {
		if in {
			v := math.Log(float64(samples[i]))
			log[i] = float32(v)
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if !(hi > lo) || math.IsInf(hi, 0) || math.IsInf(lo, 0) {
		return nil, errMask
	}
	e := &estimate{
		mask: mask, size: size, o: o, log: log,
		corrected: append([]float32(nil), log...), residual: make([]float32, len(log)), field: make([]float32, len(log)),
	}
	lattice := newLattice(o.Mesh)
	for level := range o.Levels {
		if level > 0 {
			lattice = lattice.refined()
		}
		if err := e.level(ctx, lattice); err != nil {
			return nil, err
		}
	}
	return lattice, nil
}

// estimate is one estimation under way; outside the mask all samples are zero.
type estimate struct {
	mask      []bool
	size      [3]int
	o         Options
	log       []float32
	corrected []float32 // log less field
	residual  []float32 // corrected less its sharpened form
	field     []float32
}

// level improves the lattice until the field no longer changes.
func (e *estimate) level(ctx context.Context, l *Lattice) error {
	fit := newFit(l.N, e.size, e.mask)
	for range e.o.Iterations {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.sharpen(); err != nil {
			return err
		}
		fit.add(l, e.residual)
		if e.update(l) < e.o.Convergence {
			break
		}
	}
	return nil
}

// sharpen fills residual.
func (e *estimate) sharpen() error {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for i, in := range e.mask {
		if in {
			lo, hi = min(lo, e.corrected[i]), max(hi, e.corrected[i])
		}
	}
	if !(hi > lo) {
		return errMask
	}
	s := newSharpening(float64(lo), float64(hi), e.o)
	for i, in := range e.mask {
		if in {
			s.count(float64(e.corrected[i]))
		}
	}
	s.sharpen()
	e.slices(func(lo, hi int) {
		for i := lo; i < hi; i++ {
			if e.mask[i] {
				e.residual[i] = e.corrected[i] - float32(s.at(float64(e.corrected[i])))
			}
		}
	})
	return nil
}

// update evaluates the field and returns the coefficient of variation of its relative change within the mask.
func (e *estimate) update(l *Lattice) float64 {
	plane := e.size[0] * e.size[1]
	sums := make([][3]float64, e.size[2])
	weights := l.weights(e.size)
	tasks.Run(0, e.size[2], func(z int) {
		row := make([]float32, e.size[0])
		grid := l.plane(weights[2][z])
		for y := range e.size[1] {
			l.row(row, grid, weights[0], weights[1][y])
			for x, v := range row {
				i := z*plane + y*e.size[0] + x
				if !e.mask[i] {
					continue
				}
				k := math.Exp(float64(e.field[i] - v))
				sums[z][0]++
				sums[z][1] += k
				sums[z][2] += k * k
				e.field[i] = v
				e.corrected[i] = e.log[i] - v
			}
		}
	})
	var n, sum, square float64
	for _, s := range sums {
		n, sum, square = n+s[0], sum+s[1], square+s[2]
	}
	mean := sum / n
	return math.Sqrt(max(square-n*mean*mean, 0)/max(n-1, 1)) / mean
}

// slices calls f for the voxels of each slice, in parallel.
func (e *estimate) slices(f func(lo, hi int)) {
	plane := e.size[0] * e.size[1]
	tasks.Run(0, e.size[2], func(z int) { f(z*plane, (z+1)*plane) })
}
