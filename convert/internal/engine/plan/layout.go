package plan

import (
	"cmp"
	"slices"
)

const alignment = 64

// slot is memory that one value, or several in turn that are computed in place, lie in.
type slot struct {
	size     int64 // of its values; rounded up in the arena
	from, to int
	output   int // the graph's output whose memory it is, -1 for the arena
	offset   int64
}

// layout gives every value its place.
func (p *program) layout() *Plan {
	def, last := p.spans()
	as := p.returned()
	reuse := p.reuse(def, last, as)
	slots, of := p.slots(def, last, as, reuse)
	plan := &Plan{Constants: p.constants, Memory: p.fixed(reuse)}
	scratch := make([]*slot, len(p.units))
	var inArena []*slot
	for _, s := range slots {
		if s.output < 0 && s.size > 0 {
			inArena = append(inArena, s)
		}
	}
	for i, u := range p.units {
		if u.scratch > 0 {
			scratch[i] = &slot{size: u.scratch, from: i, to: i, output: -1}
			inArena = append(inArena, scratch[i])
		}
		if u.again {
			plan.Memory.Recomputed++
		}
	}
	plan.Memory.Arena = pack(inArena)
	for _, s := range inArena {
		plan.Lives = append(plan.Lives, Life{Place{Arena, 0, s.offset, s.size}, s.from, s.to})
	}
	place := func(v int) Place {
		x := p.values[v]
		switch s := of[v]; {
		case s == nil:
			return Place{Space: x.space, Index: x.index, Size: x.size}
		case s.output >= 0:
			return Place{Space: Output, Index: s.output, Size: x.size}
		default:
			return Place{Space: Arena, Offset: s.offset, Size: x.size}
		}
	}
	for i, u := range p.units {
		s := Step{Node: u.node, Ins: places(u.ins, place), Outs: places(u.outs, place), Again: u.again}
		if scratch[i] != nil {
			s.Scratch = Place{Space: Arena, Offset: scratch[i].offset, Size: u.scratch}
		}
		plan.Steps = append(plan.Steps, s)
	}
	for i, v := range p.outputs {
		plan.Results = append(plan.Results, Result{place(v), reuse[i]})
	}
	return plan
}

func places(values []int, place func(int) Place) []Place {
	out := make([]Place, len(values))
	for i, v := range values {
		out[i] = place(v)
	}
	return out
}

// slots joins values that are computed in place of one another and puts outputs into memory of their own.
func (p *program) slots(def, last, as, reuse []int) ([]*slot, []*slot) {
	var all []*slot
	of := make([]*slot, len(p.values))
	for i := range p.units {
		u := &p.units[i]
		var taken []*slot
		for o, v := range u.outs {
			s := p.joinable(u, i, o, of, as, reuse)
			if s != nil && !slices.Contains(taken, s) {
				taken = append(taken, s)
				s.to = last[v]
			} else {
				s = &slot{size: p.values[v].size, from: def[v], to: last[v], output: -1}
				all = append(all, s)
			}
			if as[v] >= 0 {
				s.output = as[v]
			}
			of[v] = s
		}
	}
	return all, of
}

// joinable returns the slot of an input of unit i that dies there and that output o may be written over, or nil.
func (p *program) joinable(u *unit, i, o int, of []*slot, as, reuse []int) *slot {
	v := u.outs[o]
	if as[v] >= 0 && reuse[as[v]] >= 0 || p.values[v].size == 0 {
		return nil // it has memory of the caller's, which only then is free
	}
	for _, in := range u.ins {
		s := of[in]
		if s == nil || s.output >= 0 || s.to != i || s.size != p.values[v].size || !u.inPlace(o, in) {
			continue
		}
		return s
	}
	return nil
}

// spared is the size of outputs, in bytes, that rather get memory of their own than overwrite what is donated early in a
// run, which could not be stopped from then on.
const spared = 64 << 10

// reuse pairs outputs with parameters whose memory they may take: those of the same size that nothing reads after the
// output is computed.
func (p *program) reuse(def, last, as []int) []int {
	pairs := make([]int, len(p.outputs))
	taken := make([]bool, len(p.params))
	for i := range pairs {
		pairs[i] = -1
	}
	for i, v := range p.outputs { // a parameter that is returned as it is
		if x := p.values[v]; x.space == Parameter && !taken[x.index] {
			pairs[i], taken[x.index] = x.index, true
		}
	}
	commit := p.commit(as)
	for _, within := range []bool{true, false} {
		for i, v := range p.outputs {
			if pairs[i] >= 0 || as[v] != i || p.values[v].size == 0 || p.values[v].size < spared && def[v] < commit {
				continue
			}
			u := &p.units[def[v]]
			for k, param := range p.params {
				if taken[k] || p.values[param].size != p.values[v].size || last[param] > def[v] {
					continue
				}
				if last[param] == def[v] && !u.inPlace(slices.Index(u.outs, v), param) || within && last[param] != def[v] {
					continue
				}
				pairs[i], taken[k] = k, true
				break
			}
		}
	}
	return pairs
}

// fixed sums up what does not depend on the order.
func (p *program) fixed(reuse []int) Memory {
	var m Memory
	for _, v := range p.values {
		switch v.space {
		case Parameter:
			m.Parameters += v.size
		case Constant:
			m.Constants += v.size
		default:
		}
	}
	for i, v := range p.outputs {
		if reuse[i] < 0 {
			m.Outputs += p.values[v].size
		}
	}
	return m
}

// pack gives slots offsets in the arena and returns its size: the largest first, each in the tightest gap among those
// already there that live at the same time.
func pack(slots []*slot) int64 {
	order := slices.Clone(slots)
	slices.SortStableFunc(order, func(a, b *slot) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.from, b.from)) })
	var placed []*slot // by offset
	var top int64
	for _, s := range order {
		s.offset = gap(placed, s)
		top = max(top, s.offset+round(s.size))
		at, _ := slices.BinarySearchFunc(placed, s, func(a, b *slot) int { return cmp.Compare(a.offset, b.offset) })
		placed = slices.Insert(placed, at, s)
	}
	return top
}

// gap finds the tightest place for a slot between those that live at the same time, or the end.
func gap(placed []*slot, s *slot) int64 {
	size := round(s.size)
	var end int64
	best, room := int64(-1), int64(0)
	for _, o := range placed {
		if o.to < s.from || s.to < o.from {
			continue
		}
		if free := o.offset - end; free >= size && (best < 0 || free < room) {
			best, room = end, free
		}
		end = max(end, o.offset+round(o.size))
	}
	if best >= 0 {
		return best
	}
	return end
}

func round(n int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }
