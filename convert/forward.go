package convert

import (
	"runtime/debug"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// Mode says how a forward pass computes.
type Mode struct {
	// Training normalises with batch statistics where the import says so, and updates running ones.
	Training bool
	// Random is the state of GoMLX's random generator (see graph.RNGStateFromSeed) for Dropout and random
	// operators in training. Without it Dropout passes everything on.
	Random *graph.Node
	// Calibrate normalises with batch statistics, whatever the import says, and makes them the running ones.
	Calibrate bool
}

// Forward builds the model inside a GoMLX graph. in has a node for every input of the model, params one for
// each parameter that should be an input of the graph (float32, in the file's layout); parameters that
// are left out enter as constants with their current values. It returns the outputs and, in training
// mode, the new values of the running statistics.
//
// Like every graph-building function of GoMLX it panics when it cannot go on; run it where that is
// recovered, as NewStep and Runner do.
func (g *Graph) Forward(in, params map[string]*graph.Node, mode Mode) (out, state map[string]*graph.Node) {
	for _, nodes := range []map[string]*graph.Node{in, params} {
		for _, n := range nodes {
			return g.build(&builder{graph: n.Graph(), float: dtypes.Float32}, in, params, mode)
		}
	}
	fail("convert: a model without inputs and parameters has nothing to build on")
	return nil, nil
}

// build is Forward with a prepared builder.
func (g *Graph) build(b *builder, in, params map[string]*graph.Node, mode Mode) (out, state map[string]*graph.Node) {
	values := g.buildValues(b, in, params, mode)
	out = make(map[string]*graph.Node, len(values))
	for name, v := range values {
		if !v.missing {
			out[name] = b.node(v)
		}
	}
	return out, b.state
}

// buildValues builds all nodes and returns the values of the model's outputs.
func (g *Graph) buildValues(b *builder, in, params map[string]*graph.Node, mode Mode) map[string]*value {
	b.model, b.mode, b.random, b.state = g, mode, mode.Random, map[string]*graph.Node{}
	s := &scope{values: map[string]*value{}, opsets: g.source.Opset, edits: map[slot]*value{}}
	b.top = s
	for _, info := range g.Inputs() {
		n := in[info.Name]
		if n == nil {
			fail("convert: input %q of the model is missing", info.Name)
		}
		s.values[info.Name] = &value{dtype: info.DType, shape: dims(n), node: n}
	}
	g.values.RLock()
	defer g.values.RUnlock()
	for name, t := range g.stored {
		if g.byName[name] == nil {
			s.values[name] = constantValue(t)
		}
	}
	for name, t := range g.options.Bind {
		s.values[name] = constantValue(t)
	}
	for _, p := range g.params {
		v := g.paramValue(p, params[p.Name], b)
		if p.Name == p.Stored {
			s.values[p.Name] = v
		}
		for _, t := range p.twins {
			s.values[t.source.Name] = t.value(v)
		}
		for _, o := range p.slots {
			if at := (slot{o.Node, o.Input}); g.bySlot[at] == p {
				s.edits[at] = v
			}
		}
	}
	b.release = lastUses(g.nodes, g.Outputs())
	b.run(g.nodes, s)
	if b.folded > maxHost {
		debug.FreeOSMemory() // what the host computed is gone, and is more than the training may have to spare
	}
	out := map[string]*value{}
	for _, info := range g.Outputs() {
		v, ok := s.lookup(info.Name)
		if !ok {
			fail("convert: output %q is made by no node", info.Name)
		}
		if v.missing {
			continue
		}
		out[info.Name] = v
	}
	return out
}

// constantValue is a stored tensor that is no parameter.
func constantValue(t *onnx.Tensor) *value {
	h, err := hostTensor(t)
	if err != nil {
		return &value{missing: true}
	}
	return hostValue(h)
}

// paramValue is a parameter as an input of the graph, or as a constant where n is nil.
func (g *Graph) paramValue(p *Param, n *graph.Node, b *builder) *value {
	v := &value{dtype: p.DType, shape: p.Shape, param: p.Name, node: n}
	if n != nil && p.Len() > maxHint {
		return v
	}
	h, err := p.host()
	if err != nil {
		failWith(err)
	}
	if n == nil {
		v.host = h
	} else {
		v.hint = h
		if n.DType() != b.goType(p.DType) {
			v.node = graph.ConvertDType(n, b.goType(p.DType))
		}
	}
	return v
}

// value is the parameter's value in the twin's form.
func (t twin) value(v *value) *value {
	w := &value{dtype: v.dtype, shape: t.source.Tensor.Shape(), node: v.node}
	switch {
	case !t.transposed:
		w.host, w.hint = v.host, v.hint
	case v.node != nil:
		w.node = graph.Transpose(v.node, 0, 1)
	default:
		w.host = v.host.transposed([]int{1, 0})
	}
	return w
}

// maxHint bounds the elements of a parameter whose stored value may serve as a number for the host.
const maxHint = 64

// host returns the current value as an array.
func (p *Param) host() (*host, error) {
	if p.value == nil {
		return hostTensor(p.stored)
	}
	h := &host{dtype: p.DType, shape: p.Shape, floats: make([]float64, len(p.value))}
	for i, v := range p.value {
		h.floats[i] = float64(v)
	}
	return h, nil
}
