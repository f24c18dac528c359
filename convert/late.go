package convert

import (
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/convert/internal/engine"
	"github.com/nitrain/nitrain/onnx"
)

// late gives results that depend on constants alone, but have no host form of their own, one that is
// computed when an operator asks for it: the condition of an If, the number of turns of a Loop, anything
// that decides a shape.
func (c *call) late(o op, out []*value) {
	if !c.foldable() {
		return
	}
	var once sync.Once
	var found []*host
	var err error
	evaluate := func() ([]*host, error) {
		once.Do(func() { found, err = c.evaluate(o) })
		return found, err
	}
	for i, v := range out {
		if v.host != nil || v.late != nil || v.isList || v.none || v.missing || v.node == nil || product(v.shape) > maxFold {
			continue
		}
		v.late = func() (*host, error) {
			list, err := evaluate()
			if err != nil {
				return nil, err
			}
			return list[i], nil
		}
	}
}

// foldable says whether every input is a constant, known or computable, and the node neither draws random
// numbers nor holds graphs, which may use values from around them.
func (c *call) foldable() bool {
	if strings.HasPrefix(c.n.OpType, "Random") || slices.Contains([]string{"Bernoulli", "Multinomial", "Dropout", "BatchNormalization"}, c.n.OpType) {
		return false
	}
	return len(c.in) > 0 && len(c.n.Subgraphs()) == 0 && !slices.ContainsFunc(c.in, func(v *value) bool {
		return v != nil && (v.host == nil && v.late == nil || product(v.shape) > maxFold)
	})
}

// force computes the inputs that are computable, and says whether all are known then.
func (c *call) force() bool {
	for _, v := range c.in {
		if v == nil {
			continue
		}
		if _, ok := v.known(); !ok {
			return false
		}
	}
	return c.constant()
}

// evaluate computes the node's results from its constant inputs, on the reference engine.
func (c *call) evaluate(o op) (out []*host, err error) {
	defer recoverTo(&err)
	if !c.force() {
		fail("the node's inputs are no constants")
	}
	if o.fold != nil {
		if out := o.fold(c); out != nil {
			return out, nil
		}
	}
	inner, err := engine.New(engine.Options{Kind: engine.Go})
	if err != nil {
		return nil, err
	}
	defer inner.Finalize()
	// In float64: what a shape hangs on shall not depend on an engine's rounding.
	b := *c.builder
	b.graph, b.float = graph.NewGraph(inner, "constant"), dtypes.Float64
	defer b.graph.Finalize()
	sub := *c
	sub.builder, sub.in = &b, make([]*value, len(c.in))
	for i, v := range c.in {
		if v != nil {
			sub.in[i] = hostValue(v.host)
		}
	}
	values := o.build(&sub)
	nodes := make([]*graph.Node, len(values))
	for i, v := range values {
		nodes[i] = b.node(v)
	}
	if err := b.graph.Compile(nodes...); err != nil {
		return nil, firstLine(err)
	}
	for i, t := range b.graph.Run() {
		out = append(out, downloadHost(t, values[i].dtype))
		free(t)
	}
	return out, nil
}

// downloadHost copies a tensor of the reference engine into an array.
func downloadHost(t *tensors.Tensor, dtype onnx.DType) *host {
	h := newHost(dtype, t.Shape().Dimensions)
	t.MustConstFlatData(func(flat any) {
		for i := range h.len() {
			h.take(i, flat)
		}
	})
	return h
}

// take stores element i of a flat slice.
func (h *host) take(i int, flat any) {
	switch d := flat.(type) {
	case []float64:
		h.set(i, d[i])
	case []float32:
		h.set(i, float64(d[i]))
	case []bool:
		h.ints[i] = truth(d[i])
	case []int8:
		h.ints[i] = int64(d[i])
	case []int16:
		h.ints[i] = int64(d[i])
	case []int32:
		h.ints[i] = int64(d[i])
	case []int64:
		h.ints[i] = d[i]
	case []uint8:
		h.ints[i] = int64(d[i])
	case []uint16:
		h.ints[i] = int64(d[i])
	case []uint32:
		h.ints[i] = int64(d[i])
	case []uint64:
		h.ints[i] = int64(d[i])
	default:
		fail("no constants of type %T", flat)
	}
}
