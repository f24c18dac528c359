package kernel

import (
	"bytes"
	"cmp"
	"slices"
	"sync/atomic"
	"unsafe"
)

var _ Operation = (*Assemble)(nil)

// The ways of copying, as in assemble.c.
const (
	copyRuns    = iota // both sides are contiguous along the inner dimension
	copyTiles          // the source is contiguous along the last dimension but one, the output along the last
	copyStrided        // neither
)

const (
	pieceBytes    = 1 << 16 // of a run that is copied at once
	assembleBytes = 1 << 17 // worth a task
)

// copying is nitrain_copy.
type copying struct {
	from, to              int64 // first elements
	size, source, target  [8]int64
	piece, units, tasks   int64
	rows, columns         int64 // of a tile
	dims, way, input, gap int32
}

// assemblePlan is an Assemble translated.
type assemblePlan struct {
	of     *Assemble
	copies []copying
	ins    []int // bytes that are read
	tasks  int
	plain  bool // every byte of Fill is the same
}

func (a *Assemble) translated() *assemblePlan {
	if p := (*assemblePlan)(atomic.LoadPointer(&a.plan)); p != nil && p.of == a {
		return p
	}
	p := &assemblePlan{of: a, ins: make([]int, len(a.Parts)), plain: true}
	for i, part := range a.Parts {
		if product(part.Dims) == 0 {
			continue
		}
		last := part.From.Offset
		for d, size := range part.Dims {
			last += max(0, (size-1)*part.From.Strides[d])
		}
		p.ins[i] = (last + 1) * a.Width
		c := part.copying(a.Width)
		c.input = int32(i)
		p.copies = append(p.copies, c)
		p.tasks += int(c.tasks)
	}
	fill := a.Fill[:min(a.Width, len(a.Fill))]
	p.plain = bytes.Count(fill, fill[:1]) == len(fill)
	atomic.StorePointer(&a.plan, unsafe.Pointer(p))
	return p
}

// Scratch returns 0.
func (a *Assemble) Scratch(int) int { return 0 }

// InPlace is never true.
func (a *Assemble) InPlace(int, int) bool { return false }

// Flops returns 0: there is no arithmetic.
func (a *Assemble) Flops() int64 { return 0 }

// axis is a dimension of a part with its two strides.
type axis struct{ size, from, to int }

// axes returns the dimensions in the order of the output, as few as will do.
func (p Part) axes() []axis {
	var all []axis
	for d, size := range p.Dims {
		if size > 1 {
			all = append(all, axis{size, p.From.Strides[d], p.To.Strides[d]})
		}
	}
	slices.SortStableFunc(all, func(x, y axis) int { return cmp.Compare(max(y.to, -y.to), max(x.to, -x.to)) })
	for d := len(all) - 2; d >= 0; d-- {
		x, y := all[d], all[d+1]
		if x.from == y.from*y.size && x.to == y.to*y.size {
			all[d] = axis{x.size * y.size, y.from, y.to}
			all = slices.Delete(all, d+1, d+2)
		}
	}
	if len(all) == 0 {
		return []axis{{1, 1, 1}}
	}
	return all
}

// copying lays a part out for C.
func (p Part) copying(width int) copying {
	all := p.axes()
	last := len(all) - 1
	c := copying{from: int64(p.From.Offset), to: int64(p.To.Offset), way: copyStrided, dims: int32(len(all))}
	inner := all[last]
	across := slices.IndexFunc(all[:last], func(x axis) bool { return x.from == 1 })
	switch {
	case inner.from == 1 && inner.to == 1:
		c.way = copyRuns
	case inner.to == 1 && inner.from != 0 && across >= 0 && all[across].size > 2:
		c.way = copyTiles
		all = moved(all, across, last-1)
	}
	units := 1
	for d, x := range all {
		c.size[d], c.source[d], c.target[d] = int64(x.size), int64(x.from), int64(x.to)
		units *= x.size
	}
	c.tasks = max(1, min(int64(units*width/assembleBytes), 256))
	units /= inner.size
	piece := max(1, min(inner.size, pieceBytes/width))
	if c.way == copyTiles {
		high := all[last-1].size
		c.rows = int64(min(high, tileSide))
		c.columns = int64(min(inner.size, max(tileSide, 1024/min(high, tileSide)/16*16)))
		piece = int(c.columns)
		units = units / high * ((high + int(c.rows) - 1) / int(c.rows))
	}
	c.piece = int64(piece)
	c.units = int64(units * ((inner.size + piece - 1) / piece))
	c.tasks = min(c.tasks, c.units)
	return c
}
