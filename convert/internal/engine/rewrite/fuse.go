package rewrite

import (
	"container/heap"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// fusion is a graph between being cut into units and being put together again.
type fusion struct {
	g      *ir.Graph
	choice *choice
	units  []*unit
	maker  map[*ir.Node]*unit // of every stored node
	nodes  []*ir.Node         // of the new graph
	now    map[*ir.Node]*ir.Node
}

// fuse computes expressions where they are read, in as few passes over memory as there are values to be stored.
func fuse(g *ir.Graph) *ir.Graph {
	forced := map[*ir.Node]bool{}
	for {
		f := &fusion{g: g, choice: choose(g, forced), maker: map[*ir.Node]*unit{}, now: map[*ir.Node]*ir.Node{}}
		failed := f.cut()
		if failed != nil {
			forced[failed] = true
			continue
		}
		f.depend()
		f.merge()
		return f.emit()
	}
}

// cut makes the units, or returns a node that has to be stored.
func (f *fusion) cut() *ir.Node {
	for _, n := range f.g.Nodes {
		if !f.choice.stored[n] {
			continue
		}
		u := &unit{place: len(f.units), after: map[*unit]bool{}}
		if computes(n) || moves(n) && floating(n) || reduces(n) != kernel.None {
			c, failed := f.choice.write(n)
			if failed != nil {
				return failed
			}
			u.cluster = c
		} else {
			u.node = n
			if failed := f.untraced(n); failed != nil {
				return failed
			}
		}
		f.units = append(f.units, u)
		f.maker[n] = u
	}
	return nil
}

// untraced returns a node that has to be stored so that n can be put together.
func (f *fusion) untraced(n *ir.Node) *ir.Node {
	if moves(n) {
		if _, ok := f.moved(n); !ok {
			return n.Inputs[0]
		}
		return nil
	}
	for _, x := range n.Inputs {
		if _, ok := f.source(x); !ok {
			return x
		}
	}
	return nil
}

// floating tells whether a Map can hold n; what only moves other types is assembled.
func floating(n *ir.Node) bool {
	t, ok := typeOf(n.Shape.DType)
	return ok && t != kernel.Uint8
}

// base is the node whose memory x names.
func (f *fusion) base(x *ir.Node) *ir.Node {
	for is(x, compute.OpTypeReshape) && !f.choice.stored[x] {
		x = x.Inputs[0]
	}
	return x
}

// traced is a stored array, and where its elements lie over some dimensions.
type traced struct {
	node *ir.Node
	dims []int
	view kernel.View
}

// source returns the stored array that x is, or only moves elements of.
func (f *fusion) source(x *ir.Node) (traced, bool) {
	s, at := newSpace(x.Shape.Dimensions)
	return f.trace(x, s, at)
}

// moved is source for what is itself to be stored.
func (f *fusion) moved(n *ir.Node) (traced, bool) {
	s, at := newSpace(n.Shape.Dimensions)
	at, ok := through(n, at)
	if !ok {
		return traced{}, false
	}
	return f.trace(n.Inputs[0], s, at)
}

func (f *fusion) trace(n *ir.Node, s *space, at []form) (traced, bool) {
	for !f.choice.stored[f.base(n)] {
		if !moves(n) {
			return traced{}, false
		}
		var ok bool
		if at, ok = through(n, at); !ok {
			return traced{}, false
		}
		n = n.Inputs[0]
	}
	t := traced{node: f.base(n)}
	t.view.Offset, t.view.Strides = s.strides(linear(at, n.Shape.Dimensions))
	t.dims = sizes(s)
	return t, true
}

func sizes(s *space) []int {
	var out []int
	for _, d := range s.leaves() {
		out = append(out, d.size)
	}
	return out
}

// reads lists the stored nodes that a unit takes.
func (f *fusion) reads(u *unit) []*ir.Node {
	var out []*ir.Node
	if u.cluster != nil {
		for _, l := range u.cluster.loads {
			out = append(out, l.node)
		}
		return out
	}
	if moves(u.node) {
		t, _ := f.moved(u.node)
		return append(out, t.node)
	}
	for _, x := range u.node.Inputs {
		t, _ := f.source(x)
		out = append(out, t.node)
	}
	return out
}

// depend notes which units wait for which.
func (f *fusion) depend() {
	for _, u := range f.units {
		for _, n := range f.reads(u) {
			u.after[f.maker[n]] = true
		}
	}
}

// order lists the units as they can run, as near to the order of recording as that allows.
func (f *fusion) order() []*unit {
	waits := map[*unit]int{}
	next := map[*unit][]*unit{}
	ready := &queue{}
	for _, u := range f.units {
		if u.gone {
			continue
		}
		waits[u] = len(u.after)
		for p := range u.after {
			next[p] = append(next[p], u)
		}
		if waits[u] == 0 {
			heap.Push(ready, u)
		}
	}
	var out []*unit
	for ready.Len() > 0 {
		u := heap.Pop(ready).(*unit)
		out = append(out, u)
		for _, v := range next[u] {
			if waits[v]--; waits[v] == 0 {
				heap.Push(ready, v)
			}
		}
	}
	return out
}

// queue holds units by their place.
type queue []*unit

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].place < q[j].place }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*unit)) }
func (q *queue) Pop() any {
	old := *q
	u := old[len(old)-1]
	*q = old[:len(old)-1]
	return u
}

// emit builds the new graph.
func (f *fusion) emit() *ir.Graph {
	out := &ir.Graph{Names: f.g.Names}
	for _, u := range f.order() {
		if u.cluster != nil {
			f.emitMap(u.cluster)
		} else {
			f.emitNode(u.node)
		}
	}
	for _, n := range f.g.Params {
		out.Params = append(out.Params, f.now[n])
	}
	for _, n := range f.g.Outputs {
		out.Outputs = append(out.Outputs, f.memory(n))
	}
	out.Nodes = f.nodes
	return alive(out)
}

func (f *fusion) add(n *ir.Node) *ir.Node {
	n.ID = len(f.nodes)
	f.nodes = append(f.nodes, n)
	return n
}

// memory returns the new node of a stored node, or of another name for one.
func (f *fusion) memory(n *ir.Node) *ir.Node {
	if now := f.now[n]; now != nil {
		return now
	}
	v := f.add(&ir.Node{Op: ir.View, Inputs: []*ir.Node{f.now[f.base(n)]}, Shape: n.Shape})
	f.now[n] = v
	return v
}

// emitNode adds a node that is no Map.
func (f *fusion) emitNode(n *ir.Node) {
	if assembles(n) || moves(n) {
		f.now[n] = f.assemble(n)
		return
	}
	inputs := make([]*ir.Node, len(n.Inputs))
	for i, x := range n.Inputs {
		inputs[i] = f.memory(x)
	}
	f.now[n] = f.add(&ir.Node{Op: n.Op, Inputs: inputs, Shape: n.Shape, Shapes: n.Shapes, Attrs: n.Attrs})
}

// emitMap adds a cluster, and a Select for each of several outputs.
func (f *fusion) emitMap(c *cluster) {
	c = c.collapsed()
	if len(c.dims) == 0 {
		c = c.single()
	}
	m := kernel.Map{Dims: c.dims}
	var inputs []*ir.Node
	for _, l := range c.loads {
		m.Loads = append(m.Loads, l.Load)
		inputs = append(inputs, f.now[l.node])
	}
	at := func(r int) int {
		if r < 0 {
			return -1 - r
		}
		return len(c.loads) + r
	}
	for _, in := range c.code {
		if in.Op != kernel.Constant && in.Op != kernel.Iota {
			in.A, in.B, in.C = at(in.A), at(in.B), at(in.C)
		}
		m.Code = append(m.Code, in)
	}
	var made []shapes.Shape
	for _, r := range c.outs {
		r.Register = at(r.Register)
		m.Outs = append(m.Outs, r.Result)
		made = append(made, r.node.Shape)
	}
	n := &ir.Node{Op: ir.Kernel, Inputs: inputs, Attrs: ir.KernelAttrs{Do: &m}}
	if len(made) == 1 {
		n.Shape = made[0]
		f.now[c.outs[0].node] = f.add(n)
		return
	}
	n.Shapes = made
	f.add(n)
	for i, r := range c.outs {
		f.now[r.node] = f.add(&ir.Node{Op: ir.Select, Inputs: []*ir.Node{n}, Shape: r.node.Shape, Attrs: i})
	}
}

// single gives a cluster over one element a dimension.
func (c *cluster) single() *cluster {
	out := &cluster{dims: []int{1}, code: c.code, outs: c.outs}
	for _, l := range c.loads {
		l.Strides = []int{0}
		out.loads = append(out.loads, l)
	}
	return out
}

// collapsed joins neighbouring dimensions that every load and reduction goes over as one.
func (c *cluster) collapsed() *cluster {
	counted := map[int]bool{}
	for _, in := range c.code {
		if in.Op == kernel.Iota {
			counted[in.Axis] = true
		}
	}
	var starts []int // the first dimension of each group
	for d := range c.dims {
		if d == 0 || counted[d] || counted[d-1] || !c.even(d) {
			starts = append(starts, d)
		}
	}
	out := &cluster{code: slices.Clone(c.code)}
	last := func(g int) int {
		if g+1 < len(starts) {
			return starts[g+1] - 1
		}
		return len(c.dims) - 1
	}
	for g, d := range starts {
		out.dims = append(out.dims, volume(c.dims[d:last(g)+1]))
	}
	for i, in := range out.code {
		if in.Op == kernel.Iota {
			out.code[i].Axis = slices.Index(starts, in.Axis)
		}
	}
	for _, l := range c.loads {
		var strides []int
		for g := range starts {
			strides = append(strides, l.Strides[last(g)])
		}
		l.Strides = strides
		out.loads = append(out.loads, l)
	}
	for _, r := range c.outs {
		if r.Reduce != kernel.None {
			var over []bool
			for _, d := range starts {
				over = append(over, r.Over[d])
			}
			r.Over = over
		}
		out.outs = append(out.outs, r)
	}
	return out
}

// even tells whether dimension d continues the one before it everywhere.
func (c *cluster) even(d int) bool {
	for _, l := range c.loads {
		if l.Strides[d-1] != l.Strides[d]*c.dims[d] {
			return false
		}
	}
	for _, r := range c.outs {
		if r.Reduce != kernel.None && r.Over[d-1] != r.Over[d] {
			return false
		}
	}
	return true
}
