package predict

import (
	"math"

	"github.com/nitrain/nitrain/onnx"
)

// maxDivisor bounds what sizes are rounded up to.
const maxDivisor = 256

// divisors returns, for each spatial axis of a network's input, by how much the network makes it smaller at
// most: sizes that it divides go through paths that shrink and grow again and are joined. It follows the strides
// of convolutions, pooling and resizing; where it cannot it says 1.
func divisors(g *onnx.Graph, input string, axes int) []int {
	w := shrinkage{g: g, axes: axes, by: map[string][]float64{input: ones(axes)}}
	most := ones(axes)
	for _, n := range g.Nodes {
		out := w.through(n)
		if out == nil {
			continue
		}
		for _, name := range n.Outputs {
			w.by[name] = out
		}
		for a, v := range out {
			most[a] = max(most[a], v)
		}
	}
	by := make([]int, axes)
	for a, v := range most {
		by[a] = 1
		if n := int(math.Round(v)); math.Abs(v-float64(n)) < 1e-3 && n <= maxDivisor {
			by[a] = n
		}
	}
	return by
}

// shrinkage knows by how much each value of a graph is smaller than the input along each axis.
type shrinkage struct {
	g    *onnx.Graph
	axes int
	by   map[string][]float64
}

// through returns a node's results' shrinkage, nil where no input is known or the node's effect is not.
func (w *shrinkage) through(n *onnx.Node) []float64 {
	var out []float64
	for _, name := range n.Inputs {
		in := w.by[name]
		if in == nil {
			continue
		}
		if out == nil {
			out = make([]float64, w.axes)
		}
		for a, v := range in {
			out[a] = max(out[a], v)
		}
	}
	if out == nil {
		return nil
	}
	switch n.OpType {
	case "Conv", "MaxPool", "AveragePool", "LpPool":
		scaleBy(out, n.Ints("strides", nil), func(v, s float64) float64 { return v * s })
	case "ConvTranspose":
		scaleBy(out, n.Ints("strides", nil), func(v, s float64) float64 { return v / s })
	case "SpaceToDepth":
		for a := range out {
			out[a] *= float64(n.Int("blocksize", 1))
		}
	case "DepthToSpace":
		for a := range out {
			out[a] /= float64(n.Int("blocksize", 1))
		}
	case "Resize", "Upsample":
		scales := w.scales(n)
		if scales == nil {
			return nil // by sizes: what it is joined with says more
		}
		for a := range out {
			out[a] /= scales[2+a]
		}
	case "Shape", "Size":
		return nil
	}
	return out
}

// scales returns the factors of a Resize or Upsample that are constant.
func (w *shrinkage) scales(n *onnx.Node) []float64 {
	for _, name := range n.Inputs[min(1, len(n.Inputs)):] {
		t, ok := w.g.Initializer(name)
		if p := w.g.Producer(name); !ok && p != nil {
			t, ok = p.ConstantValue()
		}
		if !ok || t == nil || t.Len() != 2+w.axes {
			continue
		}
		f, err := t.Float32()
		if err != nil {
			continue
		}
		scales := make([]float64, len(f))
		for i, v := range f {
			if !(v > 0) {
				return nil
			}
			scales[i] = float64(v)
		}
		return scales
	}
	return nil
}

func scaleBy(v []float64, by []int64, f func(v, s float64) float64) {
	if len(by) != len(v) {
		return
	}
	for a, s := range by {
		if s > 0 {
			v[a] = f(v[a], float64(s))
		}
	}
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
