package convert

import (
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// pool reads the geometry of a pooling; ceil_mode becomes more padding at the end. extra says how much of
// each end padding that is.
func (c *call) pool(in []int) (w *window, extra []int) {
	kernel := c.intsAttr("kernel_shape")
	w = c.window(kernel, in)
	extra = make([]int, len(in))
	if c.intAttr("ceil_mode", 0) == 1 && (c.stringAttr("auto_pad", "NOTSET") == "NOTSET" || c.stringAttr("auto_pad", "") == "") {
		for i, n := range in {
			out := ceilDiv(n+w.pads[i][0]+w.pads[i][1]-w.extent(i), w.stride[i]) + 1
			if (out-1)*w.stride[i] >= n+w.pads[i][0] {
				out-- // the last window must start inside the input or its begin padding
			}
			extra[i] = max(0, (out-1)*w.stride[i]+w.extent(i)-n-w.pads[i][0]-w.pads[i][1])
			w.pads[i][1] += extra[i]
		}
	}
	if c.intAttr("ceil_mode", 0) == 1 && c.stringAttr("auto_pad", "") == "VALID" {
		for i, n := range in {
			if (n-w.extent(i))%w.stride[i] != 0 {
				refuse("with auto_pad VALID and ceil_mode the text of ONNX and onnxruntime disagree about the size of the result")
			}
		}
	}
	w.mustFit(in)
	return w, extra
}

// reduceWindow slides a window over the spatial axes. The window is not dilated.
func reduceWindow(x *graph.Node, kind compute.ReduceOpType, w *window) *graph.Node {
	size := append([]int{1, 1}, w.kernel...)
	stride := append([]int{1, 1}, w.stride...)
	pads := append([][2]int{{}, {}}, w.pads...)
	return graph.BackendReduceWindow(x, kind, size, stride, nil, nil, pads)
}

// opMaxPool is MaxPool; padding never wins. The gradient of a window goes to its first maximum in row-major
// order, as in PyTorch: the innermost axis is reduced first, and of two equal values the earlier wins.
func opMaxPool(c *call) []*value {
	x := c.x(0)
	w, _ := c.pool(dims(x)[2:])
	y := maxPool(x, w)
	out := c.out(y)
	if len(c.n.Outputs) > 1 && c.n.Outputs[1] != "" {
		out = append(out, c.wrap(onnx.Int64, maxPositions(x, y, w, c.intAttr("storage_order", 0) == 1)))
	}
	return out
}

// maxPool computes with one native operation, gradient included, where the window is not dilated.
func maxPool(x *graph.Node, w *window) *graph.Node {
	native := allOnes(w.dilation)
	for i := range w.kernel {
		native = native && w.pads[i][0] >= 0 && w.pads[i][1] >= 0 && w.pads[i][0] < w.kernel[i] && w.pads[i][1] < w.kernel[i]
	}
	if native {
		return reduceWindow(x, compute.ReduceOpMax, w)
	}
	return separablePool(x, w)
}

// separablePool is a max pool made of maxima of shifted slices, axis by axis, the last axis first.
func separablePool(x *graph.Node, w *window) *graph.Node {
	w.unrollable()
	for i, v := range slices.Backward(w.kernel) {
		a := i + 2
		n := x.Shape().Dimensions[a]
		out := w.out(i, n)
		amounts := make([][2]int, x.Rank())
		need := (out-1)*w.stride[i] + w.extent(i)
		amounts[a] = [2]int{w.pads[i][0], need - n - w.pads[i][0]}
		px := pad(x, lowest(x), amounts)
		var best *graph.Node
		for k := range v {
			from := k * w.dilation[i]
			part := cut(px, a, from, from+(out-1)*w.stride[i]+1, w.stride[i])
			if best == nil {
				best = part
			} else {
				best = larger(best, part)
			}
		}
		x = best
	}
	return x
}

// unrollable refuses windows whose taps are too many to become nodes of the graph.
func (w *window) unrollable() {
	for _, k := range w.kernel {
		if k > maxTurns {
			refuse("a window of %d is not unrolled (up to %d are)", k, maxTurns)
		}
	}
}

// lowest is a number below all activations that stays finite.
func lowest(x *graph.Node) float64 {
	if x.DType().IsFloat() {
		return -math.MaxFloat32
	}
	if x.DType().IsUnsigned() {
		return 0
	}
	return math.Inf(-1)
}

// opAveragePool is AveragePool. A window's sum is divided by the number of its elements inside the input or,
// with count_include_pad, inside the input and its declared padding.
func opAveragePool(c *call) []*value {
	x := c.x(0)
	in := dims(x)[2:]
	w, extra := c.pool(in)
	include := c.intAttr("count_include_pad", 0) == 1
	count := make([][]float64, len(in))
	for i, n := range in {
		lo, hi := 0, n
		if include {
			lo, hi = -w.pads[i][0], n+w.pads[i][1]-extra[i]
		}
		count[i] = w.counts(i, n, lo, hi)
	}
	return c.out(scaleOutputs(windowSum(x, w), count))
}

// counts returns how many taps of each window position along axis i lie in [lo, hi).
func (w *window) counts(i, in, lo, hi int) []float64 {
	countable(w.out(i, in))
	out := make([]float64, w.out(i, in))
	for o := range out {
		for k := range w.kernel[i] {
			at := o*w.stride[i] - w.pads[i][0] + k*w.dilation[i]
			if at >= lo && at < hi {
				out[o]++
			}
		}
		out[o] = max(out[o], 1)
	}
	return out
}

// scaleOutputs divides by the product of the counts along each axis.
func scaleOutputs(y *graph.Node, count [][]float64) *graph.Node {
	shape := []int{1, 1}
	constant := true
	for _, v := range count {
		shape = append(shape, len(v))
		for _, n := range v {
			constant = constant && n == v[0]
		}
	}
	h := newHost(onnx.Float32, shape)
	walk(shape, func(flat int, index []int) {
		p := 1.0
		for i, v := range count {
			p *= v[index[i+2]]
		}
		h.floats[flat] = 1 / p
	})
	if constant {
		return graph.MulScalar(y, h.floats[0])
	}
	return graph.Mul(y, constantLike(y, h))
}

// windowSum is the sum over each window. Its gradient spreads each number over the window it came from:
// stride-1 zeros between them, then again a sliding sum, with stride one.
func windowSum(x *graph.Node, w *window) *graph.Node {
	if !allOnes(w.dilation) {
		return dilatedSum(x, w)
	}
	in := dims(x)[2:]
	return custom([]*graph.Node{x},
		func() *graph.Node { return plainSum(x, w) },
		func(ct *graph.Node) *graph.Node {
			grow := make([]compute.PadAxis, x.Rank())
			back := &window{kernel: w.kernel, stride: ones(len(in)), dilation: ones(len(in)), pads: make([][2]int, len(in))}
			amounts := make([][2]int, len(in))
			for i, n := range in {
				grow[i+2].Interior = w.stride[i] - 1
				stuffed := (ct.Shape().Dimensions[i+2]-1)*w.stride[i] + 1
				amounts[i] = [2]int{w.kernel[i] - 1 - w.pads[i][0], n + w.pads[i][0] - stuffed}
			}
			if !allOnes(w.stride) {
				ct = graph.Pad(ct, scalar(ct, 0), grow...)
			}
			back.pads = amounts
			return plainSum(ct, back)
		})
}

// ones lists n ones.
func ones(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// plainSum pads explicitly and sums over windows. onnxruntime melts a Pad into the pool behind it, and then
// refuses pads that are as wide as the window: those are joined on instead.
func plainSum(x *graph.Node, w *window) *graph.Node {
	wide := false
	for i, k := range w.kernel {
		wide = wide || max(w.pads[i][0], w.pads[i][1]) >= k
	}
	if wide {
		x = joinZeros(x, w.pads)
	} else {
		x = padSpatial(x, w.pads)
	}
	bare := &window{kernel: w.kernel, stride: w.stride, dilation: w.dilation, pads: make([][2]int, len(w.kernel))}
	return reduceWindow(x, compute.ReduceOpSum, bare)
}

// joinZeros pads the spatial axes with zeros; negative amounts cut.
func joinZeros(x *graph.Node, amounts [][2]int) *graph.Node {
	cut := make([][2]int, len(amounts))
	for i, a := range amounts {
		cut[i] = [2]int{min(a[0], 0), min(a[1], 0)}
	}
	x = padSpatial(x, cut)
	for i, a := range amounts {
		parts := []*graph.Node{x}
		for end, n := range a {
			if n <= 0 {
				continue
			}
			shape := x.Shape().Clone()
			shape.Dimensions[i+2] = n
			parts = slices.Insert(parts, end*len(parts), graph.Zeros(x.Graph(), shape))
		}
		if len(parts) > 1 {
			x = graph.Concatenate(parts, i+2)
		}
	}
	return x
}

// dilatedSum sums shifted slices, axis by axis.
func dilatedSum(x *graph.Node, w *window) *graph.Node {
	w.unrollable()
	for i := range w.kernel {
		a := i + 2
		n := x.Shape().Dimensions[a]
		out := w.out(i, n)
		amounts := make([][2]int, x.Rank())
		amounts[a] = [2]int{w.pads[i][0], (out-1)*w.stride[i] + w.extent(i) - n - w.pads[i][0]}
		px := pad(x, 0, amounts)
		var sum *graph.Node
		for k := range w.kernel[i] {
			from := k * w.dilation[i]
			part := cut(px, a, from, from+(out-1)*w.stride[i]+1, w.stride[i])
			if sum == nil {
				sum = part
			} else {
				sum = graph.Add(sum, part)
			}
		}
		x = sum
	}
	return x
}

// opLpPool is LpPool: the p-norm of each window.
func opLpPool(c *call) []*value {
	x := c.x(0)
	w, _ := c.pool(dims(x)[2:])
	p := float64(c.intAttr("p", 2))
	return c.out(root(windowSum(power(graph.Abs(x), p), w), p))
}

// power is x^p for x of at least 0.
func power(x *graph.Node, p float64) *graph.Node {
	if y := powConst(x, p); y != nil {
		return y
	}
	return graph.Pow(x, scalar(x, p))
}

// root is the p-th root.
func root(x *graph.Node, p float64) *graph.Node {
	switch p {
	case 1:
		return x
	case 2:
		return graph.Sqrt(x)
	}
	return graph.Pow(x, scalar(x, 1/p))
}

func opGlobalAveragePool(c *call) []*value {
	x := c.x(0)
	return c.out(keep(x, graph.ReduceMean, spatialAxes(x.Rank())))
}

// opGlobalMaxPool is a max pool with one window.
func opGlobalMaxPool(c *call) []*value {
	x := c.x(0)
	size := dims(x)[2:]
	d := len(size)
	return c.out(maxPool(x, &window{kernel: size, stride: size, dilation: ones(d), pads: make([][2]int, d)}))
}

func opGlobalLpPool(c *call) []*value {
	x := c.x(0)
	p := float64(c.intAttr("p", 2))
	return c.out(root(keep(power(graph.Abs(x), p), graph.ReduceSum, spatialAxes(x.Rank())), p))
}
