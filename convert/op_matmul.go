package convert

import (
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
)

// matmul is numpy.matmul, in the builder's precision.
func (b *builder) matmul(x, y *graph.Node) *graph.Node { return narrowed(b.half, x, y, matmul) }

// matmul is numpy.matmul.
func matmul(a, b *graph.Node) *graph.Node {
	if a.Rank() == 1 && b.Rank() == 1 {
		return graph.ReduceAllSum(graph.Mul(a, b))
	}
	if a.Rank() == 1 {
		y := matmul(reshape(a, 1, a.Shape().Size()), b)
		s := dims(y)
		return reshape(y, slices.Delete(s, len(s)-2, len(s)-1)...)
	}
	if b.Rank() == 1 {
		y := matmul(a, reshape(b, b.Shape().Size(), 1))
		s := dims(y)
		return reshape(y, s[:len(s)-1]...)
	}
	if b.Rank() == 2 {
		return graph.DotGeneral(a, []int{a.Rank() - 1}, nil, b, []int{0}, nil)
	}
	sa, sb := dims(a), dims(b)
	batch := broadcastShape(sa[:len(sa)-2], sb[:len(sb)-2])
	n := product(batch)
	fold := func(x *graph.Node, s []int) *graph.Node {
		x = broadcast(x, append(slices.Clone(batch), s[len(s)-2:]...))
		return reshape(x, n, s[len(s)-2], s[len(s)-1])
	}
	y := graph.DotGeneral(fold(a, sa), []int{2}, []int{0}, fold(b, sb), []int{1}, []int{0})
	return reshape(y, append(slices.Clone(batch), sa[len(sa)-2], sb[len(sb)-1])...)
}

func opMatMul(c *call) []*value {
	a, b := c.arg(0).shape, c.arg(1).shape
	if len(a) == 0 || len(b) == 0 || a[len(a)-1] != b[max(0, len(b)-2)] {
		fail("matrices of shapes %v and %v do not fit", a, b)
	}
	return c.out(c.matmul(c.x(0), c.x(1)))
}

// opGemm is Gemm: alpha*A*B + beta*C.
func opGemm(c *call) []*value {
	a, b := c.x(0), c.x(1)
	if a.Rank() != 2 || b.Rank() != 2 {
		fail("want two matrices, got shapes %v and %v", dims(a), dims(b))
	}
	ka, kb := 1, 0
	if c.intAttr("transA", 0) != 0 {
		ka = 0
	}
	if c.intAttr("transB", 0) != 0 {
		kb = 1
	}
	if dims(a)[ka] != dims(b)[kb] {
		fail("matrices of shapes %v and %v do not fit", dims(a), dims(b))
	}
	y := narrowed(c.half, a, b, func(a, b *graph.Node) *graph.Node {
		return graph.DotGeneral(a, []int{ka}, nil, b, []int{kb}, nil)
	})
	if alpha := c.floatAttr("alpha", 1); alpha != 1 {
		y = graph.MulScalar(y, alpha)
	}
	if bias := c.opt(2); bias != nil {
		if beta := c.floatAttr("beta", 1); beta != 1 {
			bias = graph.MulScalar(bias, beta)
		}
		both := sameRank(y, bias)
		y = graph.Add(both[0], both[1])
	}
	return c.out(y)
}

// term is an operand of an Einsum: a node and the letter of each axis.
type term struct {
	node    *graph.Node
	letters []rune
}

// opEinsum is Einsum with any number of operands, repeated letters and an ellipsis.
func opEinsum(c *call) []*value {
	equation := strings.ReplaceAll(c.stringAttr("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	parts := strings.Split(left, ",")
	if len(parts) != len(c.in) {
		fail("equation %q does not have %d operands", equation, len(c.in))
	}
	terms := make([]term, len(parts))
	hidden := 0
	for i, p := range parts {
		terms[i] = term{node: c.x(i)}
		n := c.x(i).Rank() - len([]rune(strings.Replace(p, "...", "", 1)))
		if !strings.Contains(p, "...") && n != 0 || n < 0 {
			fail("equation %q does not fit operand %d of shape %v", equation, i, c.arg(i).shape)
		}
		terms[i].letters = letters(p, n)
		hidden = max(hidden, n)
	}
	var out []rune
	if explicit {
		out = letters(right, hidden)
	} else {
		out = implicitOutput(terms, hidden)
	}
	for i := range terms {
		terms[i] = diagonal(terms[i])
	}
	acc := terms[0]
	for i, t := range terms[1:] {
		needed := slices.Clone(out)
		for _, later := range terms[i+2:] {
			needed = append(needed, later.letters...)
		}
		acc = contract(acc, t, needed)
	}
	return c.out(arrangeTerm(acc, out))
}

// letters expands an ellipsis of n axes to private letters, aligned at the end.
func letters(p string, n int) []rune {
	var out []rune
	before, after, has := strings.Cut(p, "...")
	out = append(out, []rune(before)...)
	if has {
		for i := n; i > 0; i-- {
			out = append(out, ellipsisLetter+rune(i))
		}
	}
	return append(out, []rune(after)...)
}

// ellipsisLetter is the first of a range of code points that no equation uses.
const ellipsisLetter = rune(0xE000)

// implicitOutput is the ellipsis and then, in order, the letters that appear once.
func implicitOutput(terms []term, hidden int) []rune {
	out := letters("...", hidden)
	count := map[rune]int{}
	for _, t := range terms {
		for _, l := range t.letters {
			count[l]++
		}
	}
	var single []rune
	for l, n := range count {
		if n == 1 && l < ellipsisLetter {
			single = append(single, l)
		}
	}
	slices.Sort(single)
	return append(out, single...)
}

// diagonal takes the diagonal of axes that share a letter.
func diagonal(t term) term {
	for i := range len(t.letters) {
		j := slices.Index(t.letters[i+1:], t.letters[i])
		if j < 0 {
			continue
		}
		j += i + 1
		n := t.node.Shape().Dimensions[i]
		// Multiply by the identity and sum one of the two axes away.
		shape := ones(t.node.Rank())
		shape[i], shape[j] = n, n
		eye := newHost(1, shape)
		for k := range n {
			eye.floats[k*n+k] = 1
		}
		x := graph.ReduceSum(graph.Mul(t.node, constantLike(t.node, eye)), j)
		return diagonal(term{x, slices.Delete(slices.Clone(t.letters), j, j+1)})
	}
	return t
}

// contract multiplies two terms and sums over the letters that nothing else needs.
func contract(a, b term, needed []rune) term {
	a, b = sumUnneeded(a, b, needed), sumUnneeded(b, a, needed)
	var ca, cb, ba, bb []int
	var batch, ra, rb []rune
	for i, l := range a.letters {
		j := slices.Index(b.letters, l)
		switch {
		case j < 0:
			ra = append(ra, l)
		case a.node.Shape().Dimensions[i] != b.node.Shape().Dimensions[j]:
			if dims(a.node)[i] != 1 && dims(b.node)[j] != 1 {
				fail("operands have sizes %d and %d where they share a letter", dims(a.node)[i], dims(b.node)[j])
			}
			// One of the two is a broadcast axis of an ellipsis.
			return contract(stretch(a, b), stretch(b, a), needed)
		case slices.Contains(needed, l):
			ba, bb, batch = append(ba, i), append(bb, j), append(batch, l)
		default:
			ca, cb = append(ca, i), append(cb, j)
		}
	}
	for _, l := range b.letters {
		if !slices.Contains(a.letters, l) {
			rb = append(rb, l)
		}
	}
	if len(ca) == 0 && len(ra)+len(rb) == 0 {
		b = term{arrangeTerm(b, a.letters), a.letters}
		return term{graph.Mul(a.node, b.node), a.letters}
	}
	y := graph.DotGeneral(a.node, ca, ba, b.node, cb, bb)
	return term{y, append(append(batch, ra...), rb...)}
}

// stretch broadcasts axes of size one to the other term's size.
func stretch(t, other term) term {
	shape := dims(t.node)
	for i, l := range t.letters {
		if j := slices.Index(other.letters, l); j >= 0 && shape[i] == 1 {
			shape[i] = other.node.Shape().Dimensions[j]
		}
	}
	return term{broadcast(t.node, shape), t.letters}
}

// sumUnneeded sums over axes whose letter appears nowhere else.
func sumUnneeded(t, other term, needed []rune) term {
	var over []int
	var rest []rune
	for i, l := range t.letters {
		if slices.Contains(needed, l) || slices.Contains(other.letters, l) {
			rest = append(rest, l)
		} else {
			over = append(over, i)
		}
	}
	if len(over) == 0 {
		return t
	}
	return term{graph.ReduceSum(t.node, over...), rest}
}

// arrangeTerm sums over letters that are not wanted and puts the others in order.
func arrangeTerm(t term, want []rune) *graph.Node {
	t = sumUnneeded(t, term{}, want)
	perm := make([]int, len(want))
	for i, l := range want {
		perm[i] = slices.Index(t.letters, l)
		if perm[i] < 0 {
			fail("letter %q of the result is in no operand", string(l))
		}
	}
	return permute(t.node, perm...)
}
