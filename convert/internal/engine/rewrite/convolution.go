package rewrite

import (
	"slices"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// convolution turns a ConvGeneral into one of the three passes. The gradients are written as convolutions too: that of
// the input has the reversed kernel and, for strides, zeros between its elements; that of the weights has the
// gradient of the output for a kernel, larger than its result, with batch and channels swapped, or groups over the batch.
func (b *builder) convolution(n, x, w *ir.Node, a ir.Convolution) *ir.Node {
	d := len(a.Strides)
	if d < 1 || d > 3 {
		return nil
	}
	taps, to := pick(w, a.Axes.KernelSpatial), pick(n, a.Axes.OutputSpatial)
	stuffed, strided := !ones(a.InputDilations), !ones(a.Strides)
	switch {
	case stuffed && (strided || a.BatchGroups > 1):
		return nil
	case a.BatchGroups > 1:
		return b.weights(n, x, w, a)
	case stuffed:
		return b.input(n, x, w, a)
	case volume(taps) > volume(to):
		return b.weights(n, x, w, a)
	case !strided && backwards(w, a.Axes.KernelSpatial):
		return b.input(n, x, w, a)
	}
	return b.forward(n, x, w, a)
}

// backwards tells whether w, or what its groups were before they were swapped, is a reversed kernel.
func backwards(w *ir.Node, spatial []int) bool {
	for is(w, compute.OpTypeReshape) || is(w, compute.OpTypeTranspose) {
		w = w.Inputs[0]
	}
	return is(w, compute.OpTypeReverse) && len(spatial) > 0
}

func (b *builder) forward(n, x, w *ir.Node, a ir.Convolution) *ir.Node {
	x = b.transpose(x, layout(a.Axes.InputBatch, a.Axes.InputChannels, a.Axes.InputSpatial))
	w = b.transpose(w, layout(a.Axes.KernelOutputChannels, a.Axes.KernelInputChannels, a.Axes.KernelSpatial))
	x, before := unpadded(x, starts(a.Pads))
	to := pick(n, a.Axes.OutputSpatial)
	c := kernel.Convolution{
		Pass: kernel.Forward, Batch: x.Shape.Dimensions[0], In: x.Shape.Dimensions[1], Out: w.Shape.Dimensions[0], Groups: a.ChannelGroups,
		Size: three(x.Shape.Dimensions[2:], 1), To: three(to, 1), Kernel: three(w.Shape.Dimensions[2:], 1),
		Stride: three(a.Strides, 1), Dilation: three(a.KernelDilations, 1), Before: three(before, 0),
	}
	y := b.kernel(c, append([]int{c.Batch, c.Out}, to...), x, w)
	return b.transpose(y, inverse(layout(a.Axes.OutputBatch, a.Axes.OutputChannels, a.Axes.OutputSpatial)))
}

// input is the gradient of a convolution's input: n is what the convolution took, x is the gradient of what it gave.
func (b *builder) input(n, x, w *ir.Node, a ir.Convolution) *ir.Node {
	x = b.transpose(x, layout(a.Axes.InputBatch, a.Axes.InputChannels, a.Axes.InputSpatial))
	w = b.transpose(w, layout(a.Axes.KernelOutputChannels, a.Axes.KernelInputChannels, a.Axes.KernelSpatial))
	groups, dims := a.ChannelGroups, w.Shape.Dimensions
	in, out := dims[0], dims[1]*groups
	w = b.reverse(b.swapped(w, groups), identity(len(dims))[2:])
	taps, to := dims[2:], pick(n, a.Axes.OutputSpatial)
	before := make([]int, len(taps))
	for i, k := range taps {
		before[i] = (k-1)*a.KernelDilations[i] - a.Pads[i][0]
	}
	c := kernel.Convolution{
		Pass: kernel.Input, Batch: x.Shape.Dimensions[0], In: in, Out: out, Groups: groups,
		Size: three(to, 1), To: three(x.Shape.Dimensions[2:], 1), Kernel: three(taps, 1),
		Stride: three(a.InputDilations, 1), Dilation: three(a.KernelDilations, 1), Before: three(before, 0),
	}
	y := b.kernel(c, append([]int{c.Batch, c.In}, to...), x, w)
	return b.transpose(y, inverse(layout(a.Axes.OutputBatch, a.Axes.OutputChannels, a.Axes.OutputSpatial)))
}

// swapped turns a kernel [in, out/groups, k...] into [out, in/groups, k...].
func (b *builder) swapped(w *ir.Node, groups int) *ir.Node {
	dims := w.Shape.Dimensions
	perm := identity(len(dims))
	if groups == 1 {
		perm[0], perm[1] = 1, 0
		return b.transpose(w, perm)
	}
	in, out := dims[0]/groups, dims[1]
	w = b.reshape(w, append([]int{groups, in, out}, dims[2:]...)...)
	perm = append(perm, len(dims))
	perm[1], perm[2] = 2, 1
	return b.reshape(b.transpose(w, perm), append([]int{groups * out, in}, dims[2:]...)...)
}

// weights is the gradient of a convolution's kernel: x is what the convolution took, with batch and channels swapped,
// g the gradient of what it gave. Groups are groups over the batch, or lie within what x has for channels.
func (b *builder) weights(n, x, g *ir.Node, a ir.Convolution) *ir.Node {
	x = b.transpose(x, layout(a.Axes.InputChannels, a.Axes.InputBatch, a.Axes.InputSpatial))
	g = b.transpose(g, layout(a.Axes.KernelInputChannels, a.Axes.KernelOutputChannels, a.Axes.KernelSpatial))
	groups := a.BatchGroups
	if a.ChannelGroups > 1 {
		// [groups*batch, in/groups, size...] becomes [batch, in, size...].
		groups = a.ChannelGroups
		dims := x.Shape.Dimensions
		x = b.reshape(x, append([]int{groups, dims[0] / groups}, dims[1:]...)...)
		perm := identity(len(x.Shape.Dimensions))
		perm[0], perm[1] = 1, 0
		x = b.reshape(b.transpose(x, perm), append([]int{dims[0] / groups, groups * dims[1]}, dims[2:]...)...)
	}
	x, before := unpadded(x, starts(a.Pads))
	taps := pick(n, a.Axes.OutputSpatial)
	c := kernel.Convolution{
		Pass: kernel.Weights, Batch: x.Shape.Dimensions[0], In: x.Shape.Dimensions[1], Out: g.Shape.Dimensions[1], Groups: groups,
		Size: three(x.Shape.Dimensions[2:], 1), To: three(g.Shape.Dimensions[2:], 1), Kernel: three(taps, 1),
		Stride: three(a.KernelDilations, 1), Dilation: three(a.Strides, 1), Before: three(before, 0),
	}
	w := b.kernel(c, append([]int{c.Out, c.In / groups}, taps...), x, g)
	return b.transpose(w, inverse(layout(a.Axes.OutputChannels, a.Axes.OutputBatch, a.Axes.OutputSpatial)))
}

// unpadded takes zeros that were put around the spatial axes of x for padding of the convolution.
func unpadded(x *ir.Node, before []int) (*ir.Node, []int) {
	if !is(x, compute.OpTypePad) {
		return x, before
	}
	pads := x.Attrs.([]compute.PadAxis)
	if v, ok := scalar(x.Inputs[1]); !ok || v != 0 || pads[0] != (compute.PadAxis{}) || pads[1] != (compute.PadAxis{}) {
		return x, before
	}
	before = slices.Clone(before)
	for i, p := range pads[2:] {
		if p.Interior != 0 {
			return x, before
		}
		before[i] += p.Start
	}
	return x.Inputs[0], before
}

// layout lists axes with batch and channels first.
func layout(first, second int, spatial []int) []int { return append([]int{first, second}, spatial...) }

func pick(n *ir.Node, axes []int) []int {
	sizes := make([]int, len(axes))
	for i, a := range axes {
		sizes[i] = n.Shape.Dimensions[a]
	}
	return sizes
}

// three puts absent axes in front of list.
func three(list []int, absent int) [3]int {
	out := [3]int{absent, absent, absent}
	copy(out[3-len(list):], list)
	return out
}

func starts(pads [][2]int) []int {
	out := make([]int, len(pads))
	for i, p := range pads {
		out[i] = p[0]
	}
	return out
}

func identity(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// inverse returns the permutation that undoes perm.
func inverse(perm []int) []int {
	back := make([]int, len(perm))
	for i, p := range perm {
		back[p] = i
	}
	return back
}

func ones(list []int) bool { return !slices.ContainsFunc(list, func(v int) bool { return v != 1 }) }

func volume(dims []int) int {
	v := 1
	for _, d := range dims {
		v *= d
	}
	return v
}
