package rewrite

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// drawn is a graph under construction.
type drawn struct{ ir.Graph }

func (g *drawn) add(op compute.OpType, attrs any, dims []int, inputs ...*ir.Node) *ir.Node {
	n := &ir.Node{ID: len(g.Nodes), Op: ir.Op(op), Attrs: attrs, Inputs: inputs, Shape: shapes.Make(dtypes.Float32, dims...)}
	g.Nodes = append(g.Nodes, n)
	if op == compute.OpTypeParameter {
		g.Params, g.Names = append(g.Params, n), append(g.Names, "")
	}
	return n
}

// layoutOf is the layout of images and kernels with batch and channels in front.
func layoutOf(d int) compute.ConvolveAxesConfig {
	spatial := identity(d + 2)[2:]
	return compute.ConvolveAxesConfig{
		InputChannels: 1, InputSpatial: spatial, KernelInputChannels: 1, KernelSpatial: spatial, OutputChannels: 1, OutputSpatial: spatial,
	}
}

func convolutionOf(pad, d int) ir.Convolution {
	one, pads := make([]int, d), make([][2]int, d)
	for i := range d {
		one[i], pads[i] = 1, [2]int{pad, pad}
	}
	return ir.Convolution{Axes: layoutOf(d), Strides: one, InputDilations: one, KernelDilations: one, Pads: pads, ChannelGroups: 1, BatchGroups: 1}
}

// kernels lists the operations of a rewritten graph.
func kernels(g *ir.Graph) []kernel.Operation {
	var all []kernel.Operation
	for _, n := range g.Nodes {
		if k, ok := n.Attrs.(ir.KernelAttrs); ok {
			all = append(all, k.Do)
		}
	}
	return all
}

// TestInputGradient wants the convolution with a reversed kernel to become the gradient of an input, with no copy of the
// kernel made.
func TestInputGradient(t *testing.T) {
	g := &drawn{}
	dy := g.add(compute.OpTypeParameter, nil, []int{1, 6, 8, 8})
	w := g.add(compute.OpTypeParameter, nil, []int{6, 4, 3, 3})
	turned := g.add(compute.OpTypeReverse, []int{2, 3}, []int{6, 4, 3, 3}, w)
	a := convolutionOf(1, 2)
	a.Axes.KernelInputChannels, a.Axes.KernelOutputChannels = 0, 1
	g.Outputs = []*ir.Node{g.add(compute.OpTypeConvGeneral, a, []int{1, 4, 8, 8}, dy, turned)}
	all := kernels(Rewrite(&g.Graph))
	if len(all) != 1 {
		t.Fatalf("want one kernel, got %d: %+v", len(all), all)
	}
	if c, ok := all[0].(kernel.Convolution); !ok || c.Pass != kernel.Input || c.In != 4 || c.Out != 6 {
		t.Errorf("want the gradient of an input with 4 channels, got %+v", all[0])
	}
}

// TestWeightGradient wants the convolution whose kernel is an image to become the gradient of a kernel.
func TestWeightGradient(t *testing.T) {
	g := &drawn{}
	x := g.add(compute.OpTypeParameter, nil, []int{2, 4, 8, 8})
	dy := g.add(compute.OpTypeParameter, nil, []int{2, 6, 8, 8})
	a := convolutionOf(1, 2)
	a.Axes.InputBatch, a.Axes.InputChannels = 1, 0
	a.Axes.KernelInputChannels, a.Axes.KernelOutputChannels = 0, 1
	a.Axes.OutputBatch, a.Axes.OutputChannels = 1, 0
	g.Outputs = []*ir.Node{g.add(compute.OpTypeConvGeneral, a, []int{6, 4, 3, 3}, x, dy)}
	all := kernels(Rewrite(&g.Graph))
	if len(all) != 1 {
		t.Fatalf("want one kernel, got %d: %+v", len(all), all)
	}
	if c, ok := all[0].(kernel.Convolution); !ok || c.Pass != kernel.Weights || c.Batch != 2 || c.In != 4 || c.Out != 6 || c.Kernel != [3]int{1, 3, 3} {
		t.Errorf("want the gradient of a kernel [6, 4, 3, 3], got %+v", all[0])
	}
}

// TestAbsorb wants bias and ReLU within the convolution, and neither where the value between is read by others too.
func TestAbsorb(t *testing.T) {
	for _, read := range []bool{false, true} {
		g := &drawn{}
		x := g.add(compute.OpTypeParameter, nil, []int{1, 4, 8, 8})
		w := g.add(compute.OpTypeParameter, nil, []int{6, 4, 3, 3})
		bias := g.add(compute.OpTypeParameter, nil, []int{6})
		y := g.add(compute.OpTypeConvGeneral, convolutionOf(1, 2), []int{1, 6, 8, 8}, x, w)
		y = g.add(compute.OpTypeAdd, nil, y.Shape.Dimensions, y, g.add(compute.OpTypeBroadcastInDim, []int{1}, y.Shape.Dimensions, bias))
		zero := g.add(compute.OpTypeConstant, []float32{0}, nil)
		z := g.add(compute.OpTypeMax, nil, y.Shape.Dimensions, y, zero)
		g.Outputs = []*ir.Node{z}
		if read {
			g.Outputs = append(g.Outputs, y)
		}
		all := kernels(Rewrite(&g.Graph))
		c, ok := all[0].(kernel.Convolution)
		if !ok || !c.Bias || c.Relu == read || len(all) == 1 == read {
			t.Errorf("y read: %v: got %d kernels, the first %+v", read, len(all), all[0])
		}
	}
}

// TestOnePass wants a normalization's gradient, sums included, in as few passes as its data dependencies allow.
func TestOnePass(t *testing.T) {
	g := &drawn{}
	dims := []int{2, 3, 400}
	x := g.add(compute.OpTypeParameter, nil, dims)
	dy := g.add(compute.OpTypeParameter, nil, dims)
	zero := g.add(compute.OpTypeBroadcastInDim, []int{}, dims, g.add(compute.OpTypeConstant, []float32{0}, nil))
	mask := g.add(compute.OpTypeGreaterThan, nil, dims, x, zero)
	mask.Shape.DType = dtypes.Bool
	dz := g.add(compute.OpTypeWhere, nil, dims, mask, dy, zero)
	sum := g.add(compute.OpTypeReduceSum, []int{0, 2}, []int{3}, dz)
	dot := g.add(compute.OpTypeReduceSum, []int{0, 2}, []int{3}, g.add(compute.OpTypeMul, nil, dims, dz, x))
	g.Outputs = []*ir.Node{dz, sum, dot}
	all := kernels(Rewrite(&g.Graph))
	if len(all) != 1 {
		t.Fatalf("want one pass, got %d", len(all))
	}
	if m, ok := all[0].(*kernel.Map); !ok || len(m.Outs) != 3 || len(m.Loads) != 2 {
		t.Errorf("want a Map of 2 inputs and 3 outputs, got %+v", all[0])
	}
}
