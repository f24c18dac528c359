package engine

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
)

// ConvGeneral supports what ONNX's Conv lacks: dilated inputs, which gradients of strided convolutions are, negative
// padding, and batch groups, one convolution each. Most others go to kernels of our own.
func (f *function) ConvGeneral(input, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, pads [][2]int,
	inputDilations, kernelDilations []int, channelGroups, batchGroups int,
) (compute.Value, error) {
	d := len(axes.InputSpatial)
	c := convGeneral{
		input: input, kernel: kernel, axes: axes, pads: orPads(pads, d), groups: max(1, channelGroups),
		strides: orOnes(strides, d), inputDilations: orOnes(inputDilations, d), kernelDilations: orOnes(kernelDilations, d),
	}
	var y compute.Value
	var err error
	if batchGroups > 1 {
		y, err = f.batchGroups(c, batchGroups)
	} else {
		y, err = f.conv(c)
	}
	if err != nil {
		return nil, fmt.Errorf("convolution: %w", err)
	}
	return y, nil
}

// conv records a convolution: input dilation is carried out first, one axis at a time.
func (f *function) conv(c convGeneral) (compute.Value, error) {
	for i, u := range c.inputDilations {
		if u > 1 && c.strides[i] == 1 && c.kernelDilations[i] == 1 {
			return f.phases(c, i)
		}
		if u > 1 {
			return f.stuffed(c, i)
		}
	}
	if y, err := f.direct(c); err != nil || y != nil {
		return y, err
	}
	c, err := f.cropped(c)
	if err != nil {
		return nil, err
	}
	return f.Function.ConvGeneral(c.input, c.kernel, c.axes, c.strides, c.pads, nil, c.kernelDilations, c.groups, 1)
}

// cropped carries negative padding out: onnxruntime accepts it, and for some shapes reads outside its arrays.
func (f *function) cropped(c convGeneral) (convGeneral, error) {
	c.pads = slices.Clone(c.pads)
	var err error
	for i, p := range c.pads {
		if c.input, err = f.crop(c.input, c.axes.InputSpatial[i], max(0, -p[0]), max(0, -p[1])); err != nil {
			return c, err
		}
		c.pads[i] = [2]int{max(0, p[0]), max(0, p[1])}
	}
	return c, nil
}

// stuffed puts the zeros of spatial axis i's dilation into the input.
func (f *function) stuffed(c convGeneral, i int) (compute.Value, error) {
	shape, err := f.Shape(c.input)
	if err != nil {
		return nil, err
	}
	zero, err := f.scalar(shape.DType, 0)
	if err != nil {
		return nil, err
	}
	if c.input, err = f.stuff(c.input, zero, c.axes.InputSpatial[i], c.inputDilations[i]-1); err != nil {
		return nil, err
	}
	c.inputDilations = slices.Clone(c.inputDilations)
	c.inputDilations[i] = 1
	return f.conv(c)
}

// batchGroups convolves the n parts of the batch each with its own part of the kernel's output channels.
func (f *function) batchGroups(c convGeneral, n int) (compute.Value, error) {
	inputs, err := f.split(c.input, c.axes.InputBatch, n)
	if err != nil {
		return nil, err
	}
	kernels, err := f.split(c.kernel, c.axes.KernelOutputChannels, n)
	if err != nil {
		return nil, err
	}
	parts := make([]compute.Value, n)
	for i := range parts {
		c.input, c.kernel = inputs[i], kernels[i]
		if parts[i], err = f.conv(c); err != nil {
			return nil, err
		}
	}
	return f.Concatenate(c.axes.OutputChannels, parts...)
}

// split cuts an axis into n equal parts.
func (f *function) split(x compute.Value, axis, n int) ([]compute.Value, error) {
	shape, err := f.Shape(x)
	if err != nil {
		return nil, err
	}
	size := shape.Dimensions[axis]
	if size%n != 0 {
		return nil, fmt.Errorf("split: want axis %d of %v to divide by %d", axis, shape.Dimensions, n)
	}
	parts := make([]compute.Value, n)
	for i := range parts {
		if parts[i], err = f.crop(x, axis, i*(size/n), size-(i+1)*(size/n)); err != nil {
			return nil, err
		}
	}
	return parts, nil
}
