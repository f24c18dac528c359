package convert

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// convolution is the geometry of Conv: x [N, C, in...] with w [O, C/groups, kernel...] gives y [N, O, out...].
// Its three maps (forward and the two gradients) are adjoint to each other; ConvTranspose is the second of
// them. They are written as ConvGeneral calls in the form that GoMLX's own gradients have, so that an engine
// can recognise them; but the paddings are ours, right for even kernels and pads beyond the kernel as well.
type convolution struct {
	window
	groups int
	in     []int        // spatial sizes of x
	half   dtypes.DType // of the operands, see narrowed
}

// axesOf returns ONNX's layout of images and kernels.
func axesOf(d int) graph.ConvolveAxesConfig {
	spatial := func() []int {
		s := make([]int, d)
		for i := range s {
			s[i] = i + 2
		}
		return s
	}
	return graph.ConvolveAxesConfig{
		InputBatch: 0, InputChannels: 1, InputSpatial: spatial(),
		KernelOutputChannels: 0, KernelInputChannels: 1, KernelSpatial: spatial(),
		OutputBatch: 0, OutputChannels: 1, OutputSpatial: spatial(),
	}
}

// forward returns y of x and w.
func (v *convolution) forward(x, w *graph.Node) *graph.Node {
	pads := slices.Clone(v.pads)
	explicit := make([][2]int, len(pads))
	for i := range pads {
		// Engines limit the padding of a convolution; what is negative or beyond the kernel is done first.
		for side, p := range pads[i] {
			if p < 0 || p > v.extent(i)-1 {
				explicit[i][side], pads[i][side] = p, 0
			}
		}
	}
	x = padSpatial(x, explicit)
	return narrowed(v.half, x, w, func(x, w *graph.Node) *graph.Node {
		return graph.ConvGeneral(x, w, axesOf(len(pads)), v.stride, pads, nil, v.dilation, v.groups, 1)
	})
}

// inputGradient returns the gradient with respect to x, given that with respect to y. It is also the
// transposed convolution. In each axis the kernel is reversed and slides over y with stride-1 zeros put in
// between; the begin pads follow from the first tap, the end pads from the size of x.
func (v *convolution) inputGradient(ct, w *graph.Node) *graph.Node {
	d := len(v.in)
	pads := make([][2]int, d)
	crop := make([][2]int, d)
	for i, n := range v.in {
		stuffed := (ct.Shape().Dimensions[i+2]-1)*v.stride[i] + 1
		e := v.extent(i)
		pads[i] = [2]int{e - 1 - v.pads[i][0], n + v.pads[i][0] - stuffed}
		for side, p := range pads[i] {
			if p < 0 || p > e-1 {
				// The surplus of zeros, or the crop, is applied to the result: shift, then pad or cut it.
				keep := min(max(p, 0), e-1)
				crop[i][side], pads[i][side] = p-keep, keep
			}
		}
	}
	axes := axesOf(d)
	w = graph.Reverse(w, axes.KernelSpatial...)
	if v.groups == 1 {
		axes.KernelInputChannels, axes.KernelOutputChannels = 0, 1
	} else {
		w = swapGroups(w, v.groups)
	}
	stride := v.stride
	if allOnes(stride) {
		stride = nil
	}
	y := narrowed(v.half, ct, w, func(ct, w *graph.Node) *graph.Node {
		return graph.ConvGeneral(ct, w, axes, nil, pads, stride, v.dilation, v.groups, 1)
	})
	return padSpatial(y, crop)
}

// swapGroups turns a kernel [O, I/g, k...] into [I, O/g, k...].
func swapGroups(w *graph.Node, groups int) *graph.Node {
	s := dims(w)
	split := append([]int{groups, s[0] / groups, s[1]}, s[2:]...)
	w = reshape(w, split...)
	perm := []int{0, 2, 1}
	for i := 3; i < len(split); i++ {
		perm = append(perm, i)
	}
	w = permute(w, perm...)
	return reshape(w, append([]int{groups * s[1], s[0] / groups}, s[2:]...)...)
}

// allOnes says whether every number is 1.
func allOnes(list []int) bool {
	return !slices.ContainsFunc(list, func(v int) bool { return v != 1 })
}

// kernelGradient returns the gradient with respect to w: a convolution of x with ct as its kernel, batch and
// channels swapped. Groups stay one convolution: the group becomes part of the channels that are summed.
func (v *convolution) kernelGradient(x, ct *graph.Node) *graph.Node {
	d := len(v.in)
	axes := axesOf(d)
	axes.InputBatch, axes.InputChannels = 1, 0
	axes.KernelInputChannels, axes.KernelOutputChannels = 0, 1
	axes.OutputBatch, axes.OutputChannels = 1, 0
	groups := v.groups
	if groups > 1 {
		s := dims(x)
		x = reshape(x, append([]int{s[0], groups, s[1] / groups}, s[2:]...)...)
		perm := []int{1, 0, 2}
		for i := range d {
			perm = append(perm, i+3)
		}
		x = reshape(permute(x, perm...), append([]int{groups * s[0], s[1] / groups}, s[2:]...)...)
	}
	// Exactly the positions of the kernel's taps are wanted: pad or crop the end until they are.
	pads := make([][2]int, d)
	explicit := make([][2]int, d)
	for i, n := range v.in {
		cover := (ct.Shape().Dimensions[i+2]-1)*v.stride[i] + 1
		pads[i] = [2]int{v.pads[i][0], v.extent(i) + cover - 1 - n - v.pads[i][0]}
		for side, p := range pads[i] {
			if p < 0 || p > cover-1 {
				explicit[i][side], pads[i][side] = p, 0
			}
		}
	}
	x = padSpatial(x, explicit)
	return narrowed(v.half, x, ct, func(x, ct *graph.Node) *graph.Node {
		return graph.ConvGeneral(x, ct, axes, v.dilation, pads, nil, v.stride, groups, 1)
	})
}

// apply is the convolution with its gradients.
func (v *convolution) apply(x, w *graph.Node) *graph.Node {
	return custom([]*graph.Node{x, w},
		func() *graph.Node { return v.forward(x, w) },
		func(ct *graph.Node) *graph.Node { return v.inputGradient(ct, w) },
		func(ct *graph.Node) *graph.Node { return v.kernelGradient(x, ct) })
}

// transpose is the transposed convolution of x with w [C, O/groups, kernel...], with its gradients: the
// result has the spatial sizes v.in.
func (v *convolution) transpose(x, w *graph.Node) *graph.Node {
	return custom([]*graph.Node{x, w},
		func() *graph.Node { return v.inputGradient(x, w) },
		func(ct *graph.Node) *graph.Node { return v.forward(ct, w) },
		func(ct *graph.Node) *graph.Node { return v.kernelGradient(ct, x) })
}

// opConv is Conv: https://onnx.ai/onnx/operators/onnx__Conv.html.
func opConv(c *call) []*value {
	x, w := c.x(0), c.x(1)
	in := dims(x)
	if len(in) < 3 || w.Rank() != len(in) {
		refuse("want an input with batch, channels and at least one spatial axis and a kernel of as many axes, got %v and %v", in, dims(w))
	}
	groups := c.intAttr("group", 1)
	k := dims(w)
	if groups < 1 || in[1] != k[1]*groups || k[0]%groups != 0 {
		fail("a kernel of shape %v in %d groups does not fit %d channels", k, groups, in[1])
	}
	v := &convolution{window: *c.window(k[2:], in[2:]), groups: groups, in: in[2:], half: c.half}
	v.mustFit(v.in)
	y := v.apply(x, w)
	if base := c.arg(0).base; base != nil && product(v.kernel) == 1 && v.unpadded() {
		// A shift of whole channels stays one, in front of a convolution of single points.
		return c.outShifted(c.addBias(y, 2), v.apply(base, w))
	}
	return c.outShifted(c.addBias(y, 2), y)
}

// unpadded says whether no padding is added.
func (w *window) unpadded() bool {
	return !slices.ContainsFunc(w.pads, func(p [2]int) bool { return p != [2]int{} })
}

// addBias adds input i, one number a channel, if it is there.
func (c *call) addBias(y *graph.Node, i int) *graph.Node {
	if b := c.opt(i); b != nil {
		y = graph.Add(y, perChannel(b, y.Rank()))
	}
	return y
}

// opConvTranspose is ConvTranspose: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html.
func opConvTranspose(c *call) []*value {
	x, w := c.x(0), c.x(1)
	in, k := dims(x), dims(w)
	if len(in) < 3 || len(k) != len(in) {
		refuse("want an input with batch, channels and at least one spatial axis and a kernel of as many axes, got %v and %v", in, k)
	}
	groups := c.intAttr("group", 1)
	if groups < 1 || k[0] != in[1] || in[1]%groups != 0 {
		fail("a kernel of shape %v in %d groups does not fit %d channels", k, groups, in[1])
	}
	v := c.transposed(k[2:], in[2:])
	v.groups = groups
	var y *graph.Node
	if v.subPixel(groups) {
		y = subPixel(x, w, v.stride, c.half)
	} else {
		y = v.transpose(x, w)
	}
	return c.outShifted(c.addBias(y, 2), y)
}

// transposed reads the geometry of a ConvTranspose as that of the convolution which it is the transpose of.
func (c *call) transposed(kernel, in []int) *convolution {
	d := len(in)
	v := &convolution{window: window{kernel: kernel, stride: c.perAxis("strides", d), dilation: c.perAxis("dilations", d)}, half: c.half}
	extra := c.intsAttr("output_padding")
	if len(extra) == 0 {
		extra = make([]int, d)
	}
	sizes := c.intsAttr("output_shape")
	if len(sizes) == d+2 {
		sizes = sizes[2:]
	}
	mode := c.stringAttr("auto_pad", "NOTSET")
	if len(extra) != d || len(sizes) != 0 && len(sizes) != d {
		fail("output_padding or output_shape does not have %d numbers", d)
	}
	v.pads = make([][2]int, d)
	if mode == "NOTSET" || mode == "" {
		v.pads = c.padsAttr(d)
	}
	v.in = make([]int, d)
	for i, n := range in {
		full := (n-1)*v.stride[i] + v.extent(i) + extra[i]
		switch {
		case len(sizes) > 0:
			// What is wanted beyond the full size stays zero, at the end. The odd element of what is cut off
			// is in front unless SAME_UPPER.
			v.in[i] = sizes[i]
			share := "SAME_LOWER"
			if mode == "SAME_UPPER" {
				share = mode
			}
			v.pads[i] = split(max(0, full-sizes[i]), share)
		case mode == "SAME_UPPER" || mode == "SAME_LOWER":
			v.in[i] = n * v.stride[i]
			v.pads[i] = split(full-v.in[i], mode)
		default:
			v.in[i] = full - v.pads[i][0] - v.pads[i][1]
		}
		if v.in[i] < 1 {
			fail("the result has no element along axis %d", i)
		}
	}
	return v
}

// subPixel says whether each input position fills a block of its own.
func (v *convolution) subPixel(groups int) bool {
	for i, k := range v.kernel {
		if k != v.stride[i] || v.pads[i] != [2]int{} || v.dilation[i] != 1 {
			return false
		}
	}
	return groups == 1 && !allOnes(v.stride)
}

// subPixel is the transposed convolution whose kernel is as large as its stride: a 1x1 convolution to
// channels times block, then the blocks are put in place.
func subPixel(x, w *graph.Node, block []int, half dtypes.DType) *graph.Node {
	d := len(block)
	k := dims(w) // [C, O, block...]
	perm := append(without(d+2, 0), 0)
	w = permute(w, perm...) // [O, block..., C]
	ones := make([]int, d)
	for i := range ones {
		ones[i] = 1
	}
	w = reshape(w, append([]int{k[1] * product(block), k[0]}, ones...)...)
	in := dims(x)
	v := &convolution{window: window{kernel: ones, stride: ones, dilation: ones, pads: make([][2]int, d)}, groups: 1, in: in[2:], half: half}
	y := v.apply(x, w)
	return blocksToSpace(reshape(y, append(append([]int{in[0], k[1]}, block...), in[2:]...)...), d)
}

// blocksToSpace interleaves [N, C, block..., in...] to [N, C, in*block...].
func blocksToSpace(y *graph.Node, d int) *graph.Node {
	s := dims(y)
	perm := []int{0, 1}
	out := []int{s[0], s[1]}
	for i := range d {
		perm = append(perm, 2+d+i, 2+i)
		out = append(out, s[2+i]*s[2+d+i])
	}
	return reshape(permute(y, perm...), out...)
}
