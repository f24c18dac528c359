package patch

import "runtime"

// pool lends blocks of float32 and takes them back, so that the memory of a long run is what is out at its worst.
type pool struct {
	free    [][]float32
	dropped int // values given to the garbage collector and not yet collected
}

// collectAt is how many dropped values are worth a collection: 64 MiB.
const collectAt = 16 << 20

// get returns a block of n values, whatever they are.
func (p *pool) get(n int) []float32 {
	best := -1
	for i, b := range p.free {
		if cap(b) >= n && cap(b) <= n+n/8 && (best < 0 || cap(b) < cap(p.free[best])) {
			best = i
		}
	}
	if best >= 0 {
		return p.take(best)[:n]
	}
	for need := n; need > 0; { // what is new must not come on top of what lies idle
		at := p.smallest()
		if at < 0 || cap(p.free[at]) > 4*n {
			break
		}
		idle := cap(p.take(at))
		need -= idle
		p.spill(idle)
	}
	return make([]float32, n)
}

// smallest returns the smallest block that is free, -1 for none.
func (p *pool) smallest() int {
	at := -1
	for i, b := range p.free {
		if at < 0 || cap(b) < cap(p.free[at]) {
			at = i
		}
	}
	return at
}

func (p *pool) take(i int) []float32 {
	b := p.free[i]
	last := len(p.free) - 1
	p.free[i], p.free[last] = p.free[last], nil
	p.free = p.free[:last]
	return b
}

// put takes a block back.
func (p *pool) put(b []float32) {
	if cap(b) > 0 {
		p.free = append(p.free, b[:cap(b)])
	}
}

// spill notes that n values have become garbage, and has them collected when there are many.
func (p *pool) spill(n int) {
	if p.dropped += n; p.dropped >= collectAt {
		runtime.GC()
		p.dropped = 0
	}
}
