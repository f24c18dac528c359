package kernel

import (
	"math/bits"
	"unsafe"
)

// pass lays out the walk.
func (s *space) pass(p *mapPlan) mapPass {
	for _, a := range s.streams[:s.reads] {
		if a.kind != typeIota {
			p.need(s.m.Loads[a.array], int(a.array), s.m.Dims)
		}
	}
	h := passHead{total: int64(product(s.size)), parts: 1, tileRows: 1, inner: 1}
	last := len(s.size) - 1
	row := s.size[last]
	rows := row >= longRow && !s.tiled // blocks end where rows do
	for i := range s.streams {
		a := &s.streams[i]
		switch {
		case a.reduce != 0:
			kept := s.keptDims()
			sizes := make([]int, len(kept))
			strides := make([]int, len(kept))
			for k, d := range kept {
				sizes[k], strides[k] = s.size[d], a.strides[d]
			}
			if len(kept) == 0 {
				sizes, strides = []int{1}, []int{1}
			}
			b := access{strides: strides}
			b.own(sizes, true)
			a.size, a.stride, a.dims = b.size, b.stride, b.dims
		default:
			a.own(s.size, !s.tiled)
		}
	}
	code := s.program(rows)
	block := blockLength
	switch {
	case code.slots > 48:
		block /= 4
	case code.slots > 16:
		block /= 2
	case code.slots <= 4 && !s.tiled:
		block *= 2
	}
	s.shape(&h, int64(block), rows)
	s.divide(&h, code.cost)
	h.registers, h.slots = int32(code.registers), int32(code.slots)
	h.streams, h.instrs, h.results = int32(s.reads), int32(len(code.list)), int32(len(s.streams)-s.reads)
	result := mapPass{code: code.list}
	wide := int64(1)
	if h.order == orderColumns {
		wide = min(h.piece, h.inner)
	}
	cells := int64(0)
	for i := range s.streams {
		a := &s.streams[i]
		if a.reduce != 0 && h.parts > 1 {
			a.where = int32(cells)
			cells += h.units * wide
		}
		result.streams = append(result.streams, a.stream)
	}
	p.scratch = max(p.scratch, int(cells)*int(unsafe.Sizeof(float64(0))))
	result.head = h
	return result
}

// keptDims returns the dimensions of the space that results of reductions have.
func (s *space) keptDims() []int {
	var kept []int
	for d, k := range s.kind {
		if k != sectionReduced {
			kept = append(kept, d)
		}
	}
	return kept
}

// shape chooses the order of the walk and the blocks.
func (s *space) shape(h *passHead, block int64, rows bool) {
	last := len(s.size) - 1
	row := int64(s.size[last])
	h.kept, h.reduced = 1, 1
	for d, k := range s.kind {
		switch k {
		case sectionKept:
			h.kept *= int64(s.size[d])
		case sectionReduced:
			h.reduced *= int64(s.size[d])
		case sectionInner:
			h.inner = int64(s.size[d])
		}
	}
	cut := func(line int64) { // into pieces of nearly the same length
		h.line = line
		h.pieces = (line + block - 1) / block
		h.piece = (line + h.pieces - 1) / h.pieces
		h.piece = min((h.piece+15)/16*16, line)
		h.pieces = (line + h.piece - 1) / h.piece
	}
	switch {
	case s.tiled:
		h.tiled = 1
		high := int64(s.size[last-1])
		h.tileRows = min(high, tileSide)
		h.tileColumns = min(row, max(tileSide, block/h.tileRows/16*16))
		h.tileRows = max(1, min(high, max(h.tileRows, block/h.tileColumns)))
		h.piece, h.pieces, h.line = h.tileRows*h.tileColumns, 1, h.total
		h.units = h.total / high / row * ((high + h.tileRows - 1) / h.tileRows) * ((row + h.tileColumns - 1) / h.tileColumns)
	case s.group.over == 0:
		cut(h.total)
		if rows {
			cut(row)
		}
		h.units = h.total / h.line * h.pieces
	case s.innerKept:
		h.order = orderColumns
		cut(h.inner)
		if !rows {
			h.tileRows = int64(1) << max(0, bits.Len64(uint64(block/h.inner))-1) // which halve well
		}
		h.units = h.kept * h.pieces
	case h.reduced >= longRun:
		h.order = orderRuns
		cut(h.reduced)
		if rows {
			cut(row)
		}
		h.units = h.kept
	default:
		h.order = orderGroups
		h.piece = max(1, block/h.reduced) * h.reduced
		h.piece = min(h.piece, h.total)
		h.pieces, h.line = 1, h.total
		h.units = (h.total + h.piece - 1) / h.piece
	}
	h.block = (h.piece*h.tileRows + 15) / 16 * 16
	if s.tiled {
		h.block = (h.piece + 15) / 16 * 16
	}
}

// divide makes tasks of the units, and parts of the reductions where units are few.
func (s *space) divide(h *passHead, cost int64) {
	tasks := min(max(1, h.total*cost/taskWork), maxTasks)
	var most, several int64 = 1, 1 // parts that a unit can have, tasks that are enough
	switch h.order {
	case orderRuns:
		most, several = h.reduced/h.line*h.pieces, 64
	case orderColumns:
		most, several = (h.reduced+h.tileRows-1)/h.tileRows, 32
	}
	if want := min(tasks, several); h.units < want && most > 1 {
		h.parts = min(most, (want+h.units-1)/h.units)
		h.units *= h.parts
	}
	h.tasks = min(tasks, h.units)
}
