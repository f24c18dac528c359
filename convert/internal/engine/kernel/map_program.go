package kernel

import "slices"

// How often a register is computed, as in map.c.
const (
	levelUniform = iota // once a task
	levelRow            // once a block
	levelVector         // for every index
)

// opExpand fills a block with one number. It follows the operations of MapOp.
const opExpand = int32(MulAddF) + 1

// program is the instructions of a pass.
type program struct {
	list      []instruction
	registers int
	slots     int   // buffers
	cost      int64 // of an index, in passes over memory
}

// writer makes a program.
type writer struct {
	program
	level    []int32       // of the registers
	expanded map[int]int32 // registers that are one number: where their block is
}

// program translates the live instructions. With rows, an array that stands still along the inner dimension is read once a
// block.
func (s *space) program(rows bool) program {
	w := &writer{level: make([]int32, len(s.live)), expanded: map[int]int32{}}
	w.registers = len(s.live)
	for i := range s.streams[:s.reads] {
		a := &s.streams[i]
		a.level = s.levelOf(a, rows)
		w.level[a.register] = a.level
	}
	for i, in := range s.m.Code {
		if r := len(s.m.Loads) + i; s.live[r] && in.Op != Iota {
			w.add(in, r)
		}
	}
	results := s.streams[s.reads:]
	written := len(results) > 1 && slices.ContainsFunc(results, func(a access) bool { return a.reduce == 0 })
	for i := range results {
		a := &results[i]
		r := int(a.register)
		a.register = w.vector(r)
		if r < len(s.m.Loads) && w.level[r] == levelVector && written {
			a.register = w.copied(r) // a result may be written over the input
		}
	}
	w.slots = s.place(w.list, w.registers, rows)
	w.cost = 1
	for _, in := range w.list {
		switch op := MapOp(in.op); {
		case in.level != levelVector:
		case op == RemF:
			w.cost += 16
		case op >= PowF && op <= CosF && op != NegF && op != AbsF && op != SignF:
			w.cost += 2
		}
	}
	w.cost += int64(len(w.list)) / 8
	return w.program
}

// levelOf tells how often an array has to be read.
func (s *space) levelOf(a *access, rows bool) int32 {
	last := len(a.strides) - 1
	still := !slices.ContainsFunc(a.strides, func(stride int) bool { return stride != 0 })
	switch {
	case still:
		return levelUniform
	case rows && a.strides[last] == 0:
		return levelRow
	}
	return levelVector
}

func (w *writer) add(in Instr, r int) {
	out := instruction{op: int32(in.Op), dst: int32(r), a: int32(in.A), b: int32(in.B), c: int32(in.C)}
	if in.Op == Constant {
		out.a, out.b, out.c, out.bits = out.dst, out.dst, out.dst, in.Bits
		w.list = append(w.list, out)
		return
	}
	operands := in.operands()
	for _, o := range operands {
		out.level = max(out.level, w.level[o])
	}
	w.level[r] = out.level
	if out.level == levelVector {
		w.operands(&out, in)
	}
	if len(operands) < 2 {
		out.b = out.a
	}
	if len(operands) < 3 {
		out.c = out.a
	}
	w.list = append(w.list, out)
}

// operands marks operands that are one number, or fills blocks with them where the loop has no such form.
func (w *writer) operands(out *instruction, in Instr) {
	one := func(r int) bool { return w.level[r] != levelVector }
	switch {
	case in.Op == PowF || in.Op == RemF:
		out.a, out.b = w.vector(in.A), w.vector(in.B)
	case in.Op == Select, in.Op == MulAddF:
		if in.Op == MulAddF && one(in.A) {
			in.A, in.B = in.B, in.A
		}
		out.a, out.b = w.vector(in.A), int32(in.B)
		if one(in.B) {
			out.scalars |= 2
		}
		if one(in.C) {
			out.scalars |= 4
		}
	case len(in.operands()) == 2:
		if one(in.A) {
			out.scalars |= 1
		}
		if one(in.B) {
			out.scalars |= 2
		}
	}
}

// vector returns the register, or one with a block full of it.
func (w *writer) vector(r int) int32 {
	if w.level[r] == levelVector {
		return int32(r)
	}
	if e, ok := w.expanded[r]; ok {
		return e
	}
	e := int32(w.registers)
	w.registers++
	w.level = append(w.level, levelVector)
	w.expanded[r] = e
	w.list = append(w.list, instruction{op: opExpand, dst: e, a: int32(r), b: int32(r), c: int32(r), level: levelVector, scalars: 1})
	return e
}

// copied returns a register with the same numbers.
func (w *writer) copied(r int) int32 {
	e := int32(w.registers)
	w.registers++
	w.list = append(w.list, instruction{op: int32(Or), dst: e, a: int32(r), b: int32(r), c: int32(r), level: levelVector})
	return e
}

// lies tells whether every block of an array can be used where it is: see read in map.c.
func (s *space) lies(a *access, rows bool) bool {
	return !s.tiled && a.kind <= int32(Int32) && a.stride[a.dims-1] == 1 && (rows || a.dims == 1)
}

// place gives each register of a block a buffer, which it shares with registers that do not live at the same time, and
// returns how many buffers there are.
func (s *space) place(list []instruction, registers int, rows bool) int {
	last := make([]int, registers) // the instruction that reads a register last
	for i, in := range list {
		for _, r := range []int32{in.a, in.b, in.c} {
			last[r] = i
		}
	}
	for _, a := range s.streams[s.reads:] {
		last[a.register] = len(list)
	}
	slot := make([]int32, registers)
	var free []int32
	slots := int32(0)
	take := func(r int32) {
		if n := len(free); n > 0 {
			slot[r], free = free[n-1], free[:n-1]
			return
		}
		slot[r] = slots
		slots++
	}
	buffered := make([]bool, registers)
	for i := range s.streams[:s.reads] {
		a := &s.streams[i]
		if a.level == levelVector && !s.lies(a, rows) {
			take(a.register)
			a.slot = slot[a.register]
			buffered[a.register] = true
		}
	}
	for i := range list {
		in := &list[i]
		if in.level != levelVector {
			continue
		}
		operands := []int32{in.a, in.b, in.c}
		slices.Sort(operands)
		for _, r := range slices.Compact(operands) {
			if buffered[r] && last[r] == i {
				free = append(free, slot[r])
				buffered[r] = false
			}
		}
		take(in.dst)
		in.bits = uint32(slot[in.dst])
		buffered[in.dst] = true
	}
	return int(slots)
}
