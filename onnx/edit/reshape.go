package edit

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// reshapes visits a Reshape (shape nil) or a Flatten with a known shape of its output.
func (s *surgery) reshapes(n *onnx.Node, l layout, shape []int) {
	list := s.elements(n.Input(1))
	if n.OpType == "Flatten" {
		list = nil
	}
	in := s.shape(n.Input(0))
	if s.grouped(n, l, list) {
		return
	}
	if perm := s.turned(n); n.OpType == "Reshape" && l.size(s.count) == 1 && perm != nil && (perm[l.at] == 1 || int(perm[l.at]) == l.rank-1) {
		s.turn(n, perm)
		s.walk(n.Input(0), l.on(int(perm[l.at]), l.rank))
		return
	}
	if shape == nil {
		shape = s.reshaped(n, in)
	}
	if declared, ok := s.shapes[n.Output(0)]; ok && len(declared) == l.rank {
		shape = declared
	}
	if len(shape) != l.rank || in == nil {
		s.fail(n, "the shapes of its input and output are not known well enough")
		return
	}
	shape = slices.Clone(shape)
	shape[l.at] = l.size(s.count)
	to, ok := regroup(in, shape, l, s.count)
	if !ok {
		s.fail(n, "it mixes the classes with other axes: %v to %v", in, shape)
		return
	}
	if list != nil {
		s.target(n, list, l.at, l)
	}
	s.walk(n.Input(0), to)
}

// regroup finds where the classes of a reshaped value are in the value before. Sizes may be unknown (-1) as
// long as the axes in front of the classes correspond.
func regroup(in, out []int, l layout, classes int) (layout, bool) {
	at, ok := aligned(in, out, l.at)
	if !ok || at >= len(in) {
		return layout{}, false
	}
	size := l.size(classes)
	rest := 1 // of the axes behind the classes, as far as they are joined to them in front of the reshape
	next := l.at + 1
	for {
		switch {
		case in[at] == size*rest || in[at] < 0 && rest == 1:
			return layout{at, len(in), l.before, l.after * rest}, true
		case in[at] > size*rest && next < len(out) && out[next] > 0:
			rest *= out[next]
			next++
			continue
		}
		break
	}
	if rest == 1 && in[at] > 0 && l.before%in[at] == 0 && at+1 < len(in) && in[at+1] == size/in[at] {
		return layout{at + 1, len(in), l.before / in[at], l.after}, true
	}
	return layout{}, false
}

// aligned returns the axis of in before which there are as many elements as before axis at of out.
func aligned(in, out []int, at int) (int, bool) {
	i, j := 0, 0
	for j < at {
		if i >= len(in) {
			return 0, false
		}
		a, b := in[i], out[j]
		i, j = i+1, j+1
		for a != b && a > 0 && b > 0 {
			switch {
			case a < b && i < len(in) && in[i] > 0:
				a, i = a*in[i], i+1
			case a > b && j < at && out[j] > 0:
				b, j = b*out[j], j+1
			default:
				return 0, false
			}
		}
		if a < 0 && b > 1 && i == 1 && j == 1 {
			continue // a free batch that the shape fixes
		}
		if (a < 0) != (b < 0) && (i != 1 || j != 1) {
			return 0, false
		}
	}
	return i, true
}

// grouped visits the Reshape that ends a group normalisation written as InstanceNormalization between two
// reshapes; false when it is none.
func (s *surgery) grouped(n *onnx.Node, l layout, list []element) bool {
	norm := s.maker[n.Input(0)]
	if norm == nil || norm.OpType != "InstanceNormalization" || l.at != 1 {
		return false
	}
	first := s.maker[norm.Input(0)]
	if first == nil || first.OpType != "Reshape" {
		return false
	}
	into := s.elements(first.Input(1))
	if len(into) != 3 || !into[1].known || into[1].value < 1 {
		return false
	}
	groups, was, now := int(into[1].value), l.size(s.count), l.size(s.classes.Count)
	s.visited[norm], s.visited[first] = true, true
	switch {
	case groups == was:
		s.target(first, into, 1, l)
		s.resize(slot{norm, 1}, 0, l, filling{value: 1})
		s.resize(slot{norm, 2}, 0, l, filling{value: 0})
		inner := l.on(1, 3)
		s.seen[norm.Output(0)], s.seen[first.Output(0)] = inner, inner
	case now%groups != 0:
		s.fail(norm, "%d channels do not make %d groups", now, groups)
	}
	s.target(n, list, l.at, l)
	s.walk(first.Input(0), l)
	return true
}

// target changes the number in a list of sizes that counts the classes, if it is a stored one.
func (s *surgery) target(n *onnx.Node, list []element, at int, l layout) {
	if at >= len(list) {
		s.fail(n, "the sizes that it is told are unknown")
		return
	}
	e := list[at]
	was, now := int64(l.size(s.count)), int64(l.size(s.classes.Count))
	if !e.known || e.value != was && e.value <= 1 { // computed, -1, 0: as the input; 1: broadcast
		return
	}
	if e.value != was {
		s.fail(n, "want size %d for the classes, got %d", was, e.value)
		return
	}
	user := e.user
	if user.node == nil {
		user = slot{n, slices.IndexFunc(n.Inputs, func(v string) bool { return v != "" && s.leads(v, e.name) })}
		if user.input < 0 {
			s.fail(n, "the sizes that it is told are unknown")
			return
		}
	}
	s.later(func() error { return s.setElement(user, e, now) })
}

// leads reports whether a value is a stored tensor handed on.
func (s *surgery) leads(value, name string) bool {
	origin, _, ok := s.origin(value)
	return ok && origin == name
}

// fixed checks that a number in a list is what it has to be, where it is known.
func (s *surgery) fixed(n *onnx.Node, list []element, l layout, want int64) {
	if l.at < len(list) && list[l.at].known && list[l.at].value != want {
		s.fail(n, "it repeats the classes")
	}
}

// setElement gives one number of a stored list another value, for one user of it.
func (s *surgery) setElement(user slot, e element, now int64) error {
	name, _, _ := s.origin(user.node.Input(user.input)) // an earlier change may have copied it
	t := s.stored[name]
	v, err := t.Int64()
	if err != nil {
		return err
	}
	v[e.index] = now
	changed, err := fromInts(t.DType(), t.Shape(), v)
	if err != nil {
		return err
	}
	return s.store(user, name, changed)
}

// turned returns the permutation that a Reshape of a value with one channel stands for, when it moves that
// channel behind the spatial axes or back, as exporters write it; nil when it does something else.
func (l *links) turned(n *onnx.Node) []int64 {
	in := l.shape(n.Input(0))
	out := l.reshaped(n, in)
	if len(in) < 3 || len(in) != len(out) {
		return nil
	}
	last := len(in) - 1
	perm := make([]int64, 0, len(in))
	switch {
	case in[last] == 1 && out[1] == 1 && alike(in[1:last], out[2:]):
		perm = append(perm, 0, int64(last))
		for i := 1; i < last; i++ {
			perm = append(perm, int64(i))
		}
	case in[1] == 1 && out[last] == 1 && alike(in[2:], out[1:last]):
		perm = append(perm, 0)
		for i := 2; i <= last; i++ {
			perm = append(perm, int64(i))
		}
		perm = append(perm, 1)
	default:
		return nil
	}
	return perm
}

// alike reports whether sizes are equal as far as they are known.
func alike(a, b []int) bool {
	for i := range a {
		if a[i] != b[i] && a[i] > 0 && b[i] > 0 {
			return false
		}
	}
	return true
}

// turn makes such a Reshape a Transpose, which is the same for one channel and right for more.
func (s *surgery) turn(n *onnx.Node, perm []int64) {
	s.later(func() error {
		s.orphans = append(s.orphans, n.Input(1))
		n.OpType, n.Inputs, n.Attrs = "Transpose", n.Inputs[:1:1], []onnx.Attr{onnx.IntsAttr("perm", perm...)}
		return nil
	})
}
