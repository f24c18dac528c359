package kernel

import "slices"

// The order in which a pass walks, as in map.c.
const (
	orderDense   = iota // nothing is reduced
	orderRuns           // each kept index reduces a long run
	orderGroups         // each kept index reduces a short run; several share a block
	orderColumns        // the inner dimension is kept: rows are added to rows
)

// The types of streams that DType lacks, and the reductions as map.c has them.
const (
	typeIota = 4

	reduceSumF = 1
	reduceSumI = 4
)

const (
	blockLength = 1024  // of a block, where not more than a few registers live at once
	longRow     = 512   // from which blocks end where rows do
	longRun     = 256   // from which a run that is reduced has blocks of its own
	taskWork    = 32768 // indices, times their cost, that are worth a task
	maxTasks    = 512
	tileSide    = 32
)

// stream is nitrain_stream, passHead is nitrain_pass, instruction is nitrain_instr.
type (
	stream struct {
		offset                                                  int64
		size, stride                                            [8]int64
		dims, kind, array, register, level, slot, reduce, where int32
	}
	passHead struct {
		kept, reduced, inner                                               int64
		total, block                                                       int64
		line, piece, pieces                                                int64
		parts, units, tasks                                                int64
		tileRows, tileColumns                                              int64
		order, tiled, registers, slots, streams, instrs, results, uniforms int32
	}
	instruction struct {
		op, dst, a, b, c, level int32
		scalars, bits           uint32
	}
)

// mapPlan is a Map translated: passes over its space, one for each set of dimensions that is reduced.
type mapPlan struct {
	of       *Map
	passes   []mapPass
	scratch  int
	ins, out []int // bytes that are read and written; 0 for inputs without use
}

// mapPass is a walk over the space, as C takes it: streams that are read, then streams that are written.
type mapPass struct {
	head    passHead
	streams []stream
	code    []instruction
}

func translate(m *Map) *mapPlan {
	p := &mapPlan{of: m, ins: make([]int, len(m.Loads)), out: make([]int, len(m.Outs))}
	for i, out := range m.Outs {
		n := 1
		for d, size := range m.Dims {
			if out.Reduce == None || !out.Over[d] {
				n *= size
			}
		}
		p.out[i] = n * out.Type.size()
	}
	if product(m.Dims) == 0 {
		return p
	}
	for _, group := range groups(m) {
		s := newSpace(m, group)
		p.passes = append(p.passes, s.pass(p))
	}
	return p
}

// group is the results of one pass and the dimensions that they reduce, a bit each.
type group struct {
	outs []int
	over uint
}

// reduced returns the dimensions that a result really goes over.
func reduced(m *Map, out Result) uint {
	var over uint
	for d, size := range m.Dims {
		if out.Reduce != None && out.Over[d] && size > 1 {
			over |= 1 << d
		}
	}
	return over
}

// groups puts results that reduce the same dimensions together. Dense results come last, since they may overwrite inputs,
// and with the last reductions where one walk suits both.
func groups(m *Map) []group {
	var all []group
	var dense []int
	for i, out := range m.Outs {
		over := reduced(m, out)
		at := slices.IndexFunc(all, func(g group) bool { return g.over == over })
		switch {
		case over == 0:
			dense = append(dense, i)
		case at < 0:
			all = append(all, group{[]int{i}, over})
		default:
			all[at].outs = append(all[at].outs, i)
		}
	}
	if len(dense) == 0 {
		return all
	}
	if last := len(all) - 1; last >= 0 && !newSpace(m, group{dense, 0}).tiled {
		all[last].outs = append(all[last].outs, dense...)
		return all
	}
	return append(all, group{dense, 0})
}

// need raises the bytes that are wanted of an input.
func (p *mapPlan) need(l Load, in int, dims []int) {
	last := l.Offset
	for d, size := range dims {
		last += max(0, (size-1)*l.Strides[d])
	}
	p.ins[in] = max(p.ins[in], (last+1)*l.Type.size())
}
