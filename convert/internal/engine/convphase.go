package engine

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapeinference"
	"github.com/gomlx/compute/shapes"
)

// A convGeneral holds the arguments of ConvGeneral, every default filled in.
type convGeneral struct {
	input, kernel                            compute.Value
	axes                                     compute.ConvolveAxesConfig
	strides, inputDilations, kernelDilations []int
	pads                                     [][2]int
	groups                                   int
}

// phases convolves an input that is dilated by u along spatial axis i without the zeros: the outputs at every u-th
// place see the same taps of the kernel, another set for each of the u phases, so each phase is a convolution of the
// plain input with those taps, and the results interleave. Strides and dilated kernels are stuffed instead.
func (f *function) phases(c convGeneral, i int) (compute.Value, error) {
	out, err := f.outputShape(c)
	if err != nil {
		return nil, err
	}
	u, axis := c.inputDilations[i], c.axes.OutputSpatial[i]
	each := (out.Dimensions[axis] + u - 1) / u
	parts := make([]compute.Value, u)
	for phase := range parts {
		if parts[phase], err = f.phase(c, i, phase, each, out); err != nil {
			return nil, err
		}
	}
	return f.interleave(parts, axis, out.Dimensions[axis])
}

// phase computes one phase, `each` places long.
func (f *function) phase(c convGeneral, i, phase, each int, out shapes.Shape) (compute.Value, error) {
	u, pad := c.inputDilations[i], c.pads[i][0]
	k, err := f.Shape(c.kernel)
	if err != nil {
		return nil, err
	}
	in, err := f.Shape(c.input)
	if err != nil {
		return nil, err
	}
	taps, size := k.Dimensions[c.axes.KernelSpatial[i]], in.Dimensions[c.axes.InputSpatial[i]]
	first := ((pad-phase)%u + u) % u
	if first >= taps {
		zero, err := f.scalar(out.DType, 0)
		if err != nil {
			return nil, err
		}
		part := out.Clone()
		part.Dimensions[c.axes.OutputSpatial[i]] = each
		return f.fill(zero, part)
	}
	starts, limits := make([]int, k.Rank()), slices.Clone(k.Dimensions)
	steps := orOnes(nil, k.Rank())
	starts[c.axes.KernelSpatial[i]], steps[c.axes.KernelSpatial[i]] = first, u
	if c.kernel, err = f.Slice(c.kernel, starts, limits, steps); err != nil {
		return nil, err
	}
	taps = (taps - first + u - 1) / u
	before := (pad - phase - first) / u
	c.pads, c.inputDilations = slices.Clone(c.pads), slices.Clone(c.inputDilations)
	c.pads[i] = [2]int{before, each - size - before + taps - 1}
	c.inputDilations[i] = 1
	return f.conv(c)
}

// interleave puts the elements of the parts along an axis in turn, and keeps the first n.
func (f *function) interleave(parts []compute.Value, axis, n int) (compute.Value, error) {
	shape, err := f.Shape(parts[0])
	if err != nil {
		return nil, err
	}
	split := slices.Insert(slices.Clone(shape.Dimensions), axis+1, 1)
	columns := make([]compute.Value, len(parts))
	for i, part := range parts {
		if columns[i], err = f.Reshape(part, split...); err != nil {
			return nil, err
		}
	}
	x, err := f.Concatenate(axis+1, columns...)
	if err != nil {
		return nil, err
	}
	joined := slices.Clone(shape.Dimensions)
	joined[axis] *= len(parts)
	if x, err = f.Reshape(x, joined...); err != nil {
		return nil, err
	}
	return f.crop(x, axis, 0, joined[axis]-n)
}

// outputShape returns the shape of a convolution's result.
func (f *function) outputShape(c convGeneral) (shapes.Shape, error) {
	in, err := f.Shape(c.input)
	if err != nil {
		return shapes.Shape{}, err
	}
	k, err := f.Shape(c.kernel)
	if err != nil {
		return shapes.Shape{}, err
	}
	return shapeinference.ConvGeneral(in, k, c.axes, c.strides, c.pads, c.inputDilations, c.kernelDilations, c.groups, 1)
}
