package cpu

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/notimplemented"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// value is what GoMLX holds of an operation's output: the interpreter's, and ours where the graph is ordinary.
type value struct {
	builder *Builder
	inner   int      // of Builder.values
	node    *ir.Node // nil in a function that is delegated
	shape   shapes.Shape
}

// function records a function twice: with GoMLX's interpreter, which checks every operation and infers its shape, and as
// a graph of ours. Once a closure, another function or a dynamic shape appears, the interpreter's is what will run.
type function struct {
	notimplemented.Function
	name     string
	builder  *Builder
	parent   *function
	inner    compute.Function
	returned bool
	outputs  []compute.Value
}

func newFunction(b *Builder, parent *function, inner compute.Function) *function {
	return &function{
		Function: notimplemented.Function{ErrFn: func(op compute.OpType) error {
			return fmt.Errorf("cpu: %s: %w", op, compute.ErrNotImplemented)
		}},
		name: inner.Name(), builder: b, parent: parent, inner: inner,
	}
}

// Name returns the function's name, empty for a closure.
func (f *function) Name() string { return f.name }

// Builder returns what the function is part of.
func (f *function) Builder() compute.Builder { return f.builder }

// Parent returns the function that a closure stands in, or nil.
func (f *function) Parent() compute.Function {
	if f.parent == nil {
		return nil
	}
	return f.parent
}

// Shape returns the shape of a value of this builder.
func (f *function) Shape(v compute.Value) (shapes.Shape, error) {
	own, err := f.builder.own(v)
	if err != nil {
		return shapes.Invalid(), err
	}
	return own.shape, nil
}

// Closure starts a function that control flow calls; from here on the interpreter runs the whole.
func (f *function) Closure() (closure compute.Function, err error) {
	defer trap(&err)
	if err := f.open(); err != nil {
		return nil, err
	}
	inner, err := f.inner.Closure()
	if err != nil {
		return nil, err
	}
	f.builder.delegated = true
	return newFunction(f.builder, f, inner), nil
}

// Parameter adds an input.
func (f *function) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (v compute.Value, err error) {
	defer trap(&err)
	if err := f.open(); err != nil {
		return nil, err
	}
	inner, err := f.inner.Parameter(name, shape, sharding)
	if err != nil {
		return nil, err
	}
	n := &ir.Node{Op: ir.Op(compute.OpTypeParameter), Shape: shape.Clone()}
	out := f.builder.value(inner, shape)
	if f != f.builder.main || shape.IsDynamic() {
		f.builder.delegated = true
	}
	if !f.builder.delegated {
		g := &f.builder.graph
		f.add(n)
		g.Params, g.Names = append(g.Params, n), append(g.Names, name)
		out.node = n
	}
	return out, nil
}

// Constant adds a value that is known.
func (f *function) Constant(flat any, dims ...int) (v compute.Value, err error) {
	defer trap(&err)
	kept, shape, err := constant(flat, dims)
	if err != nil {
		return nil, err
	}
	return f.one(&ir.Node{Op: ir.Op(compute.OpTypeConstant), Attrs: kept, Shape: shape})
}

// Return says what the function's outputs are.
func (f *function) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) (err error) {
	defer trap(&err)
	if err := f.open(); err != nil {
		return err
	}
	if len(outputs) == 0 {
		return errors.New("cpu: return: want an output, got none")
	}
	if slices.ContainsFunc(shardings, func(s *compute.ShardingSpec) bool { return s != nil }) {
		return fmt.Errorf("cpu: return: shardings: %w", compute.ErrNotImplemented)
	}
	inner, _, err := f.unwrap(outputs)
	if err != nil {
		return err
	}
	if f != f.builder.main {
		if err := f.inner.Return(inner, nil); err != nil {
			return err
		}
	}
	f.outputs, f.returned = slices.Clone(outputs), true
	return nil
}

// one records an operation with one output.
func (f *function) one(n *ir.Node, in ...compute.Value) (compute.Value, error) {
	vs, err := f.record(n, in...)
	if err != nil {
		return nil, err
	}
	return vs[0], nil
}

// plain records an operation without attributes.
func (f *function) plain(op compute.OpType, in ...compute.Value) (compute.Value, error) {
	return f.one(&ir.Node{Op: ir.Op(op)}, in...)
}

// with records an operation with attributes.
func (f *function) with(op compute.OpType, attrs any, in ...compute.Value) (compute.Value, error) {
	return f.one(&ir.Node{Op: ir.Op(op), Attrs: attrs}, in...)
}

// record adds a node, whose Op and Attrs are set, and what of its shapes the arguments say. The interpreter says the rest.
func (f *function) record(n *ir.Node, in ...compute.Value) (out []compute.Value, err error) {
	defer trap(&err)
	if err := f.open(); err != nil {
		return nil, err
	}
	inner, nodes, err := f.unwrap(in)
	if err != nil {
		return nil, fmt.Errorf("cpu: %s: %w", n.Op.Of(), err)
	}
	results, err := emit(f.inner, n, inner)
	if err != nil {
		return nil, err
	}
	return f.values(n, nodes, results)
}

// values wraps the interpreter's results, with nodes of ours where the graph is ordinary.
func (f *function) values(n *ir.Node, in []*ir.Node, results []compute.Value) ([]compute.Value, error) {
	out := make([]compute.Value, len(results))
	all := make([]shapes.Shape, len(results))
	for i, r := range results {
		shape, err := f.inner.Shape(r)
		if err != nil {
			return nil, err
		}
		if shape.IsDynamic() {
			f.builder.delegated = true
		}
		all[i] = shape
		out[i] = f.builder.value(r, shape)
	}
	if n == nil || f.builder.delegated || f != f.builder.main {
		return out, nil
	}
	n.Inputs = in
	f.add(n)
	if len(results) == 1 {
		n.Shape = all[0].Clone()
		out[0].(*value).node = n
		return out, nil
	}
	n.Shape, n.Shapes = shapes.Invalid(), all
	for i, v := range out {
		s := &ir.Node{Op: ir.Select, Inputs: []*ir.Node{n}, Attrs: i, Shape: all[i].Clone()}
		f.add(s)
		v.(*value).node = s
	}
	return out, nil
}

// delegate wraps the results of an operation that only the interpreter has.
func (f *function) delegate(in []compute.Value, add func(in []compute.Value) ([]compute.Value, error)) (out []compute.Value, err error) {
	defer trap(&err)
	if err := f.open(); err != nil {
		return nil, err
	}
	f.builder.delegated = true
	inner, _, err := f.unwrap(in)
	if err != nil {
		return nil, err
	}
	results, err := add(inner)
	if err != nil {
		return nil, err
	}
	return f.values(nil, nil, results)
}

func (f *function) add(n *ir.Node) {
	n.ID = len(f.builder.graph.Nodes)
	f.builder.graph.Nodes = append(f.builder.graph.Nodes, n)
}

// open refuses to change a function that is finished.
func (f *function) open() error {
	if f.returned || f.builder.compiled {
		return fmt.Errorf("cpu: function %q: want one that has not returned, got one that has", f.Name())
	}
	return nil
}

// unwrap returns the interpreter's values and our nodes.
func (f *function) unwrap(in []compute.Value) ([]compute.Value, []*ir.Node, error) {
	inner, nodes := make([]compute.Value, len(in)), make([]*ir.Node, len(in))
	for i, v := range in {
		own, err := f.builder.own(v)
		if err != nil {
			return nil, nil, fmt.Errorf("operand %d: %w", i, err)
		}
		inner[i], nodes[i] = f.builder.values[own.inner], own.node
	}
	return inner, nodes, nil
}

// trap turns a panic of GoMLX's code into an error.
func trap(err *error) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("cpu: %w", r)
	default:
		*err = fmt.Errorf("cpu: %v", r)
	}
}
