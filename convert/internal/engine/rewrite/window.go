package rewrite

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// window turns a ReduceWindow over the last axes, or the gradient of a maximum, into a kernel: maxima into a Pooling,
// sums into a convolution of every plane by itself with ones.
func (b *builder) window(n *ir.Node, in []*ir.Node, a ir.Window) *ir.Node {
	x := in[0]
	rank := len(a.Window)
	first := 0 // the first axis that a window goes along
	for first < rank && a.Window[first] == 1 && a.Strides[first] == 1 && a.Pads[first] == [2]int{} && dilation(a.InputDilations, first) == 1 {
		first++
	}
	d := rank - first
	if d < 1 || d > 3 || len(a.InputDilations) > 0 && !ones(a.InputDilations[first:]) && !is(n, compute.OpTypeReduceWindow) {
		return nil
	}
	planes := volume(x.Shape.Dimensions[:first])
	size := x.Shape.Dimensions[first:]
	before := three(starts(a.Pads[first:]), 0)
	p := kernel.Pooling{
		Planes: planes, Size: three(size, 1), Window: three(a.Window[first:], 1), Stride: three(a.Strides[first:], 1),
		Dilation: [3]int{1, 1, 1}, Before: before,
	}
	if len(a.WindowDilations) > 0 {
		p.Dilation = three(a.WindowDilations[first:], 1)
	}
	stuffed := len(a.InputDilations) > 0 && !ones(a.InputDilations)
	switch {
	case is(n, compute.OpTypeSelectAndScatterMax):
		p.Gradient, p.To = true, three(in[1].Shape.Dimensions[first:], 1)
		return b.kernel(p, n.Shape.Dimensions, x, in[1])
	case !is(n, compute.OpTypeReduceWindow):
		return nil
	case a.Reduction == compute.ReduceOpMax && !stuffed:
		p.To = three(n.Shape.Dimensions[first:], 1)
		return b.kernel(p, n.Shape.Dimensions, x)
	case a.Reduction == compute.ReduceOpSum && (!stuffed || ones(a.Strides)):
		return b.windowSum(n, x, a, p, first)
	}
	return nil
}

func dilation(list []int, axis int) int {
	if len(list) == 0 {
		return 1
	}
	return list[axis]
}

// windowSum is a convolution of each plane with ones; zeros between the elements of x make it the gradient of one.
func (b *builder) windowSum(n, x *ir.Node, a ir.Window, p kernel.Pooling, first int) *ir.Node {
	taps := volume(a.Window)
	one := make([]float32, p.Planes*taps)
	for i := range one {
		one[i] = 1
	}
	dims := append([]int{p.Planes, 1}, p.Window[:]...)
	w := b.add(ir.Op(compute.OpTypeConstant), shapes.Make(n.Shape.DType, dims...), one)
	to := three(n.Shape.Dimensions[first:], 1)
	c := kernel.Convolution{
		Pass: kernel.Forward, Batch: 1, In: p.Planes, Out: p.Planes, Groups: p.Planes,
		Size: p.Size, To: to, Kernel: p.Window, Stride: p.Stride, Dilation: p.Dilation, Before: p.Before,
	}
	if len(a.InputDilations) > 0 && !ones(a.InputDilations) {
		c.Pass, c.Size, c.To = kernel.Input, to, p.Size
		c.Stride = three(a.InputDilations[first:], 1)
		for i := range c.Before {
			c.Before[i] = (c.Kernel[i]-1)*c.Dilation[i] - p.Before[i]
		}
	}
	x = b.reshape(x, append([]int{1, p.Planes}, p.Size[:]...)...)
	y := b.kernel(c, append([]int{1, p.Planes}, to[:]...), x, w)
	return b.reshape(y, slices.Clone(n.Shape.Dimensions)...)
}
