package edit

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// moves visits operators that put elements elsewhere.
func (s *surgery) moves(n *onnx.Node, l layout) bool {
	switch n.OpType {
	case "Transpose":
		perm := n.Ints("perm", nil)
		switch {
		case perm == nil:
			s.walk(n.Input(0), l.on(l.rank-1-l.at, l.rank))
		case len(perm) == l.rank && perm[l.at] >= 0 && int(perm[l.at]) < l.rank:
			s.walk(n.Input(0), l.on(int(perm[l.at]), l.rank))
		default:
			s.fail(n, "its permutation does not fit a tensor of %d axes", l.rank)
		}
	case "Unsqueeze", "Squeeze":
		s.squeezes(n, l)
	case "Flatten":
		s.reshapes(n, l, s.shape(n.Output(0)))
	case "Reshape":
		s.reshapes(n, l, nil)
	case "DepthToSpace", "SpaceToDepth":
		s.blocks(n, l)
	case "Slice":
		s.slices(n, l)
	case "Gather":
		s.gathers(n, l)
	default:
		return false
	}
	return true
}

func (s *surgery) squeezes(n *onnx.Node, l layout) {
	axes, ok := s.numbers(n, "axes", 1)
	if !ok {
		s.fail(n, "its axes are unknown")
		return
	}
	unsqueeze := n.OpType == "Unsqueeze"
	long := l.rank
	if !unsqueeze {
		long += len(axes)
	}
	extra := make([]bool, long)
	for _, a := range axes {
		if a < 0 {
			a += int64(long)
		}
		if a < 0 || int(a) >= long {
			s.fail(n, "axis %d is outside a tensor of %d axes", a, long)
			return
		}
		extra[a] = true
	}
	switch {
	case !unsqueeze:
		s.walk(n.Input(0), l.on(inserted(l.at, extra), long))
	case extra[l.at]:
		s.fail(n, "the axis of the classes is a new one")
	default:
		at := 0
		for _, e := range extra[:l.at] {
			if !e {
				at++
			}
		}
		s.walk(n.Input(0), l.on(at, long-len(axes)))
	}
}

// blocks visits DepthToSpace, whose input has the channels of a block for each class, and its inverse.
func (s *surgery) blocks(n *onnx.Node, l layout) {
	r := int(n.Int("blocksize", 1))
	switch {
	case l.at != 1 || r < 1 || r > 1<<10:
		s.fail(n, "it moves blocks along the axis of the classes")
		return
	case n.OpType == "SpaceToDepth":
		if l.before%(r*r) != 0 {
			s.fail(n, "it makes several channels of each class")
			return
		}
		l.before /= r * r
	case n.String("mode", "DCR") == "CRD":
		l.after *= r * r
	default:
		l.before *= r * r
	}
	s.walk(n.Input(0), l)
}

func (s *surgery) slices(n *onnx.Node, l layout) {
	axes, ok := s.numbers(n, "axes", 3)
	starts, okStart := s.numbers(n, "starts", 1)
	ends, okEnd := s.numbers(n, "ends", 2)
	if !ok && n.Input(3) == "" && n.Attr("axes") == nil && okStart {
		ok = true
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if !ok {
		s.fail(n, "its axes are unknown")
		return
	}
	for i, a := range axes {
		if int(a) != l.at && int(a)+l.rank != l.at {
			continue
		}
		if step, ok := s.numbers(n, "", 4); ok && (i >= len(step) || step[i] != 1) ||
			!okStart || !okEnd || i >= len(starts) || i >= len(ends) || starts[i] != 0 || ends[i] < 1<<31-1 {
			s.fail(n, "it selects some of the classes")
			return
		}
	}
	s.walk(n.Input(0), l)
}

func (s *surgery) gathers(n *onnx.Node, l layout) {
	name, chain, ok := s.origin(n.Input(1))
	if !ok {
		s.fail(n, "which elements it takes is computed")
		return
	}
	index := s.chained(s.stored[name].Shape(), chain)
	rank := l.rank - len(index) + 1
	axis := int(n.Int("axis", 0))
	if axis < 0 {
		axis += rank
	}
	switch {
	case index == nil || rank < 1:
		s.fail(n, "the shape of its indices is unknown")
	case l.at < axis:
		s.walk(n.Input(0), l.on(l.at, rank))
	case l.at >= axis+len(index):
		s.walk(n.Input(0), l.on(l.at-len(index)+1, rank))
	default:
		s.fail(n, "it selects some of the classes")
	}
}

// joins visits Split and Concat.
func (s *surgery) joins(n *onnx.Node, l layout) bool {
	switch n.OpType {
	case "Split":
		s.splits(n, l)
	case "Concat":
		axis := int(n.Int("axis", 1))
		if axis < 0 {
			axis += l.rank
		}
		parts := l
		if axis == l.at {
			if l.before%len(n.Inputs) != 0 {
				s.fail(n, "it joins the classes from %d parts", len(n.Inputs))
				return true
			}
			parts.before /= len(n.Inputs)
		}
		for k, in := range n.Inputs {
			if _, _, ok := s.origin(in); ok {
				s.operand(n, k, parts)
				continue
			}
			s.walk(in, parts)
		}
	default:
		return false
	}
	return true
}

func (s *surgery) splits(n *onnx.Node, l layout) {
	axis := int(n.Int("axis", 0))
	if axis < 0 {
		axis += l.rank
	}
	for _, o := range n.Outputs {
		if o != "" {
			s.seen[o] = l
		}
	}
	if axis != l.at {
		s.walk(n.Input(0), l)
		return
	}
	if sizes, ok := s.numbers(n, "split", 1); ok {
		for _, v := range sizes {
			if int(v) != l.size(s.count) {
				s.fail(n, "it splits the classes into unequal parts %v", sizes)
				return
			}
		}
		if n.Attr("split") != nil {
			now := slices.Repeat([]int64{int64(l.size(s.classes.Count))}, len(sizes))
			s.later(func() error { n.SetAttr(onnx.IntsAttr("split", now...)); return nil })
		}
	}
	if in := n.Input(1); in != "" {
		list := s.elements(in)
		for i := range list {
			s.target(n, list, i, l)
		}
		if list == nil {
			s.fail(n, "its sizes are unknown")
			return
		}
	}
	whole := l
	whole.before *= len(n.Outputs)
	s.walk(n.Input(0), whole)
}
