package rewrite

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// lower simplifies g and recognizes what there are kernels for.
func lower(g *ir.Graph) *ir.Graph {
	b := &builder{seen: map[string]*ir.Node{}}
	now := make(map[*ir.Node]*ir.Node, len(g.Nodes))
	used := reachable(g)
	for _, n := range g.Nodes {
		if !used[n] && !is(n, compute.OpTypeParameter) {
			continue
		}
		inputs := make([]*ir.Node, len(n.Inputs))
		for i, in := range n.Inputs {
			inputs[i] = now[in]
		}
		now[n] = b.rewritten(n, inputs)
	}
	out := &ir.Graph{Names: g.Names}
	for _, n := range g.Params {
		out.Params = append(out.Params, now[n])
	}
	for _, n := range g.Outputs {
		out.Outputs = append(out.Outputs, now[n])
	}
	out.Nodes = b.nodes
	return alive(out)
}

// reachable tells which nodes the outputs depend on.
func reachable(g *ir.Graph) map[*ir.Node]bool {
	used := make(map[*ir.Node]bool, len(g.Nodes))
	stack := slices.Clone(g.Outputs)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if used[n] {
			continue
		}
		used[n] = true
		stack = append(stack, n.Inputs...)
	}
	return used
}

// alive leaves out what no output depends on, parameters excepted, and numbers the nodes.
func alive(g *ir.Graph) *ir.Graph {
	used := reachable(g)
	var nodes []*ir.Node
	for _, n := range g.Nodes {
		if used[n] || is(n, compute.OpTypeParameter) {
			n.ID = len(nodes)
			nodes = append(nodes, n)
		}
	}
	g.Nodes = nodes
	return g
}

// rewritten returns what stands for n, whose inputs are now others.
func (b *builder) rewritten(n *ir.Node, in []*ir.Node) *ir.Node {
	if len(in) > 0 && n.Shapes == nil {
		if r := b.simpler(n, in); r != nil {
			return r
		}
		if r := b.recognized(n, in); r != nil {
			return r
		}
	}
	return b.insert(&ir.Node{Op: n.Op, Inputs: in, Shape: n.Shape, Shapes: n.Shapes, Attrs: n.Attrs})
}

// simpler returns what n is worth without an operation of its own, or nil.
func (b *builder) simpler(n *ir.Node, in []*ir.Node) *ir.Node {
	x := in[0]
	same := x.Shape.Equal(n.Shape)
	switch n.Op.Of() {
	case compute.OpTypeIdentity:
		return x
	case compute.OpTypeReshape:
		return b.reshape(x, n.Shape.Dimensions...)
	case compute.OpTypeTranspose:
		return b.transpose(x, n.Attrs.([]int))
	case compute.OpTypeReverse:
		return b.reverse(x, n.Attrs.([]int))
	case compute.OpTypeBroadcastInDim:
		axes := n.Attrs.([]int)
		if x.Shape.Size() == n.Shape.Size() && slices.IsSorted(axes) {
			return b.reshape(x, n.Shape.Dimensions...)
		}
	case compute.OpTypeConvertDType:
		if same {
			return x
		}
	case compute.OpTypeSlice:
		if same {
			return x
		}
	case compute.OpTypePad:
		if !slices.ContainsFunc(n.Attrs.([]compute.PadAxis), func(p compute.PadAxis) bool { return p != compute.PadAxis{} }) {
			return x
		}
	case compute.OpTypeConcatenate:
		if len(in) == 1 {
			return x
		}
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin, compute.OpTypeReduceProduct:
		if x.Shape.Size() == n.Shape.Size() {
			return b.reshape(x, n.Shape.Dimensions...)
		}
	case compute.OpTypeAdd, compute.OpTypeSub, compute.OpTypeMul, compute.OpTypeDiv:
		return neutral(n, in)
	}
	return nil
}

// neutral leaves out what adds nothing or multiplies by one. (x + 0 turns -0 into 0: the difference is let go.)
func neutral(n *ir.Node, in []*ir.Node) *ir.Node {
	if n.Shape.DType != dtypes.Float32 {
		return nil
	}
	none := 0.0
	if is(n, compute.OpTypeMul) || is(n, compute.OpTypeDiv) {
		none = 1
	}
	if v, ok := scalar(in[1]); ok && v == none && in[0].Shape.Equal(n.Shape) {
		return in[0]
	}
	if is(n, compute.OpTypeSub) || is(n, compute.OpTypeDiv) {
		return nil
	}
	if v, ok := scalar(in[0]); ok && v == none && in[1].Shape.Equal(n.Shape) {
		return in[1]
	}
	return nil
}

// recognized returns the kernel that does n, or nil.
func (b *builder) recognized(n *ir.Node, in []*ir.Node) *ir.Node {
	if n.Shape.DType != dtypes.Float32 || n.Shape.Size() == 0 {
		return nil
	}
	for _, x := range in {
		if x.Shape.DType != dtypes.Float32 || x.Shape.IsDynamic() || x.Shape.Size() == 0 {
			return nil
		}
	}
	switch a := n.Attrs.(type) {
	case ir.Convolution:
		return b.convolution(n, in[0], in[1], a)
	case ir.Dot:
		return b.dot(n, in[0], in[1], a)
	case ir.Window:
		return b.window(n, in, a)
	}
	return nil
}
