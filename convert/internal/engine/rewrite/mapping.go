package rewrite

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// A cluster is a Map that is being put together: what it reads are nodes that are stored, what it makes as well.
type cluster struct {
	dims  []int
	loads []load
	code  []kernel.Instr // operands below zero are loads, -1 the first
	outs  []result
}

type load struct {
	node *ir.Node
	kernel.Load
}

type result struct {
	node *ir.Node
	kernel.Result
}

// A writer turns the expression of one stored node into a cluster.
type writer struct {
	choice *choice
	space  *space
	loads  []reading
	code   []kernel.Instr
	known  map[string]int   // registers by what they hold
	iotas  map[int]*ir.Node // nodes of Iota instructions
	failed *ir.Node         // what has to be stored instead
}

type reading struct {
	node *ir.Node
	at   form
}

// write returns the cluster of n, or the node that has to be stored so that there is one.
func (c *choice) write(n *ir.Node) (*cluster, *ir.Node) {
	w := &writer{choice: c, known: map[string]int{}, iotas: map[int]*ir.Node{}}
	top := n
	if reduces(n) != kernel.None {
		top = n.Inputs[0]
	}
	s, at := newSpace(top.Shape.Dimensions)
	w.space = s
	var register int
	var ok bool
	if top == n {
		register, ok = w.compute(n, at)
	} else {
		register, ok = w.value(top, at)
	}
	if !ok {
		return nil, w.failed
	}
	t, _ := typeOf(n.Shape.DType)
	out := result{node: n, Result: kernel.Result{Register: register, Type: t, Reduce: reduces(n)}}
	for i, in := range w.code {
		if in.Op != kernel.Iota {
			continue
		}
		d := w.space.dims[in.Axis]
		if d.parts != nil {
			return nil, w.iotas[i]
		}
		w.code[i].Axis = slices.Index(w.space.leaves(), d)
	}
	return w.cluster(out), nil
}

// cluster settles the dimensions.
func (w *writer) cluster(out result) *cluster {
	c := &cluster{code: w.code}
	place := map[*dim]int{}
	for i, d := range w.space.leaves() {
		place[d] = i
		c.dims = append(c.dims, d.size)
	}
	for _, r := range w.loads {
		t, _ := typeOf(r.node.Shape.DType)
		offset, strides := w.space.strides(r.at)
		c.loads = append(c.loads, load{r.node, kernel.Load{View: kernel.View{Offset: offset, Strides: strides}, Type: t}})
	}
	if out.Reduce != kernel.None {
		axes := out.node.Attrs.([]int)
		for i, d := range w.space.dims {
			for range (&space{dims: []*dim{d}}).leaves() {
				out.Over = append(out.Over, len(axes) == 0 || slices.Contains(axes, i))
			}
		}
	}
	c.outs = []result{out}
	return c
}

// value returns the register that holds n at the given place.
func (w *writer) value(n *ir.Node, at []form) (int, bool) {
	if w.choice.stored[n] {
		return w.read(n, at), true
	}
	if is(n, compute.OpTypeReshape) {
		base := n
		for is(base, compute.OpTypeReshape) && !w.choice.stored[base] {
			base = base.Inputs[0]
		}
		if w.choice.stored[base] {
			return w.load(base, linear(at, n.Shape.Dimensions)), true
		}
	}
	return w.compute(n, at)
}

// read returns a register with an element of a stored array.
func (w *writer) read(n *ir.Node, at []form) int {
	return w.load(n, linear(at, n.Shape.Dimensions))
}

func (w *writer) load(n *ir.Node, at form) int {
	if v, ok := scalar(n); ok {
		switch n.Shape.DType {
		case dtypes.Float32:
			return w.instr(kernel.Instr{Op: kernel.Constant, Bits: math.Float32bits(float32(v))})
		case dtypes.Int32:
			return w.instr(kernel.Instr{Op: kernel.Constant, Bits: uint32(int32(v))})
		}
	}
	for i, r := range w.loads {
		if r.node == n && same(r.at, at) {
			return -1 - i
		}
	}
	w.loads = append(w.loads, reading{n, at})
	return -len(w.loads)
}

// same tells whether two forms are equal.
func same(f, g form) bool {
	f, g = f.resolved(), g.resolved()
	if f.offset != g.offset || len(f.terms) != len(g.terms) {
		return false
	}
	for _, t := range f.terms {
		if !slices.Contains(g.terms, t) {
			return false
		}
	}
	return true
}

// instr adds an instruction, unless it is there.
func (w *writer) instr(in kernel.Instr) int {
	key := fmt.Sprint(in)
	if r, ok := w.known[key]; ok {
		return r
	}
	w.code = append(w.code, in)
	w.known[key] = len(w.code) - 1
	return len(w.code) - 1
}

// compute returns the register of n's own operation.
func (w *writer) compute(n *ir.Node, at []form) (int, bool) {
	if moves(n) {
		in, ok := through(n, at)
		if !ok {
			w.failed = n.Inputs[0]
			if w.choice.stored[w.failed] {
				w.failed = n
			}
			return 0, false
		}
		return w.value(n.Inputs[0], in)
	}
	if is(n, compute.OpTypeIota) {
		return w.iota(n, at)
	}
	var in []int
	for _, x := range n.Inputs {
		r, ok := w.value(x, narrowed(x, at))
		if !ok {
			return 0, false
		}
		in = append(in, r)
	}
	var made []int
	operand := func(i int) int {
		if i < 0 {
			return made[-1-i]
		}
		if i < len(in) {
			return in[i]
		}
		return in[0]
	}
	for _, m := range recipe(n) {
		made = append(made, w.instr(kernel.Instr{Op: m.op, A: operand(m.a), B: operand(m.b), C: operand(m.c)}))
	}
	return made[len(made)-1], true
}

// narrowed is the place in an operand that may be broadcast.
func narrowed(x *ir.Node, at []form) []form {
	if len(x.Shape.Dimensions) == 0 {
		return nil
	}
	out := slices.Clone(at)
	for i, n := range x.Shape.Dimensions {
		if n == 1 {
			out[i] = form{}
		}
	}
	return out
}

// iota returns the index along an axis, which is a form like any other.
func (w *writer) iota(n *ir.Node, at []form) (int, bool) {
	f := at[n.Attrs.(int)].resolved()
	// Dimensions are numbered when the cluster is settled, and may split until then: n is stored if it is no plain axis.
	if f.offset != 0 || len(f.terms) != 1 || f.terms[0].each != 1 || !slices.Contains(w.space.dims, f.terms[0].dim) {
		if len(f.terms) == 0 && f.offset == 0 {
			return w.instr(kernel.Instr{Op: kernel.Constant}), true
		}
		w.failed = n
		return 0, false
	}
	r := w.instr(kernel.Instr{Op: kernel.Iota, Axis: slices.Index(w.space.dims, f.terms[0].dim)})
	w.iotas[r] = n
	if n.Shape.DType == dtypes.Float32 {
		r = w.instr(kernel.Instr{Op: kernel.ToFloat, A: r, B: r, C: r})
	}
	return r, true
}
