package rewrite

import (
	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// absorb lets convolutions add their bias and end with max(y, 0) themselves, while the result is in the nearest cache,
// where nothing else reads what lies between.
func absorb(g *ir.Graph) *ir.Graph {
	readers := map[*ir.Node]int{}
	for _, n := range g.Nodes {
		for _, x := range n.Inputs {
			readers[x]++
		}
	}
	for _, n := range g.Outputs {
		readers[n]++
	}
	for _, n := range g.Nodes {
		if len(n.Inputs) != 2 {
			continue
		}
		for i, x := range n.Inputs {
			c, ok := convolving(x)
			if !ok || readers[x] != 1 || c.Pass != kernel.Forward || c.Relu || !x.Shape.Equal(n.Shape) {
				continue
			}
			other := n.Inputs[1-i]
			switch {
			case is(n, compute.OpTypeAdd) && !c.Bias:
				bias := perChannel(other, n)
				if bias == nil || bias.ID > n.ID {
					continue
				}
				c.Bias = true
				*n = ir.Node{ID: n.ID, Op: ir.Kernel, Shape: n.Shape, Attrs: ir.KernelAttrs{Do: c}, Inputs: append(append([]*ir.Node{}, x.Inputs...), bias)}
			case is(n, compute.OpTypeMax):
				if v, ok := scalar(other); !ok || v != 0 {
					continue
				}
				c.Relu = true
				*n = ir.Node{ID: n.ID, Op: ir.Kernel, Shape: n.Shape, Attrs: ir.KernelAttrs{Do: c}, Inputs: x.Inputs}
			default:
				continue
			}
			break
		}
	}
	return alive(g)
}

// convolving returns the convolution that n is.
func convolving(n *ir.Node) (kernel.Convolution, bool) {
	k, ok := n.Attrs.(ir.KernelAttrs)
	if !ok || n.Op != ir.Kernel {
		return kernel.Convolution{}, false
	}
	c, ok := k.Do.(kernel.Convolution)
	return c, ok
}

// perChannel returns the array of one number a channel of y that x repeats over the other axes, or nil.
func perChannel(x, y *ir.Node) *ir.Node {
	channels := y.Shape.Dimensions[1]
	s, at := newSpace(y.Shape.Dimensions)
	at = narrowed(x, at)
	if x.Shape.Rank() != y.Shape.Rank() {
		return nil
	}
	for x.Shape.Size() != channels {
		var ok bool
		if !moves(x) {
			return nil
		}
		if at, ok = through(x, at); !ok {
			return nil
		}
		x = x.Inputs[0]
	}
	offset, strides := s.strides(linear(at, x.Shape.Dimensions))
	if offset != 0 || len(strides) != y.Shape.Rank() {
		return nil
	}
	for i, step := range strides {
		want := 0
		if i == 1 && channels > 1 {
			want = 1
		}
		if step != want {
			return nil
		}
	}
	return x
}
