package rewrite

import (
	"slices"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// A space is what a fused computation runs over: dimensions, which split where a reshape inside needs finer ones.
type space struct{ dims []*dim }

// A dim is one dimension of a space.
type dim struct {
	size  int
	parts []*dim // outermost first, once it is split
}

// A form is a linear function of a space's indices: where in an axis (or an array) an element lies.
type form struct {
	terms  []term
	offset int
}

type term struct {
	dim  *dim
	each int
}

// newSpace returns a space of the given sizes, and the forms that are its own axes.
func newSpace(sizes []int) (*space, []form) {
	s := &space{}
	var at []form
	for _, n := range sizes {
		d := &dim{size: n}
		s.dims = append(s.dims, d)
		at = append(at, axis(d))
	}
	return s, at
}

// axis is the index along d itself; along one element it is always 0.
func axis(d *dim) form {
	if d.size == 1 {
		return form{}
	}
	return form{terms: []term{{d, 1}}}
}

// leaves lists the dimensions of s as they are split now.
func (s *space) leaves() []*dim {
	var out []*dim
	var visit func(d *dim)
	visit = func(d *dim) {
		if d.parts == nil {
			out = append(out, d)
		}
		for _, p := range d.parts {
			visit(p)
		}
	}
	for _, d := range s.dims {
		visit(d)
	}
	return out
}

// resolved writes f in dimensions that are not split.
func (f form) resolved() form {
	out := form{offset: f.offset}
	var put func(d *dim, each int)
	put = func(d *dim, each int) {
		if d.parts == nil {
			if d.size > 1 {
				out.terms = append(out.terms, term{d, each})
			}
			return
		}
		for _, p := range slices.Backward(d.parts) {
			put(p, each)
			each *= p.size
		}
	}
	for _, t := range f.terms {
		put(t.dim, t.each)
	}
	return out
}

func (f form) times(n int) form {
	out := form{offset: f.offset * n}
	for _, t := range f.terms {
		out.terms = append(out.terms, term{t.dim, t.each * n})
	}
	return out
}

func (f form) plus(g form) form {
	out := form{terms: slices.Clone(f.terms), offset: f.offset + g.offset}
	for _, t := range g.terms {
		at := slices.IndexFunc(out.terms, func(o term) bool { return o.dim == t.dim })
		if at < 0 {
			out.terms = append(out.terms, t)
			continue
		}
		out.terms[at].each += t.each
	}
	return out
}

// linear is the place in a dense array of the given dimensions, where at says the place along each.
func linear(at []form, dims []int) form {
	var f form
	for i, s := range rowMajor(dims) {
		f = f.plus(at[i].times(s))
	}
	return f
}

// strides returns a resolved form's offset and step along each dimension of s.
func (s *space) strides(f form) (offset int, steps []int) {
	f = f.resolved()
	for _, d := range s.leaves() {
		step := 0
		for _, t := range f.terms {
			if t.dim == d {
				step += t.each
			}
		}
		steps = append(steps, step)
	}
	return f.offset, steps
}

// through returns where the input of n is read, when n is read at the given place, for operations that only move
// elements. It may split dimensions of the space. ok is false where no linear form says it.
func through(n *ir.Node, at []form) (in []form, ok bool) {
	x := n.Inputs[0]
	switch n.Op.Of() {
	case compute.OpTypeTranspose:
		in = make([]form, len(at))
		for i, p := range n.Attrs.([]int) {
			in[p] = at[i]
		}
		return in, true
	case compute.OpTypeBroadcastInDim:
		for i, a := range n.Attrs.([]int) {
			if x.Shape.Dimensions[i] == 1 {
				in = append(in, form{})
			} else {
				in = append(in, at[a])
			}
		}
		return in, true
	case compute.OpTypeSlice:
		a := n.Attrs.(ir.Slice)
		for i, f := range at {
			f = f.times(a.Strides[i])
			f.offset += a.Starts[i]
			in = append(in, f)
		}
		return in, true
	case compute.OpTypeReverse:
		in = slices.Clone(at)
		for _, i := range n.Attrs.([]int) {
			in[i] = at[i].times(-1)
			in[i].offset += x.Shape.Dimensions[i] - 1
		}
		return in, true
	case compute.OpTypeReshape:
		return reshaped(n.Shape.Dimensions, x.Shape.Dimensions, at)
	}
	return nil, false
}

// reshaped returns the place along the axes of `under`, for an array that is seen with the axes `over`. Both are cut
// into the finest pieces that they share: an axis of `over` is split into its pieces, an axis of `under` joined of them.
func reshaped(over, under []int, at []form) ([]form, bool) {
	pieces, ok := refine(over, under)
	if !ok {
		return nil, false
	}
	var finer []form // along every piece, outermost first
	rest := pieces
	for i, n := range over {
		k := 0
		for size := 1; size < n; k++ {
			size *= rest[k]
		}
		parts, ok := split(at[i], n, rest[:k])
		if !ok {
			return nil, false
		}
		finer, rest = append(finer, parts...), rest[k:]
	}
	in := make([]form, len(under))
	rest = pieces
	for i, n := range under {
		for size := 1; size < n; rest, finer = rest[1:], finer[1:] {
			in[i] = in[i].times(rest[0]).plus(finer[0])
			size *= rest[0]
		}
	}
	return in, true
}

// refine returns the common finer dimensions of two shapes of equally many elements, without ones; ok is false where
// the borders of one cut through the other's.
func refine(a, b []int) (pieces []int, ok bool) {
	borders := map[int]bool{}
	for _, dims := range [][]int{a, b} {
		n := 1
		for _, d := range slices.Backward(dims) {
			n *= d
			borders[n] = true
		}
	}
	var list []int
	for n := range borders {
		list = append(list, n)
	}
	slices.Sort(list)
	before := 1
	for _, n := range list {
		if n == 0 || n%before != 0 {
			return nil, false
		}
		if n > before {
			pieces = append(pieces, n/before)
		}
		before = n
	}
	slices.Reverse(pieces)
	return pieces, true
}

// split writes an index below n as indices of pieces of n.
func split(f form, n int, pieces []int) ([]form, bool) {
	if len(pieces) == 1 {
		return []form{f}, true
	}
	if len(pieces) == 0 {
		return nil, true
	}
	f = f.resolved()
	if len(f.terms) == 0 {
		out := make([]form, len(pieces)) // a constant
		rest := f.offset
		for i, p := range slices.Backward(pieces) {
			out[i].offset, rest = rest%p, rest/p
		}
		return out, true
	}
	if f.offset != 0 {
		return nil, false
	}
	// The terms, largest step first, must cover n exactly, one within the other.
	terms := slices.Clone(f.terms)
	slices.SortFunc(terms, func(a, b term) int { return b.each - a.each })
	step := 1
	for _, t := range slices.Backward(terms) {
		if t.each != step {
			return nil, false
		}
		step *= t.dim.size
	}
	if step != n {
		return nil, false
	}
	var sizes []int
	for _, t := range terms {
		sizes = append(sizes, t.dim.size)
	}
	finest, ok := refine(sizes, pieces)
	if !ok {
		return nil, false
	}
	var atoms []*dim
	for _, t := range terms {
		k := 0
		for size := 1; size < t.dim.size; k++ {
			size *= finest[k]
		}
		if k > 1 {
			for _, s := range finest[:k] {
				t.dim.parts = append(t.dim.parts, &dim{size: s})
			}
			atoms = append(atoms, t.dim.parts...)
		} else {
			atoms = append(atoms, t.dim)
		}
		finest = finest[k:]
	}
	out := make([]form, len(pieces))
	for i, n := range pieces {
		for size := 1; size < n; atoms = atoms[1:] {
			out[i] = out[i].times(atoms[0].size).plus(axis(atoms[0]))
			size *= atoms[0].size
		}
	}
	return out, true
}
