package engine

import (
	"fmt"

	"github.com/gomlx/compute"
)

// ConvGeneral supports what ONNX's Conv lacks: dilated inputs, which gradients of strided convolutions are, by
// stuffing zeros between the elements; and batch groups, one convolution each. Most others go to kernels of our own.
func (f *function) ConvGeneral(input, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, pads [][2]int,
	inputDilations, kernelDilations []int, channelGroups, batchGroups int) (compute.Value, error) {
	if batchGroups > 1 {
		return f.batchGroups(input, kernel, axes, strides, pads, inputDilations, kernelDilations, batchGroups)
	}
	input, err := f.undilated(input, axes.InputSpatial, inputDilations)
	if err != nil {
		return nil, fmt.Errorf("convolution: %w", err)
	}
	if y, err := f.direct(input, kernel, axes, strides, pads, kernelDilations, channelGroups); err != nil || y != nil {
		return y, err
	}
	return f.Function.ConvGeneral(input, kernel, axes, strides, pads, nil, kernelDilations, channelGroups, 1)
}

// undilated returns the input with its dilation carried out.
func (f *function) undilated(input compute.Value, spatial, dilations []int) (compute.Value, error) {
	if !anyAbove(dilations, 1) {
		return input, nil
	}
	shape, err := f.Shape(input)
	if err != nil {
		return nil, err
	}
	zero, err := f.scalar(shape.DType, 0)
	if err != nil {
		return nil, err
	}
	for i, axis := range spatial {
		if input, err = f.stuff(input, zero, axis, dilations[i]-1); err != nil {
			return nil, err
		}
	}
	return input, nil
}

// batchGroups convolves the n parts of the batch each with its own part of the kernel's output channels.
func (f *function) batchGroups(input, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, pads [][2]int,
	inputDilations, kernelDilations []int, n int) (compute.Value, error) {
	inputs, err := f.split(input, axes.InputBatch, n)
	if err != nil {
		return nil, err
	}
	kernels, err := f.split(kernel, axes.KernelOutputChannels, n)
	if err != nil {
		return nil, err
	}
	parts := make([]compute.Value, n)
	for i := range parts {
		parts[i], err = f.ConvGeneral(inputs[i], kernels[i], axes, strides, pads, inputDilations, kernelDilations, 1, 1)
		if err != nil {
			return nil, err
		}
	}
	return f.Concatenate(axes.OutputChannels, parts...)
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
