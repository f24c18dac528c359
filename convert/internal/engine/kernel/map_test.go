//go:build cgo

package kernel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"unsafe"
)

// aligned returns n bytes at a multiple of 64, with others behind that must stay.
func aligned(n int) []byte {
	b := make([]byte, n+128)
	at := int(-uintptr(unsafe.Pointer(&b[0])) & 63)
	b = b[at : at+n+64]
	for i := range b {
		b[i] = 0xa5
	}
	return b[:n]
}

func untouched(b []byte) bool {
	rest := b[len(b) : len(b)+64]
	return !slices.ContainsFunc(rest, func(x byte) bool { return x != 0xa5 })
}

func run(t *Team, m *Map, ins [][]byte) [][]byte {
	outs := make([][]byte, len(m.Outs))
	for i, n := range m.translated().out {
		outs[i] = aligned(n)
	}
	m.Run(t, outs, ins, aligned(m.Scratch(t.Threads())))
	return outs
}

func floats(v ...float32) []byte {
	b := aligned(4 * len(v))
	for i, x := range v {
		binary.NativeEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

func float32s(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// TestMap compares random programs over random spaces and views with their meaning, in every width of vectors: more of them
// where NITRAIN_ACCEPTANCE is set.
func TestMap(t *testing.T) {
	team := newTeam(t, 3)
	seeds := uint64(120)
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		seeds = 5000
	}
	for _, wide := range []int{4, 8, 16} {
		t.Run(strconv.Itoa(wide), func(t *testing.T) {
			defer widest(wide)()
			for seed := range seeds {
				testRandom(t, team, seed)
				if t.Failed() {
					return
				}
			}
		})
	}
}

func testRandom(t *testing.T, team *Team, seed uint64) {
	g := &generator{rand.New(rand.NewPCG(seed, 7))}
	m, ins := g.program()
	want := evaluate(m, ins)
	outs := run(team, m, ins)
	check(t, m, outs, want, seed)
	for o := range m.Outs {
		for in := range m.Loads {
			if !m.InPlace(o, in) {
				continue
			}
			copied := make([][]byte, len(ins))
			for i := range ins {
				copied[i] = aligned(len(ins[i]))
				copy(copied[i], ins[i])
			}
			again := make([][]byte, len(outs))
			for i := range outs {
				again[i] = aligned(len(outs[i]))
			}
			again[o] = copied[in]
			m.Run(team, again, copied, aligned(m.Scratch(3)))
			for i := range again {
				if !slices.Equal(again[i][:len(outs[i])], outs[i]) {
					t.Errorf("seed %d: output %d differs with output %d in place of input %d: %+v", seed, i, o, in, m)
				}
			}
		}
	}
}

func check(t *testing.T, m *Map, outs [][]byte, want [][]float64, seed uint64) {
	t.Helper()
	for i, o := range m.Outs {
		if !untouched(outs[i]) {
			t.Errorf("seed %d: output %d is written past its end: %+v", seed, i, m)
		}
		for k, w := range want[i] {
			got := stored(o, outs[i], k)
			tolerance := 0x1p-126 // what only moves a denormal may keep it
			if o.Type == Float32 && o.Reduce == Sum {
				tolerance = 1e-6*math.Abs(w) + 1e-3 // partial sums: of terms up to about 1e3
			}
			switch o.Type {
			case Float32:
				w = float64(flushed(float32(w)))
			case Int32:
				w = float64(int32(int64(w)))
			default:
				w = float64(uint8(int64(w)))
			}
			if math.IsNaN(got) && math.IsNaN(w) || got == w || math.Abs(got-w) <= tolerance {
				continue
			}
			t.Errorf("seed %d: output %d, element %d: want %v, got %v: %+v", seed, i, k, w, got, m)
			return
		}
	}
}

func stored(o Result, b []byte, k int) float64 {
	switch o.Type {
	case Float32:
		return float64(math.Float32frombits(binary.NativeEndian.Uint32(b[4*k:])))
	case Int32:
		return float64(int32(binary.NativeEndian.Uint32(b[4*k:])))
	}
	return float64(b[k])
}

// generator makes programs of operations whose results are exact or rounded once.
type generator struct{ *rand.Rand }

func (g *generator) program() (*Map, [][]byte) {
	m := &Map{}
	sizes := []int{1, 2, 3, 5, 8, 17, 33, 64, 130, 600, 1100, 2500}
	for n := 1 + g.IntN(5); len(m.Dims) < n; {
		if size := sizes[g.IntN(len(sizes))]; product(m.Dims)*size < 20000 {
			m.Dims = append(m.Dims, size)
		} else {
			m.Dims = append(m.Dims, 1+g.IntN(2))
		}
	}
	var ins [][]byte
	for range 1 + g.IntN(4) {
		l, b := g.load(m.Dims)
		m.Loads = append(m.Loads, l)
		ins = append(ins, b)
	}
	kinds := make([]DType, 0, 20) // of registers: Float32, Int32 or Bool
	for _, l := range m.Loads {
		kinds = append(kinds, min(l.Type, Bool))
		if l.Type == Uint8 {
			kinds[len(kinds)-1] = Int32
		}
	}
	for range 1 + g.IntN(12) {
		in, kind := g.instr(kinds, len(m.Dims))
		m.Code = append(m.Code, in)
		kinds = append(kinds, kind)
	}
	for range 1 + g.IntN(3) {
		m.Outs = append(m.Outs, g.result(kinds, len(m.Dims)))
	}
	return m, ins
}

// load makes a view of an array: dense, permuted, broadcast, reversed or with gaps.
func (g *generator) load(dims []int) (Load, []byte) {
	l := Load{View: View{Offset: g.IntN(2) * g.IntN(20), Strides: make([]int, len(dims))}, Type: []DType{Float32, Float32, Float32, Int32, Bool, Uint8}[g.IntN(6)]}
	order := g.Perm(len(dims))
	if g.IntN(2) == 0 {
		slices.Sort(order)
	}
	stride := 1
	if g.IntN(6) == 0 {
		stride = 2
	}
	still := g.IntN(3) == 0
	for _, d := range slices.Backward(order) {
		if still && g.IntN(2) == 0 {
			continue
		}
		l.Strides[d] = stride
		stride *= dims[d]
		if g.IntN(12) == 0 {
			l.Offset += (dims[d] - 1) * l.Strides[d]
			l.Strides[d] *= -1
		}
	}
	n := l.Offset + stride + 1
	b := aligned(n * l.Type.size())
	for i := range n {
		switch l.Type {
		case Float32:
			x := float32(g.IntN(65)-32) / 4
			if g.IntN(500) == 0 {
				x = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-40}[g.IntN(4)]
			}
			binary.NativeEndian.PutUint32(b[4*i:], math.Float32bits(x))
		case Int32:
			binary.NativeEndian.PutUint32(b[4*i:], uint32(g.IntN(41)-20))
		case Bool:
			b[i] = byte(g.IntN(2))
		default:
			b[i] = byte(g.IntN(256))
		}
	}
	return l, b
}

func (g *generator) pick(kinds []DType, kind DType) (int, bool) {
	for range 20 {
		if r := g.IntN(len(kinds)); kinds[r] == kind {
			return r, true
		}
	}
	return 0, false
}

// instr makes an instruction of operands that there are.
func (g *generator) instr(kinds []DType, dims int) (Instr, DType) {
	for {
		op := MapOp(g.IntN(int(MulAddF) + 1))
		in := Instr{Op: op, Bits: math.Float32bits(float32(g.IntN(9) - 4)), Axis: g.IntN(dims)}
		from, to := Float32, Float32
		switch {
		case op == Constant:
			return in, Float32
		case op == Iota:
			return in, Int32
		case op >= ExpF && op <= CosF || op == PowF || op == RsqrtF:
			continue
		case op >= EqualF && op <= IsFiniteF || op == ToBool:
			to = Bool
		case op >= AddI && op <= SignI:
			from, to = Int32, Int32
		case op >= EqualI && op <= LessEqualI || op == IntToBool:
			from, to = Int32, Bool
		case op >= And && op <= Not:
			from, to = Bool, Bool
		case op == ToFloat:
			from = []DType{Int32, Bool}[g.IntN(2)]
		case op == ToInt:
			to = Int32
		case op == Select:
			from = []DType{Float32, Int32, Bool}[g.IntN(3)]
			to = from
		}
		ok := [3]bool{true, true, true}
		in.A, ok[0] = g.pick(kinds, from)
		if op == Select {
			in.A, ok[0] = g.pick(kinds, Bool)
		}
		in.B, ok[1] = g.pick(kinds, from)
		in.C, ok[2] = g.pick(kinds, from)
		if ok == [3]bool{true, true, true} {
			return in, to
		}
	}
}

func (g *generator) result(kinds []DType, dims int) Result {
	r := g.IntN(len(kinds))
	o := Result{Register: r, Type: kinds[r]}
	if kinds[r] == Int32 && g.IntN(4) == 0 {
		o.Type = Uint8
	}
	if g.IntN(2) == 0 {
		return o
	}
	o.Over = make([]bool, dims)
	for d := range o.Over {
		o.Over[d] = g.IntN(2) == 0
	}
	o.Reduce = Reduction(1 + g.IntN(3))
	return o
}
