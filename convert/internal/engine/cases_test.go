package engine

import (
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors/images"
)

// allCases lists the graphs that the decorator is there for, in two and three dimensions.
func allCases() []testCase {
	var all []testCase
	for _, d := range []int{2, 3} {
		for _, group := range [][]testCase{padCases(d), convCases(d), poolCases(d)} {
			for _, c := range group {
				c.name = fmt.Sprintf("%s/%dd", c.name, d)
				all = append(all, c)
			}
		}
	}
	return append(all, unaryCases()...)
}

// nc returns a shape: batch, channels and d spatial axes.
func nc(n, c, d, size int) []int {
	shape := []int{n, c}
	for i := range d {
		shape = append(shape, size+i)
	}
	return shape
}

// kernel returns [o, i, k, k..].
func kernelShape(o, i, d, k int) []int {
	shape := []int{o, i}
	for range d {
		shape = append(shape, k)
	}
	return shape
}

// per repeats v for each of d axes.
func per[T any](d int, v T) []T {
	list := make([]T, d)
	for i := range list {
		list[i] = v
	}
	return list
}

// channelsFirst is ONNX's layout.
func channelsFirst(d int) compute.ConvolveAxesConfig {
	var space []int
	for i := range d {
		space = append(space, 2+i)
	}
	return compute.ConvolveAxesConfig{
		InputChannels: 1, InputSpatial: space, KernelInputChannels: 1, KernelSpatial: space, OutputChannels: 1, OutputSpatial: space,
	}
}

func padCases(d int) []testCase {
	pad := func(a compute.PadAxis) func(x []*Node) *Node {
		return func(x []*Node) *Node {
			axes := append(make([]compute.PadAxis, 2), per(d, a)...)
			return Pad(x[0], Scalar(x[0].Graph(), x[0].DType(), 0.25), axes...)
		}
	}
	cut := func(x *Node, ends ...int) *Node {
		return Slice(x, append([]SliceAxisSpec{AxisRange(), AxisRange()}, per(d, AxisRange(ends...))...)...)
	}
	in := [][]int{nc(2, 3, d, 4)}
	return []testCase{
		{name: "pad interior", inputs: in, fn: pad(compute.PadAxis{Start: 1, End: 2, Interior: 2}), forward: true},
		{name: "pad interior crop", inputs: in, forward: true, fn: pad(compute.PadAxis{Start: -1, End: -2, Interior: 1}), same: func(x []*Node) *Node {
			return cut(pad(compute.PadAxis{Interior: 1})(x), 1, -2)
		}},
		{name: "pad crop", inputs: in, forward: true, bareGood: true, fn: pad(compute.PadAxis{Start: -1, End: 1}), same: func(x []*Node) *Node {
			return cut(pad(compute.PadAxis{End: 1})(x), 1)
		}},
		{name: "slice strided", inputs: in, fn: func(x []*Node) *Node {
			return Slice(x[0], append([]SliceAxisSpec{AxisRange(), AxisRange(1)}, per(d, AxisRange(1).Stride(2))...)...)
		}},
	}
}

func convCases(d int) []testCase {
	conv := func(stride, dilation, inputDilation, groups int, pads [2]int) func(x []*Node) *Node {
		return func(x []*Node) *Node {
			var inputs []int
			if inputDilation > 1 {
				inputs = per(d, inputDilation)
			}
			return ConvGeneral(x[0], x[1], channelsFirst(d), per(d, stride), per(d, pads), inputs, per(d, dilation), groups, 1)
		}
	}
	x := nc(2, 4, d, 7)
	return []testCase{
		{name: "conv k3", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(1, 1, 1, 1, [2]int{1, 1}), bareGood: true},
		{name: "conv k3 asymmetric pads", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(1, 1, 1, 1, [2]int{0, 2}), bareGood: true},
		{name: "conv k3 dilated", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(1, 2, 1, 1, [2]int{2, 2}), bareGood: true},
		{name: "conv k1", inputs: [][]int{x, kernelShape(3, 4, d, 1)}, fn: conv(1, 1, 1, 1, [2]int{}), bareGood: true},
		{name: "conv k5", inputs: [][]int{x, kernelShape(5, 4, d, 5)}, fn: conv(1, 1, 1, 1, [2]int{2, 2}), bareGood: true},
		{name: "conv groups", inputs: [][]int{x, kernelShape(6, 2, d, 3)}, fn: conv(1, 1, 1, 2, [2]int{1, 1}), bareGood: true},
		{name: "conv k1 stride 2", inputs: [][]int{x, kernelShape(6, 4, d, 1)}, fn: conv(2, 1, 1, 1, [2]int{})},
		{name: "conv k3 stride 2", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(2, 1, 1, 1, [2]int{1, 1})},
		{name: "conv k3 stride 2 depthwise", inputs: [][]int{x, kernelShape(4, 1, d, 3)}, fn: conv(2, 1, 1, 4, [2]int{1, 1})},
		{name: "conv k7 stride 2", inputs: [][]int{nc(1, 2, d, 9), kernelShape(3, 2, d, 7)}, fn: conv(2, 1, 1, 1, [2]int{3, 3})},
		{name: "conv input dilation", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(1, 1, 2, 1, [2]int{1, 2}), forward: true},
		{name: "conv negative pads", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(1, 1, 1, 1, [2]int{-2, -1}), forward: true, crashes: true},
		{name: "conv negative pads stride 2", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(2, 1, 1, 1, [2]int{-1, 2}), forward: true, crashes: true},
		{name: "conv negative pads dilated", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, fn: conv(1, 2, 1, 1, [2]int{-2, 2}), forward: true, crashes: true},
		{name: "conv batch groups", inputs: [][]int{x, kernelShape(6, 4, d, 3)}, forward: true, fn: func(x []*Node) *Node {
			return ConvGeneral(x[0], x[1], channelsFirst(d), nil, nil, nil, nil, 1, 2)
		}},
	}
}

func poolCases(d int) []testCase {
	in := [][]int{nc(2, 3, d, 8)}
	pool := func(make func(*Node) *PoolBuilder, k, s int, pads [2]int) func(x []*Node) *Node {
		return func(x []*Node) *Node {
			return make(x[0]).ChannelsAxis(images.ChannelsFirst).Window(k).Strides(s).PaddingPerDim(per(d, pads)).Done()
		}
	}
	window := func(op compute.ReduceOpType, dims, strides, inputDilations, dilations []int) func(x []*Node) *Node {
		return func(x []*Node) *Node {
			return BackendReduceWindow(x[0], op, dims, strides, inputDilations, dilations, nil)
		}
	}
	box := append([]int{1, 1}, per(d, 2)...)
	one := per(d+2, 1)
	ties := func(i int) float64 { return float64(i % 3) }
	return []testCase{
		{name: "max pool k2s2", inputs: in, fn: pool(MaxPool, 2, 2, [2]int{}), bareGood: true},
		{name: "max pool k3s2p1", inputs: in, fn: pool(MaxPool, 3, 2, [2]int{1, 1})},
		{name: "max pool k3s1p1", inputs: in, fn: pool(MaxPool, 3, 1, [2]int{1, 1})},
		{name: "max pool k3s2 asymmetric", inputs: in, fn: pool(MaxPool, 3, 2, [2]int{0, 1})},
		{name: "max pool ties", inputs: in, values: ties, fn: pool(MaxPool, 3, 2, [2]int{1, 1}), forward: true, bareGood: true},
		{name: "min pool k2s2", inputs: in, fn: pool(MinPool, 2, 2, [2]int{}), forward: true},
		{name: "min pool k3s2p1", inputs: in, fn: pool(MinPool, 3, 2, [2]int{1, 1}), forward: true},
		{name: "mean pool k2s2", inputs: in, fn: pool(MeanPool, 2, 2, [2]int{})},
		{name: "mean pool k3s2p1", inputs: in, fn: pool(MeanPool, 3, 2, [2]int{1, 1})},
		{name: "sum pool k3s1p1", inputs: in, fn: pool(SumPool, 3, 1, [2]int{1, 1}), bareGood: true},
		{name: "sum window dilated", inputs: in, fn: window(compute.ReduceOpSum, box, one, nil, append([]int{1, 1}, per(d, 3)...)), forward: true},
		{name: "max window dilated", inputs: in, fn: window(compute.ReduceOpMax, box, one, nil, append([]int{1, 1}, per(d, 3)...)), forward: true, bareGood: true},
		{name: "sum input dilated", inputs: in, fn: window(compute.ReduceOpSum, box, one, append([]int{1, 1}, per(d, 2)...), nil), forward: true},
		{name: "max over batch", inputs: in, fn: window(compute.ReduceOpMax, append([]int{2, 1}, per(d, 1)...), one, nil, nil), forward: true},
		{name: "product", inputs: in, fn: window(compute.ReduceOpProduct, box, box, nil, nil), forward: true},
	}
}

func unaryCases() []testCase {
	special := func(i int) float64 {
		return []float64{0, 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), 1e-30, math.MaxFloat32}[i]
	}
	positive := func(i int) float64 { return 0.25 + float64(i) }
	in := [][]int{{8}}
	number := func(op func(*Node) *Node) func(x []*Node) *Node {
		return func(x []*Node) *Node { return ConvertDType(op(x[0]), dtypes.Float32) }
	}
	return []testCase{
		{name: "is finite", inputs: in, values: special, fn: number(IsFinite), forward: true},
		{name: "is nan", inputs: in, values: special, fn: number(IsNaN), forward: true},
		{name: "expm1", inputs: in, fn: number(Expm1), forward: true},
		{name: "rsqrt", inputs: in, values: positive, fn: number(Rsqrt), forward: true},
		{name: "clamp", inputs: in, forward: true, fn: func(x []*Node) *Node {
			g := x[0].Graph()
			return Clip(x[0], Scalar(g, x[0].DType(), -0.5), Scalar(g, x[0].DType(), 0.25))
		}},
		{name: "softplus", inputs: in, fn: func(x []*Node) *Node { return LogAddExp(x[0], ZerosLike(x[0])) }},
	}
}
