package plan

import "slices"

// worthwhile is the part of the peak that is given for runs that can be stopped until their end.
const worthwhile = 20

// order chooses the first of some orders that is about as good as the best. Eager, units that free more memory than they
// take run as soon as what they need is there. Late, what makes outputs alone comes last besides, so that a run can be
// stopped until it overwrites what was donated.
func (p *program) order() {
	recorded, eager := p.units, p.eager()
	small := p.peak() / worthwhile
	orders := [][]unit{p.late(eager, small), p.late(recorded, small), p.late(eager, small/worthwhile), p.late(recorded, small/worthwhile), eager, recorded}
	peaks := make([]int64, len(orders))
	for i, o := range orders {
		p.units = o
		peaks[i] = p.peak()
	}
	best := slices.Min(peaks)
	p.units = orders[slices.IndexFunc(peaks, func(n int64) bool { return n <= best+best/worthwhile })]
}

// late moves units to the end whose values are returned and not used here, unless more than most bytes are kept for one.
func (p *program) late(units []unit, most int64) []unit {
	as, used := p.returned(), p.used()
	var soon, late []unit
	for _, u := range units {
		var kept int64
		for _, v := range u.ins {
			if x := p.values[v]; x.space == Arena {
				kept += x.size
			}
		}
		if kept <= most && final(&u, as, used) {
			late = append(late, u)
		} else {
			soon = append(soon, u)
		}
	}
	return append(soon, late...)
}

// used tells which values units read.
func (p *program) used() []bool {
	used := make([]bool, len(p.values))
	for _, u := range p.units {
		for _, v := range u.ins {
			used[v] = true
		}
	}
	return used
}

// final tells whether all that a unit makes is returned and nothing of it used here.
func final(u *unit, as []int, used []bool) bool {
	return !slices.ContainsFunc(u.outs, func(v int) bool { return as[v] < 0 || used[v] })
}

// commit returns the first of the units at the end that make outputs alone.
func (p *program) commit(as []int) int {
	used := p.used()
	at := len(p.units)
	for at > 0 && final(&p.units[at-1], as, used) {
		at--
	}
	return at
}

// peak returns the most bytes of the arena that are alive at once, not counting what in-place computation saves.
func (p *program) peak() int64 {
	live := p.live()
	if len(live) == 0 {
		return 0
	}
	return slices.Max(live)
}

// live returns for each unit how many bytes of the arena hold something while it runs.
func (p *program) live() []int64 {
	def, last := p.spans()
	as := p.returned()
	change := make([]int64, len(p.units)+2)
	for v, x := range p.values {
		if x.space == Arena && as[v] < 0 && def[v] >= 0 {
			change[def[v]] += round(x.size)
			change[last[v]+1] -= round(x.size)
		}
	}
	live := make([]int64, len(p.units))
	var now int64
	for i := range p.units {
		u := &p.units[i]
		now += change[i]
		live[i] = now + round(u.scratch) - p.saved(u, i, last, as)
	}
	return live
}

// saved returns the bytes that unit i does not need since it computes in place.
func (p *program) saved(u *unit, i int, last, as []int) int64 {
	var sum int64
	var taken []int
	for o, v := range u.outs {
		for _, in := range u.ins {
			if x := p.values[in]; x.space != Arena || as[in] >= 0 || last[in] != i || x.size != p.values[v].size || slices.Contains(taken, in) {
				continue
			}
			if as[v] < 0 && u.inPlace(o, in) {
				taken = append(taken, in)
				sum += round(p.values[v].size)
				break
			}
		}
	}
	return sum
}

// eager returns the units in such an order.
func (p *program) eager() []unit {
	e := newEager(p)
	for i := range p.units {
		e.run(i)
	}
	return e.order
}

type eager struct {
	p     *program
	as    []int
	uses  []int   // of each value: units that have yet to read it
	waits []int   // of each unit: others that have to run before
	next  [][]int // of each unit: those that wait for it
	done  []bool
	order []unit
}

func newEager(p *program) *eager {
	e := &eager{p: p, as: p.returned(), uses: make([]int, len(p.values)), waits: make([]int, len(p.units)), next: make([][]int, len(p.units)), done: make([]bool, len(p.units))}
	def, last := p.spans()
	for i, u := range p.units {
		for _, v := range distinct(u.ins) {
			e.uses[v]++
			if def[v] >= 0 {
				e.after(def[v], i)
			}
		}
	}
	// What may take a donated parameter's memory waits for the others that read it.
	for i := range p.units {
		u := &p.units[i]
		if !slices.ContainsFunc(u.outs, func(v int) bool { return e.as[v] >= 0 }) || slices.ContainsFunc(u.outs, func(v int) bool { return e.uses[v] > 0 }) {
			continue
		}
		for _, v := range distinct(u.ins) {
			if p.values[v].space == Parameter && last[v] >= 0 {
				for j := range i {
					if slices.Contains(p.units[j].ins, v) {
						e.after(j, i)
					}
				}
			}
		}
	}
	return e
}

// after makes unit b wait for unit a.
func (e *eager) after(a, b int) {
	e.next[a] = append(e.next[a], b)
	e.waits[b]++
}

// run appends unit i, then those that it lets run and that make the arena no fuller.
func (e *eager) run(i int) {
	queue := []int{i}
	for len(queue) > 0 {
		k := queue[0]
		queue = queue[1:]
		if e.done[k] {
			continue
		}
		e.done[k] = true
		e.order = append(e.order, e.p.units[k])
		for _, v := range distinct(e.p.units[k].ins) {
			e.uses[v]--
		}
		for _, j := range e.next[k] {
			if e.waits[j]--; e.waits[j] == 0 && !e.done[j] && e.growth(j) <= 0 {
				queue = append(queue, j)
			}
		}
	}
}

// growth returns by how many bytes the arena is fuller after unit i.
func (e *eager) growth(i int) int64 {
	u := &e.p.units[i]
	var sum int64
	for _, v := range u.outs {
		if e.as[v] < 0 {
			sum += e.p.values[v].size
		}
	}
	for _, v := range distinct(u.ins) {
		if x := e.p.values[v]; x.space == Arena && e.as[v] < 0 && e.uses[v] == 1 {
			sum -= x.size
		}
	}
	return sum
}

func distinct(values []int) []int {
	out := make([]int, 0, len(values))
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
