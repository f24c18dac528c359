package rewrite

import (
	"slices"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// Limits of a Map that was merged of several.
const (
	mostCode  = 160
	mostLoads = 24
	mostOuts  = 16
	reach     = 24 // how many units back a partner is looked for
)

// A unit is one step of the rewritten graph: a cluster, or a node that stays as it is.
type unit struct {
	node    *ir.Node // nil for a cluster
	cluster *cluster
	after   map[*unit]bool // what must run before
	place   int
	gone    bool
}

// merge joins clusters that run one after the other over the same space and read the same arrays, or one what the other
// makes, so that memory is gone through once.
func (f *fusion) merge() {
	for i, q := range f.units {
		if q.cluster == nil {
			continue
		}
		for j := i - 1; j >= max(0, i-reach); j-- {
			p := f.units[j]
			if p.gone {
				continue
			}
			if p.cluster == nil {
				if len(p.node.Inputs) > 0 && volume(p.node.Shape.Dimensions) > small {
					break // memory would have to last over it
				}
				continue
			}
			f.join(p, q)
		}
	}
}

// join adds p to q, where that is possible and pays.
func (f *fusion) join(p, q *unit) {
	a, b := p.cluster, q.cluster
	if len(a.code)+len(b.code) > mostCode || len(a.loads)+len(b.loads) > mostLoads || len(a.outs)+len(b.outs) > mostOuts {
		return
	}
	if !a.shares(b) || between(p, q) {
		return
	}
	a, b, ok := align(a, b)
	if !ok {
		return
	}
	both, ok := together(a, b)
	if !ok {
		return
	}
	// q takes p's part: whoever waited for p waits for q now.
	q.cluster = both
	for u := range p.after {
		q.after[u] = true
	}
	delete(q.after, p)
	for _, u := range f.units {
		if u.after[p] {
			delete(u.after, p)
			if u != q {
				u.after[q] = true
			}
		}
	}
	p.gone = true
	for _, out := range both.outs {
		f.maker[out.node] = q
	}
}

// shares tells whether b reads something large that a reads or makes.
func (c *cluster) shares(b *cluster) bool {
	for _, l := range b.loads {
		if l.node.Shape.Size() <= small && volume(b.dims) > small {
			continue
		}
		if slices.ContainsFunc(c.loads, func(o load) bool { return o.node == l.node }) ||
			slices.ContainsFunc(c.outs, func(o result) bool { return o.node == l.node && o.Reduce == kernel.None }) {
			return true
		}
	}
	return false
}

// between tells whether q waits for something that waits for p, or p for q: units that were joined stand where the later
// one stood, so that an earlier unit may wait for one of them.
func between(p, q *unit) bool {
	seen := map[*unit]bool{}
	for u := range q.after {
		if u != p && waits(u, p, seen) {
			return true
		}
	}
	return waits(p, q, map[*unit]bool{})
}

// waits tells whether u is v, or waits for it.
func waits(u, v *unit, seen map[*unit]bool) bool {
	if u == v {
		return true
	}
	if seen[u] {
		return false
	}
	seen[u] = true
	for w := range u.after {
		if waits(w, v, seen) {
			return true
		}
	}
	return false
}

// align gives two clusters over equally many elements the same dimensions, if those can be split so.
func align(a, b *cluster) (x, y *cluster, ok bool) {
	if volume(a.dims) != volume(b.dims) {
		return nil, nil, false
	}
	pieces, ok := refine(a.dims, b.dims)
	if !ok {
		return nil, nil, false
	}
	if x, ok = a.over(pieces); !ok {
		return nil, nil, false
	}
	y, ok = b.over(pieces)
	return x, y, ok
}

// over splits the dimensions of c into pieces.
func (c *cluster) over(pieces []int) (*cluster, bool) {
	out := &cluster{dims: pieces, code: slices.Clone(c.code)}
	of := make([]int, 0, len(pieces)) // the dimension that a piece comes from
	inner := make([]int, len(pieces)) // how many of its indices one step of the piece is
	counts := make([]int, len(c.dims))
	k := 0
	for d, n := range c.dims {
		first := k
		for size := 1; size < n; k++ {
			size *= pieces[k]
			of = append(of, d)
		}
		step := 1
		for p := k - 1; p >= first; p-- {
			inner[p] = step
			step *= pieces[p]
		}
		counts[d] = k - first
	}
	for i, in := range out.code {
		if in.Op != kernel.Iota {
			continue
		}
		if counts[in.Axis] > 1 {
			return nil, false
		}
		if counts[in.Axis] == 0 {
			out.code[i] = kernel.Instr{Op: kernel.Constant}
			continue
		}
		out.code[i].Axis = slices.Index(of, in.Axis)
	}
	for _, l := range c.loads {
		strides := make([]int, len(pieces))
		for p, d := range of {
			strides[p] = l.Strides[d] * inner[p]
		}
		l.Strides = strides
		out.loads = append(out.loads, l)
	}
	for _, r := range c.outs {
		if r.Reduce != kernel.None {
			over := make([]bool, len(pieces))
			for p, d := range of {
				over[p] = r.Over[d]
			}
			r.Over = over
		}
		out.outs = append(out.outs, r)
	}
	return out, true
}

// together is b behind a, over the same dimensions. What b reads of a's outputs it takes from a's registers.
func together(a, b *cluster) (*cluster, bool) {
	c := &cluster{dims: a.dims, loads: slices.Clone(a.loads), code: slices.Clone(a.code), outs: slices.Concat(a.outs, nil)}
	dense := rowMajor(a.dims)
	at := make([]int, len(b.loads)) // registers of b's loads
	for i, l := range b.loads {
		if k := slices.IndexFunc(a.outs, func(o result) bool { return o.node == l.node }); k >= 0 {
			if a.outs[k].Reduce != kernel.None || l.Offset != 0 || !equalWhereLong(l.Strides, dense, a.dims) {
				return nil, false
			}
			at[i] = a.outs[k].Register
			if a.outs[k].Type == kernel.Uint8 {
				return nil, false
			}
			continue
		}
		k := slices.IndexFunc(c.loads, func(o load) bool {
			return o.node == l.node && o.Offset == l.Offset && equalWhereLong(o.Strides, l.Strides, a.dims)
		})
		if k < 0 {
			k = len(c.loads)
			c.loads = append(c.loads, l)
		}
		at[i] = -1 - k
	}
	known := map[kernel.Instr]int{}
	for i, in := range c.code {
		known[in] = i
	}
	moved := make([]int, len(b.code))
	register := func(r int) int {
		if r < 0 {
			return at[-1-r]
		}
		return moved[r]
	}
	for i, in := range b.code {
		if in.Op != kernel.Constant && in.Op != kernel.Iota {
			in.A, in.B, in.C = register(in.A), register(in.B), register(in.C)
		}
		k, ok := known[in]
		if !ok {
			k = len(c.code)
			c.code = append(c.code, in)
			known[in] = k
		}
		moved[i] = k
	}
	for _, r := range b.outs {
		r.Register = register(r.Register)
		c.outs = append(c.outs, r)
	}
	return c, true
}

// equalWhereLong compares strides along the dimensions that have more than one element.
func equalWhereLong(a, b, dims []int) bool {
	for i, n := range dims {
		if n > 1 && a[i] != b[i] {
			return false
		}
	}
	return true
}
