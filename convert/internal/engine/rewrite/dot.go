package rewrite

import (
	"slices"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// An operand of a matrix product is an array seen as batch, rows and columns, each a number of axes that one stride
// goes over.
type operand struct {
	node                *ir.Node
	batch, free, summed [2]int // size and stride
}

// dot turns a DotGeneral into a product of matrices. Transposed operands are read where they lie, unless their axes
// cannot be gone over with one stride.
func (b *builder) dot(n, x, y *ir.Node, a ir.Dot) *ir.Node {
	left := b.operand(x, a.LHSBatch, a.LHSContracting)
	right := b.operand(y, a.RHSBatch, a.RHSContracting)
	m := kernel.Matmul{
		Batch: left.batch[0], M: left.free[0], N: right.free[0], K: left.summed[0],
		A: [3]int{left.batch[1], left.free[1], left.summed[1]},
		B: [3]int{right.batch[1], right.summed[1], right.free[1]},
	}
	return b.kernel(m, n.Shape.Dimensions, left.node, right.node)
}

func (b *builder) operand(x *ir.Node, batch, summed []int) operand {
	var free []int
	for i := range x.Shape.Dimensions {
		if !slices.Contains(batch, i) && !slices.Contains(summed, i) {
			free = append(free, i)
		}
	}
	base, strides := x, rowMajor(x.Shape.Dimensions)
	if is(x, compute.OpTypeTranspose) {
		base = x.Inputs[0]
		under := rowMajor(base.Shape.Dimensions)
		for i, p := range x.Attrs.([]int) {
			strides[i] = under[p]
		}
	}
	o := operand{node: base}
	ok := true
	for _, part := range []struct {
		axes []int
		to   *[2]int
	}{{batch, &o.batch}, {free, &o.free}, {summed, &o.summed}} {
		size, stride, one := joined(x.Shape.Dimensions, strides, part.axes)
		ok = ok && one
		*part.to = [2]int{size, stride}
	}
	if !ok {
		x = b.transpose(x, slices.Concat(batch, free, summed))
		dims, f := x.Shape.Dimensions, len(batch)+len(free)
		s, u := volume(dims[f:]), volume(dims[len(batch):f])
		return operand{x, [2]int{volume(dims[:len(batch)]), s * u}, [2]int{u, s}, [2]int{s, 1}}
	}
	return o
}

// joined returns how many elements some axes have together, and the stride that goes over them in row-major order, if
// there is one.
func joined(dims, strides, axes []int) (size, stride int, ok bool) {
	size, stride = 1, 0
	for _, a := range slices.Backward(axes) {
		switch {
		case dims[a] == 1:
		case size == 1:
			size, stride = dims[a], strides[a]
		case strides[a] == stride*size:
			size *= dims[a]
		default:
			return 0, 0, false
		}
	}
	return size, stride, true
}

// rowMajor returns the strides of a dense array.
func rowMajor(dims []int) []int {
	strides := make([]int, len(dims))
	s := 1
	for i := len(dims) - 1; i >= 0; i-- {
		strides[i] = s
		s *= dims[i]
	}
	return strides
}
