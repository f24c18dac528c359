package convert

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// builder makes the GoMLX graph of a model for one set of input shapes.
type builder struct {
	model  *Graph
	graph  *graph.Graph
	float  dtypes.DType // the type of float32 and half-precision values: Float64 in tests of gradients
	half   dtypes.DType // of the operands of products in mixed precision, see Precision
	mode   Mode
	table  map[string]op
	random *graph.Node // state of the random generator, nil: no dropout
	// asleep lets the model's own Dropout nodes and random operators rest, whatever random is.
	asleep bool
	insert map[*onnx.Node]float64 // see StepConfig.Insert
	state  map[string]*graph.Node
	top    *scope // the main graph's values
	// collect gathers what cannot be built instead of stopping at the first of it.
	collect bool
	refused []Unsupported
	// applied counts the nodes that were built, each turn of a loop anew; folded the elements of constants
	// that the host computed.
	applied, folded int
	// release names, for each node of the main graph, the constants that nothing after it uses.
	release map[*onnx.Node][]string
}

// Bounds on what a model may make of itself: loops in loops, constants from a few bytes.
const (
	maxApplied = 1 << 18
	maxFolded  = 1 << 28
)

// count keeps account of a node's results.
func (b *builder) count(out []*value) {
	b.applied++
	for _, v := range out {
		if v.host != nil {
			b.folded += v.host.len()
		}
	}
	if b.applied > maxApplied || b.folded > maxFolded {
		failWith(&tooMuch{})
	}
}

// tooMuch ends the building of a model altogether.
type tooMuch struct{}

func (*tooMuch) Error() string {
	return fmt.Sprintf("convert: the model unrolls to more than %d nodes or %d elements of constants", maxApplied, maxFolded)
}

// scope resolves names: those of a graph, then those of the graph around it.
type scope struct {
	values map[string]*value
	outer  *scope
	// opsets has the versions that the nodes of this scope mean; functions have their own.
	opsets func(domain string) int
	// attrs resolves a function's attribute references.
	attrs map[string]onnx.Attr
	// path is the chain of functions that led here.
	path string
	// depth counts the functions and subgraphs around this scope.
	depth int
	// edits has the parameters that stand for single node inputs where a tie was cut.
	edits map[slot]*value
}

// maxDepth bounds how deep functions and subgraphs may lie in one another.
const maxDepth = 64

// inner returns a scope inside s, for a function or a subgraph that a node calls.
func (s *scope) inner(n *onnx.Node, values map[string]*value) *scope {
	if s.depth >= maxDepth {
		refuse("functions or graphs lie more than %d deep in one another", maxDepth)
	}
	return &scope{values: values, opsets: s.opsets, attrs: s.attrs, path: joinScope(s.path, n.Name), depth: s.depth + 1}
}

// slot is one input of one node.
type slot struct {
	node  *onnx.Node
	input int
}

// lookup finds a value by name.
func (s *scope) lookup(name string) (*value, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.values[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// call is one node being built.
type call struct {
	*builder
	n     *onnx.Node
	scope *scope
	opset int
	in    []*value // nil where an optional input is left out
}

// run builds nodes, which must be in topological order.
func (b *builder) run(nodes []*onnx.Node, s *scope) {
	for _, n := range nodes {
		out, err := b.apply(n, s)
		if end, ok := errors.AsType[*tooMuch](err); ok {
			failWith(end)
		}
		b.count(out)
		if err != nil {
			out = b.refuse(n, s, err)
		}
		for i, name := range n.Outputs {
			if name == "" {
				continue
			}
			if i >= len(out) {
				out = append(out, &value{missing: true})
			}
			s.values[name] = out[i]
		}
		for _, name := range b.release[n] {
			s.values[name] = s.values[name].emptied()
		}
	}
}

// refuse records why a node cannot be built and returns values that make what depends on it be skipped.
func (b *builder) refuse(n *onnx.Node, s *scope, err error) []*value {
	var many *UnsupportedError
	switch {
	case errors.Is(err, errMissing):
	case errors.As(err, &many):
		b.refused = append(b.refused, many.Nodes...)
	default:
		u := Unsupported{Op: n.OpType, Domain: n.Domain, Node: n.Name, Scope: joinScope(s.path, scopeOf(n)), Reason: err.Error()}
		var reason *unsupported
		u.shape = !errors.As(err, &reason)
		b.refused = append(b.refused, u)
	}
	if !b.collect {
		failWith(&UnsupportedError{Nodes: b.refused})
	}
	out := make([]*value, len(n.Outputs))
	for i := range out {
		out[i] = &value{missing: true}
	}
	return out
}

// errMissing stops a node whose input could not be built.
var errMissing = errors.New("an input could not be built")

// unsupported is a reason that lies in the node, not in the shapes.
type unsupported struct{ reason string }

func (u *unsupported) Error() string { return u.reason }

// refuse stops the building of a node for a reason that no other input shape would change.
func refuse(format string, args ...any) {
	failWith(&unsupported{fmt.Sprintf(format, args...)})
}

// apply builds one node.
func (b *builder) apply(n *onnx.Node, s *scope) (out []*value, err error) {
	defer recoverTo(&err)
	c := &call{builder: b, n: n, scope: s, opset: s.opsets(n.Domain), in: make([]*value, len(n.Inputs))}
	for i, name := range n.Inputs {
		if name == "" {
			continue
		}
		v, ok := b.edited(n, i, s)
		if !ok {
			v, ok = s.lookup(name)
		}
		if !ok {
			fail("input %q is defined nowhere", name)
		}
		if v.missing {
			return nil, errMissing
		}
		c.in[i] = v
	}
	c.dropInput()
	o, ok := b.lookupOp(n)
	if !ok {
		if f := b.model.functions[functionID{n.Domain, n.OpType}]; f != nil {
			return c.inline(f), nil
		}
		refuse("the operator is not in the table")
	}
	if o.fold != nil && c.constant() {
		if h := o.fold(c); h != nil {
			return hostValues(h), nil
		}
	}
	if o.build == nil {
		if !c.force() {
			refuse("the operator is supported only where its inputs are constants for the given input shapes")
		}
		return hostValues(o.fold(c)), nil
	}
	out = o.build(c)
	c.late(o, out)
	return out, nil
}

// hostValues returns constants.
func hostValues(list []*host) []*value {
	out := make([]*value, len(list))
	for i, h := range list {
		out[i] = hostValue(h)
	}
	return out
}

// edited returns the value of a node's input whose tie with other uses of the same tensor was cut.
func (b *builder) edited(n *onnx.Node, input int, s *scope) (*value, bool) {
	at := slot{n, input}
	v, ok := s.edits[at]
	if !ok {
		return nil, false
	}
	return b.through(v, b.model.bySlot[at].chain(at), s), true
}

// lookupOp finds an operator.
func (b *builder) lookupOp(n *onnx.Node) (op, bool) {
	if b.table == nil {
		b.table = table()
	}
	name := n.OpType
	if !n.StandardDomain() {
		name = n.Domain + "." + name
	}
	o, ok := b.table[name]
	return o, ok
}

// constant says whether every input is an array that the host knows.
func (c *call) constant() bool {
	return len(c.in) > 0 && !slices.ContainsFunc(c.in, func(v *value) bool { return v != nil && v.host == nil })
}

// has says whether input i is given.
func (c *call) has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// arg returns input i, which must be given.
func (c *call) arg(i int) *value {
	if !c.has(i) {
		fail("input %d is left out", i)
	}
	return c.in[i]
}

// x returns the graph node of input i.
func (c *call) x(i int) *graph.Node { return c.node(c.arg(i)) }

// opt returns the graph node of input i, nil when it is left out.
func (c *call) opt(i int) *graph.Node {
	if !c.has(i) {
		return nil
	}
	return c.x(i)
}

// node returns the graph node of a value, made of the host's array on first use.
func (b *builder) node(v *value) *graph.Node {
	if v.isList || v.none {
		refuse("a sequence or an optional stands where a tensor is needed")
	}
	if v.node == nil {
		v.node = constant(b.graph, v.host, b.goType(v.dtype))
	}
	return v.node
}

// goType returns the GoMLX type of an ONNX type.
func (b *builder) goType(t onnx.DType) dtypes.DType {
	d, ok := goType(t, b.float)
	if !ok {
		refuse("values of type %v are not supported", t)
	}
	return d
}

// out returns a node as the single result, with the first input's type.
func (c *call) out(n *graph.Node) []*value { return c.outAs(c.arg(0).dtype, n) }

// outAs returns a node as the single result, with an ONNX type.
func (c *call) outAs(t onnx.DType, n *graph.Node) []*value { return []*value{c.wrap(t, n)} }

// wrap makes a value of a node. A node of another GoMLX type than the ONNX type asks for is converted.
func (c *call) wrap(t onnx.DType, n *graph.Node) *value {
	if want := c.goType(t); n.DType() != want {
		n = graph.ConvertDType(n, want)
	}
	shape := slices.Clone(n.Shape().Dimensions)
	if n, err := onnx.Elements(shape); err != nil || n > maxElements {
		fail("a value of shape %v has more than %d elements", shape, maxElements)
	}
	if product(shape) == 0 {
		return hostValue(newHost(t, shape)) // nothing to compute
	}
	return &value{dtype: t, shape: shape, node: n}
}

// outShifted is out for a result that differs from base by one number a channel; base may be nil.
func (c *call) outShifted(n, base *graph.Node) []*value {
	out := c.out(n)
	out[0].base = base
	return out
}

// unshifted returns input i, without a shift of whole channels where that is known.
func (c *call) unshifted(i int) *graph.Node {
	if b := c.arg(i).base; b != nil {
		return b
	}
	return c.x(i)
}

// hostArg returns input i as an array; what must be its value is named in the error.
func (c *call) hostArg(i int, what string) *host {
	h, ok := c.arg(i).known()
	if !ok {
		refuse("%s must be a constant for the given input shapes", what)
	}
	return h
}

// ints returns input i as whole numbers.
func (c *call) ints(i int, what string) []int {
	h := c.hostArg(i, what)
	out := make([]int, h.len())
	for j := range out {
		if isReal(h.dtype) {
			out[j] = int(toInt(h.floats[j]))
		} else {
			out[j] = int(h.ints[j])
		}
	}
	return out
}

// floats returns input i as real numbers.
func (c *call) floats(i int, what string) []float64 {
	h := c.hostArg(i, what)
	out := make([]float64, h.len())
	for j := range out {
		out[j] = h.at(j)
	}
	return out
}

// number returns input i as one real number.
func (c *call) number(i int, what string) float64 {
	v := c.floats(i, what)
	if len(v) != 1 {
		fail("%s: want one number, got %d", what, len(v))
	}
	return v[0]
}

// attr finds an attribute, through the reference of a function body where it is one.
func (c *call) attr(name string) (onnx.Attr, bool) {
	for _, a := range c.n.Attrs {
		if a.Name != name {
			continue
		}
		if ref := a.Ref; ref != "" {
			r, ok := c.scope.attrs[ref]
			return r, ok
		}
		return a, true
	}
	return onnx.Attr{}, false
}

// hasAttr says whether an attribute is given.
func (c *call) hasAttr(name string) bool {
	_, ok := c.attr(name)
	return ok
}

// intAttr returns an integer attribute.
func (c *call) intAttr(name string, def int) int {
	if a, ok := c.attr(name); ok {
		return int(a.I)
	}
	return def
}

// floatAttr returns a real attribute.
func (c *call) floatAttr(name string, def float64) float64 {
	if a, ok := c.attr(name); ok {
		return float64(a.F)
	}
	return def
}

// stringAttr returns a text attribute.
func (c *call) stringAttr(name, def string) string {
	if a, ok := c.attr(name); ok {
		return a.S
	}
	return def
}

// intsAttr returns a list attribute, nil when it is not there.
func (c *call) intsAttr(name string) []int {
	a, ok := c.attr(name)
	if !ok {
		return nil
	}
	out := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		out[i] = int(v)
	}
	return out
}

// axis returns an axis counted from the front.
func axis(a, rank int) int {
	if a < -rank || a >= max(rank, 1) {
		fail("axis %d does not exist in %d axes", a, rank)
	}
	if a < 0 {
		return a + rank
	}
	return a
}

// axes returns axes counted from the front, in increasing order.
func axes(list []int, rank int) []int {
	out := make([]int, len(list))
	for i, a := range list {
		out[i] = axis(a, rank)
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(out) {
		fail("axes %v repeat", list)
	}
	return out
}

// axesArg returns the axes that newer opsets take as input i and older ones as attribute "axes".
func (c *call) axesArg(i int) (list []int, given bool) {
	if c.has(i) {
		return c.ints(i, "axes"), true
	}
	if _, ok := c.attr("axes"); ok {
		return c.intsAttr("axes"), true
	}
	return nil, false
}

// scopeOf returns the module path that the exporter left on a node, "" without one.
func scopeOf(n *onnx.Node) string {
	for _, key := range []string{"namespace", "pkg.torch.onnx.name_scopes"} {
		if v := n.Metadata[key]; v != "" {
			return v
		}
	}
	return n.Name
}

// joinScope puts two paths behind one another.
func joinScope(outer, inner string) string {
	if outer == "" {
		return inner
	}
	return outer + "/" + inner
}
