package rewrite

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// builder makes a graph whose every node is unlike the others, in a normal form: no view of a view, no transposition
// of a transposition.
type builder struct {
	nodes []*ir.Node
	seen  map[string]*ir.Node
}

// add returns the node of op, an earlier one where that is the same.
func (b *builder) add(op ir.Op, shape shapes.Shape, attrs any, inputs ...*ir.Node) *ir.Node {
	return b.insert(&ir.Node{Op: op, Inputs: inputs, Shape: shape, Attrs: attrs})
}

func (b *builder) insert(n *ir.Node) *ir.Node {
	key, ok := signature(n)
	if ok {
		if old := b.seen[key]; old != nil {
			return old
		}
		b.seen[key] = n
	}
	n.ID = len(b.nodes)
	b.nodes = append(b.nodes, n)
	return n
}

// longConstant bounds the constants that are compared.
const longConstant = 256

// signature is equal for nodes that compute the same.
func signature(n *ir.Node) (string, bool) {
	switch n.Op.Of() {
	case compute.OpTypeParameter:
		return "", false
	case compute.OpTypeConstant:
		if n.Shape.Size() > longConstant {
			return "", false
		}
	}
	ids := make([]int, len(n.Inputs))
	for i, in := range n.Inputs {
		ids[i] = in.ID
	}
	return fmt.Sprintf("%d %v %v %v %#v", n.Op, ids, n.Shape, n.Shapes, n.Attrs), true
}

func is(n *ir.Node, op compute.OpType) bool { return n.Op == ir.Op(op) }

// reshape gives x other dimensions.
func (b *builder) reshape(x *ir.Node, dims ...int) *ir.Node {
	for is(x, compute.OpTypeReshape) {
		x = x.Inputs[0]
	}
	if slices.Equal(x.Shape.Dimensions, dims) {
		return x
	}
	return b.add(ir.Op(compute.OpTypeReshape), shapes.Make(x.Shape.DType, dims...), nil, x)
}

// transpose puts axis perm[i] of x at i.
func (b *builder) transpose(x *ir.Node, perm []int) *ir.Node {
	if is(x, compute.OpTypeTranspose) {
		inner := x.Attrs.([]int)
		both := make([]int, len(perm))
		for i, p := range perm {
			both[i] = inner[p]
		}
		return b.transpose(x.Inputs[0], both)
	}
	dims := make([]int, len(perm))
	var long []int // the axes that have more than one element, in their new order
	for i, p := range perm {
		dims[i] = x.Shape.Dimensions[p]
		if dims[i] != 1 {
			long = append(long, p)
		}
	}
	if slices.IsSorted(perm) {
		return x
	}
	if slices.IsSorted(long) {
		return b.reshape(x, dims...)
	}
	if is(x, compute.OpTypeReverse) {
		var axes []int
		for i, p := range perm {
			if slices.Contains(x.Attrs.([]int), p) {
				axes = append(axes, i)
			}
		}
		return b.reverse(b.transpose(x.Inputs[0], perm), axes)
	}
	return b.add(ir.Op(compute.OpTypeTranspose), shapes.Make(x.Shape.DType, dims...), slices.Clone(perm), x)
}

// reverse turns some axes of x round.
func (b *builder) reverse(x *ir.Node, axes []int) *ir.Node {
	var long []int
	for _, a := range axes {
		if x.Shape.Dimensions[a] > 1 {
			long = append(long, a)
		}
	}
	slices.Sort(long)
	if is(x, compute.OpTypeReverse) && slices.Equal(x.Attrs.([]int), long) {
		return x.Inputs[0]
	}
	if len(long) == 0 {
		return x
	}
	return b.add(ir.Op(compute.OpTypeReverse), x.Shape, long, x)
}

// kernel adds an operation of ours.
func (b *builder) kernel(do kernel.Operation, dims []int, inputs ...*ir.Node) *ir.Node {
	return b.add(ir.Kernel, shapes.Make(dtypes.Float32, dims...), ir.KernelAttrs{Do: do}, inputs...)
}

// scalar returns the number that all elements of x are, if it is known.
func scalar(x *ir.Node) (float64, bool) {
	for is(x, compute.OpTypeBroadcastInDim) || is(x, compute.OpTypeReshape) || is(x, compute.OpTypeTranspose) {
		x = x.Inputs[0]
	}
	if !is(x, compute.OpTypeConstant) || x.Shape.Size() != 1 {
		return 0, false
	}
	v := reflect.ValueOf(x.Attrs)
	if v.Kind() == reflect.Slice && v.Len() == 1 {
		v = v.Index(0)
	}
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
