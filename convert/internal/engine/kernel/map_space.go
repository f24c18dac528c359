package kernel

import (
	"cmp"
	"slices"
)

// space is the dimensions of a pass in the order in which it walks: those that are kept, those that are reduced, and the
// inner one, which is of either kind; and how each array lies in them.
type space struct {
	m         *Map
	group     group
	live      []bool // of the registers
	size      []int
	kind      []section
	streams   []access // loads and indices, then results
	reads     int      // how many of streams are read
	tiled     bool
	innerKept bool // the last dimension is kept while others are reduced
}

type section uint8

const (
	sectionKept section = iota
	sectionReduced
	sectionInner
)

// access is how the space goes through an array.
type access struct {
	stream
	strides []int
}

func newSpace(m *Map, g group) *space {
	s := &space{m: m, group: g, live: make([]bool, len(m.Loads)+len(m.Code))}
	s.mark()
	s.collect()
	s.arrange()
	s.collapse()
	s.tile()
	return s
}

// mark finds the registers that the results want.
func (s *space) mark() {
	for _, o := range s.group.outs {
		s.live[s.m.Outs[o].Register] = true
	}
	first := len(s.m.Loads)
	for i, in := range slices.Backward(s.m.Code) {
		if !s.live[first+i] {
			continue
		}
		for _, r := range in.operands() {
			s.live[r] = true
		}
	}
}

// operands returns the registers that an instruction reads.
func (in Instr) operands() []int {
	switch in.Op {
	case Constant, Iota:
		return nil
	case Select, MulAddF:
		return []int{in.A, in.B, in.C}
	case AddF, SubF, MulF, DivF, MaxF, MinF, PowF, RemF, EqualF, NotEqualF, LessF, LessEqualF,
		AddI, SubI, MulI, MaxI, MinI, EqualI, NotEqualI, LessI, LessEqualI, And, Or, Xor:
		return []int{in.A, in.B}
	default:
		return []int{in.A}
	}
}

// collect lists the arrays with their strides over Map.Dims.
func (s *space) collect() {
	for i, l := range s.m.Loads {
		if s.live[i] {
			s.streams = append(s.streams, access{
				stream{offset: int64(l.Offset), kind: int32(l.Type), array: int32(i), register: int32(i)}, slices.Clone(l.Strides),
			})
		}
	}
	for i, in := range s.m.Code {
		if r := len(s.m.Loads) + i; in.Op == Iota && s.live[r] {
			strides := make([]int, len(s.m.Dims))
			strides[in.Axis] = 1
			s.streams = append(s.streams, access{stream{kind: typeIota, register: int32(r)}, strides})
		}
	}
	s.reads = len(s.streams)
	for _, o := range s.group.outs {
		out := s.m.Outs[o]
		over := reduced(s.m, out)
		strides := make([]int, len(s.m.Dims))
		for d, stride := len(strides)-1, 1; d >= 0; d-- {
			if over>>d&1 == 0 {
				strides[d] = stride
				stride *= s.m.Dims[d]
			}
		}
		a := access{stream{kind: int32(out.Type), array: int32(o), register: int32(out.Register)}, strides}
		if over != 0 {
			a.reduce = int32(out.Reduce) // Sum, Max, Min are 1, 2, 3
			if out.Type != Float32 {
				a.reduce += reduceSumI - reduceSumF
			}
		}
		s.streams = append(s.streams, a)
	}
}

// arrange puts the dimensions in order and leaves out those of length 1.
func (s *space) arrange() {
	var order []int
	for d, size := range s.m.Dims {
		if size > 1 {
			order = append(order, d)
		}
	}
	inner := s.inner(order)
	section := func(d int) section {
		switch {
		case d == inner:
			return sectionInner
		case s.group.over>>d&1 == 1:
			return sectionReduced
		}
		return sectionKept
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(section(a), section(b)) })
	s.innerKept = len(order) > 0 && s.group.over != 0 && s.group.over>>inner&1 == 0
	for _, d := range order {
		s.size = append(s.size, s.m.Dims[d])
		k := section(d)
		if k == sectionInner && s.group.over == 0 {
			k = sectionKept
		} else if k == sectionInner && !s.innerKept {
			k = sectionReduced
		}
		s.kind = append(s.kind, k)
	}
	for i := range s.streams {
		strides := make([]int, len(order))
		for k, d := range order {
			strides[k] = s.streams[i].strides[d]
		}
		s.streams[i].strides = strides
	}
	if len(order) == 0 {
		s.insert()
	}
}

// insert gives a space without dimensions one.
func (s *space) insert() {
	s.size, s.kind = []int{1}, []section{sectionKept}
	for i := range s.streams {
		s.streams[i].strides = []int{1}
		if s.streams[i].kind != typeIota && i < s.reads {
			s.streams[i].strides[0] = 0
		}
	}
}

// inner chooses the inner dimension: the last, unless all is reduced and another suits the arrays better.
func (s *space) inner(order []int) int {
	if len(order) == 0 {
		return 0
	}
	best := order[len(order)-1]
	for _, a := range s.streams[s.reads:] {
		if a.reduce == 0 {
			return best
		}
	}
	most := -1
	for _, d := range order {
		points := 0
		for _, a := range s.streams[:s.reads] {
			switch a.strides[d] {
			case 1:
				points += 4
			case 0:
				points++
			}
		}
		if s.m.Dims[d] < 8 {
			points /= 2
		}
		if points >= most {
			best, most = d, points
		}
	}
	return best
}

// collapse joins neighbours of one section that every array goes through as if they were one.
func (s *space) collapse() {
	for d := len(s.size) - 2; d >= 0; d-- {
		joined := s.kind[d] == s.kind[d+1]
		for _, a := range s.streams {
			joined = joined && a.strides[d] == a.strides[d+1]*s.size[d+1]
		}
		if !joined {
			continue
		}
		s.size[d] *= s.size[d+1]
		s.size = slices.Delete(s.size, d+1, d+2)
		s.kind = slices.Delete(s.kind, d, d+1)
		for i := range s.streams {
			s.streams[i].strides = slices.Delete(s.streams[i].strides, d, d+1)
		}
	}
}

// tile decides whether a dense pass goes by tiles: where an array lies along another dimension than the inner one, which is
// then made the last but one.
func (s *space) tile() {
	last := len(s.size) - 1
	if s.group.over != 0 || last < 1 || s.size[last] < 4 {
		return
	}
	for _, a := range s.streams[:s.reads] {
		if a.strides[last] == 0 || a.strides[last] == 1 || a.kind == typeIota {
			continue
		}
		d := slices.Index(a.strides[:last], 1)
		if d < 0 || s.size[d] < 3 {
			continue
		}
		s.tiled = true
		s.size = moved(s.size, d, last-1)
		for i := range s.streams {
			s.streams[i].strides = moved(s.streams[i].strides, d, last-1)
		}
		return
	}
}

// moved returns the list with element from at place to.
func moved[T any](list []T, from, to int) []T {
	x := list[from]
	return slices.Insert(slices.Delete(slices.Clone(list), from, from+1), to, x)
}

// own gives a stream its own dimensions: those of the space from first up to end, joined where it can.
func (a *access) own(size []int, joined bool) {
	n := 0
	for d := range size {
		stride, length := int64(a.strides[d]), int64(size[d])
		if joined && n > 0 && a.stride[n-1] == stride*length {
			a.size[n-1] *= length
			a.stride[n-1] = stride
			continue
		}
		a.size[n], a.stride[n] = length, stride
		n++
	}
	a.dims = int32(n)
}
