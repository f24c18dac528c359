package engine

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// A convolution is one that kernel.c does, in ONNX layout: x [n, in, size..], w [out, in, k..], y [n, out, to..].
type convolution struct {
	gradient           bool          // of w, from x and the gradient of y; else y, from x and w
	a, b               compute.Value // x and w, or x and y's gradient
	x, w, y            []int         // shapes
	strides, dilations []int
	before             []int // padding in front of each spatial axis; what is behind follows from y
}

// maxTaps bounds the kernels that kernel.c plans for.
const maxTaps = 1024

// direct records a convolution by one of our kernels, or returns nil where onnxruntime's own is to do it: groups,
// other types than float32, open shapes, and products of matrices, which kernels of one element are.
//
// GoMLX writes the gradient of the weights as a convolution whose kernel is the gradient of the output, as large as
// the image, with batch and channels swapped. onnxruntime takes several times as long for it as for the forward pass;
// it is told by a kernel larger than the result.
func (f *function) direct(g convGeneral) (compute.Value, error) {
	in, err := f.Shape(g.input)
	if err != nil {
		return nil, err
	}
	k, err := f.Shape(g.kernel)
	if err != nil {
		return nil, err
	}
	d := in.Rank() - 2
	if g.groups > 1 || d < 1 || d > 3 || in.DType != dtypes.Float32 || in.IsDynamic() || k.IsDynamic() {
		return nil, nil
	}
	out, err := f.outputShape(g)
	if err != nil {
		return nil, err
	}
	taps, to := pick(k, g.axes.KernelSpatial), pick(out, g.axes.OutputSpatial)
	c := convolution{strides: g.strides, dilations: g.kernelDilations, gradient: volume(taps) > volume(to)}
	for _, p := range g.pads {
		c.before = append(c.before, p[0])
	}
	if c.gradient {
		taps, to = to, taps
		c.strides, c.dilations = c.dilations, c.strides
	}
	pays := c.gradient || forwardPays(volume(taps), to[d-1], in.Dimensions[g.axes.InputChannels])
	if !pays || volume(taps) > maxTaps || in.Size() == 0 || out.Size() == 0 || k.Size() == 0 {
		return nil, nil
	}
	return f.arranged(c, g, taps, to)
}

// forwardPays tells whether our kernel is faster than onnxruntime's product of matrices: not for kernels of one
// element, which are such products, nor for many channels on rows that fill no vector (BenchmarkConvolution).
func forwardPays(taps, width, channels int) bool {
	return taps > 1 && (width >= 12 || channels < 32)
}

// arranged lays the operands of g out as the kernel of c wants them, records it, and lays the result out as g's axes say.
func (f *function) arranged(c convolution, g convGeneral, taps, to []int) (compute.Value, error) {
	first, second := g.axes.InputBatch, g.axes.InputChannels
	of, from := g.axes.KernelOutputChannels, g.axes.KernelInputChannels
	put := []int{g.axes.OutputBatch, g.axes.OutputChannels}
	if c.gradient {
		first, second, of, from = second, first, from, of
		put[0], put[1] = put[1], put[0]
	}
	var a, b shapes.Shape
	var err error
	if c.a, a, err = f.arrange(g.input, append([]int{first, second}, g.axes.InputSpatial...)); err != nil {
		return nil, err
	}
	if c.b, b, err = f.arrange(g.kernel, append([]int{of, from}, g.axes.KernelSpatial...)); err != nil {
		return nil, err
	}
	c.x = a.Dimensions
	if c.gradient {
		c.y = b.Dimensions
		c.w = append([]int{c.y[1], c.x[1]}, taps...)
	} else {
		c.w = b.Dimensions
		c.y = append([]int{c.x[0], c.w[0]}, to...)
	}
	value, err := f.builder.backend.session.conv(f.Function, c)
	if err != nil || value == nil {
		return nil, err
	}
	value, _, err = f.arrange(value, inverse(append(put, g.axes.OutputSpatial...)))
	return value, err
}

// result returns the shape of what c computes.
func (c convolution) result() []int {
	if c.gradient {
		return c.w
	}
	return c.y
}

// encode writes c for compute in session.c: rank and shape of the result, then nitrain_conv.
func (c convolution) encode() []int64 {
	d := len(c.strides)
	list := []int{2 + d}
	list = append(list, c.result()...)
	list = append(list, c.x[0], c.x[1], c.w[0])
	for _, axes := range []struct {
		values []int
		absent int
	}{{c.x[2:], 1}, {c.y[2:], 1}, {c.w[2:], 1}, {c.strides, 1}, {c.dilations, 1}, {c.before, 0}} {
		list = append(list, slices.Repeat([]int{axes.absent}, 3-d)...)
		list = append(list, axes.values...)
	}
	code := make([]int64, len(list))
	for i, v := range list {
		code[i] = int64(v)
	}
	return code
}

// arrange transposes x where perm is not the identity.
func (f *function) arrange(x compute.Value, perm []int) (compute.Value, shapes.Shape, error) {
	if !slices.IsSorted(perm) {
		var err error
		if x, err = f.Transpose(x, perm...); err != nil {
			return nil, shapes.Shape{}, err
		}
	}
	shape, err := f.Shape(x)
	return x, shape, err
}

// pick returns the sizes of some axes.
func pick(shape shapes.Shape, axes []int) []int {
	sizes := make([]int, len(axes))
	for i, axis := range axes {
		sizes[i] = shape.Dimensions[axis]
	}
	return sizes
}

// inverse returns the permutation that undoes perm.
func inverse(perm []int) []int {
	back := make([]int, len(perm))
	for i, p := range perm {
		back[p] = i
	}
	return back
}
