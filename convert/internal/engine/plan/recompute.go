package plan

import (
	"slices"

	"github.com/gomlx/compute/shapes"
)

// The rates by which computing a value again is weighed: what the kernels reach on two threads.
const (
	flopsPerSecond    = 2e11
	bytesPerSecond    = 1e10
	fallbackPerSecond = 1e8 // bytes, where GoMLX's interpreter computes
	longest           = 64  // units that are computed again for one value
	attempts          = 6
)

// within plans the program for so many bytes: values that are alive across the fullest moment, though not used there, are
// dropped and computed again before their next use, those first that free the most for their time (after XLA's
// HloRematerialization). A MemoryError says the least that was reached.
func (p *program) within(bytes int64, whole *Plan) (*Plan, error) {
	fixed := whole.Memory.Total() - whole.Memory.Arena
	limit := bytes - fixed
	if made := p.below(limit, limit); made != nil {
		return made, nil
	}
	// The least that is reached is found by halving.
	least, low, high := whole.Memory.Arena, max(limit, 0), whole.Memory.Arena
	for range attempts {
		middle := (low + high) / 2
		if made := p.below(middle, middle); made != nil {
			least, high = made.Memory.Arena, middle
		} else {
			low = middle
		}
	}
	return nil, &MemoryError{fixed + least, bytes}
}

// below plans the program for an arena of so many bytes, or returns nil. Where offsets do not fit as tightly as lives do,
// it aims lower.
func (p *program) below(limit, aim int64) *Plan {
	for range attempts {
		q := p.clone()
		if aim <= 0 || !q.shrink(aim) {
			return nil
		}
		made := q.layout()
		if made.Memory.Arena <= limit {
			return made
		}
		aim -= made.Memory.Arena - limit
	}
	return nil
}

func (p *program) clone() *program {
	q := *p
	q.units, q.values = slices.Clone(p.units), slices.Clone(p.values)
	return &q
}

// shrink recomputes until no moment holds more than limit, and tells whether it could.
func (p *program) shrink(limit int64) bool {
	refused := map[int]bool{}
	for range 8 * len(p.units) {
		live := p.live()
		excess := over(live, limit)
		if excess == 0 {
			p.undo(limit)
			return true
		}
		s := newSearch(p, live, limit)
		c := s.best(refused)
		if c == nil {
			return false
		}
		q := p.clone()
		q.again(c)
		if over(q.live(), limit) < excess {
			*p = *q
			clear(refused)
		} else {
			refused[c.value] = true
		}
	}
	return false
}

// over sums up by how much each moment is over the limit.
func over(live []int64, limit int64) int64 {
	var sum int64
	for _, n := range live {
		sum += max(n-limit, 0)
	}
	return sum
}

// candidate is a value to drop and to compute again, by chain, just before unit next uses it.
type candidate struct {
	value, next int
	chain       []int // units, in order
	score       float64
}

// search looks for candidates at the fullest moment.
type search struct {
	p         *program
	live      []int64
	limit     int64
	peak      int
	def, last []int
	as        []int
	uses      [][]int
}

func newSearch(p *program, live []int64, limit int64) *search {
	s := &search{p: p, live: live, limit: limit, as: p.returned(), uses: make([][]int, len(p.values))}
	s.def, s.last = p.spans()
	for i, n := range live {
		if n > live[s.peak] {
			s.peak = i
		}
	}
	for i, u := range p.units {
		for _, v := range distinct(u.ins) {
			s.uses[v] = append(s.uses[v], i)
		}
	}
	return s
}

// best returns the candidate that relieves the arena most for its time, or nil.
func (s *search) best(refused map[int]bool) *candidate {
	var best *candidate
	for v, x := range s.p.values {
		if x.space != Arena || s.as[v] >= 0 || x.size == 0 || refused[v] || s.def[v] < 0 || s.def[v] >= s.peak || s.last[v] <= s.peak {
			continue
		}
		if c := s.candidate(v); c != nil && (best == nil || c.score > best.score) {
			best = c
		}
	}
	return best
}

// candidate weighs dropping a value that is alive across the peak; nil where it is used there or nothing is won.
func (s *search) candidate(v int) *candidate {
	at, used := slices.BinarySearch(s.uses[v], s.peak)
	if used || at == len(s.uses[v]) {
		return nil
	}
	previous := s.def[v]
	if at > 0 {
		previous = s.uses[v][at-1]
	}
	c := &candidate{value: v, next: s.uses[v][at]}
	kept := map[int]bool{}
	if !s.collect(v, c, kept) {
		return nil
	}
	slices.Sort(c.chain)
	gain := s.gain(previous, c.next, s.p.values[v].size)
	for w := range kept {
		gain -= s.loss(s.last[w], c.next, s.p.values[w].size)
	}
	gain -= s.passing(c)
	if gain <= 0 {
		return nil
	}
	var cost float64
	for _, i := range c.chain {
		cost += seconds(&s.p.units[i])
	}
	c.score = float64(gain) / (cost + 1e-6)
	return c
}

// collect finds the units that compute v again when unit c.next is to run, and the values that have to be kept for them
// longer than now.
func (s *search) collect(v int, c *candidate, kept map[int]bool) bool {
	i := s.def[v]
	if slices.Contains(c.chain, i) {
		return true
	}
	if len(c.chain) == longest {
		return false
	}
	c.chain = append(c.chain, i)
	for _, w := range s.p.units[i].ins {
		x := s.p.values[w]
		if x.space != Arena || s.as[w] >= 0 || s.last[w] >= c.next {
			continue
		}
		if x.size <= s.p.values[c.value].size/16 {
			kept[w] = true
			continue
		}
		if !s.collect(w, c, kept) {
			return false
		}
	}
	return true
}

// gain returns how much less the moments between two units are over the limit without size bytes.
func (s *search) gain(after, before int, size int64) int64 {
	var sum int64
	for i := after + 1; i < before; i++ {
		sum += min(round(size), max(s.live[i]-s.limit, 0))
	}
	return sum
}

// loss returns how much more the moments between two units are over the limit with size bytes.
func (s *search) loss(after, before int, size int64) int64 {
	var sum int64
	for i := max(after, 0) + 1; i < before; i++ {
		sum += max(s.live[i]+round(size)-s.limit, 0) - max(s.live[i]-s.limit, 0)
	}
	return sum
}

// passing returns by how much the recomputation itself is over the limit.
func (s *search) passing(c *candidate) int64 {
	u := &s.p.units[c.next]
	base := s.live[c.next] - round(u.scratch) - round(s.p.values[c.value].size)
	for _, v := range u.outs {
		if s.as[v] < 0 {
			base -= round(s.p.values[v].size)
		}
	}
	lastIn := map[int]int{}
	for k, i := range c.chain {
		for _, v := range s.p.units[i].ins {
			lastIn[v] = k
		}
	}
	var sum, now int64
	for k, i := range c.chain {
		u := &s.p.units[i]
		for _, v := range u.outs {
			now += round(s.p.values[v].size)
		}
		sum += max(base+now+round(u.scratch)-s.limit, 0)
		for j := range c.chain[:k+1] {
			for _, v := range s.p.units[c.chain[j]].outs {
				if end, used := lastIn[v]; v != c.value && (used && end == k || !used && j == k) {
					now -= round(s.p.values[v].size)
				}
			}
		}
	}
	return sum
}

// again applies a candidate.
func (p *program) again(c *candidate) {
	fresh := map[int]int{}
	var clones []unit
	for _, i := range c.chain {
		u := p.units[i]
		u.again = true
		u.ins, u.outs = slices.Clone(u.ins), slices.Clone(u.outs)
		for k, v := range u.ins {
			if w, ok := fresh[v]; ok {
				u.ins[k] = w
			}
		}
		for k, v := range u.outs {
			fresh[v] = p.arena(p.values[v].size)
			u.outs[k] = fresh[v]
		}
		clones = append(clones, u)
	}
	p.units = slices.Insert(slices.Clone(p.units), c.next, clones...)
	p.rename(map[int]int{c.value: fresh[c.value]}, c.next+len(clones))
}

// rename lets units, from one on, read other values.
func (p *program) rename(to map[int]int, from int) {
	for i := from; i < len(p.units); i++ {
		u := &p.units[i]
		if !slices.ContainsFunc(u.ins, func(v int) bool { _, ok := to[v]; return ok }) {
			continue
		}
		u.ins = slices.Clone(u.ins)
		for k, v := range u.ins {
			if w, ok := to[v]; ok {
				u.ins[k] = w
			}
		}
	}
}

// undo takes back recomputations that, after all, are not needed: where an earlier unit's values can be kept instead.
func (p *program) undo(limit int64) {
	for i := len(p.units); i > 0; {
		i = min(i, len(p.units)) - 1
		if !p.units[i].again {
			continue
		}
		for j := i - 1; j >= 0; j-- {
			if p.units[j].origin != p.units[i].origin {
				continue
			}
			q := p.clone()
			to := map[int]int{}
			for k, v := range p.units[i].outs {
				to[v] = p.units[j].outs[k]
			}
			q.units = slices.Delete(q.units, i, i+1)
			q.rename(to, i)
			q.prune()
			if over(q.live(), limit) == 0 {
				*p = *q
			}
			break
		}
	}
}

// prune removes recomputations that nobody uses.
func (p *program) prune() {
	used := map[int]bool{}
	for _, v := range p.outputs {
		used[v] = true
	}
	kept := make([]unit, 0, len(p.units))
	for _, u := range slices.Backward(p.units) {
		if u.again && !slices.ContainsFunc(u.outs, func(v int) bool { return used[v] }) {
			continue
		}
		for _, v := range u.ins {
			used[v] = true
		}
		kept = append(kept, u)
	}
	slices.Reverse(kept)
	p.units = kept
}

// seconds estimates how long a unit takes.
func seconds(u *unit) float64 {
	var bytes int64
	for _, in := range u.node.Inputs {
		if in.Shape.Ok() {
			bytes += in.Shape.ByteSize()
		}
	}
	all := u.node.Shapes
	if u.node.Shape.Ok() {
		all = []shapes.Shape{u.node.Shape}
	}
	for _, s := range all {
		bytes += s.ByteSize()
	}
	if op := operation(u.node); op != nil {
		return float64(op.Flops())/flopsPerSecond + float64(bytes)/bytesPerSecond
	}
	return float64(bytes) / fallbackPerSecond
}
