//go:build cgo

package kernel

import (
	"math"
	"testing"
	"time"
)

// measure reports gigabytes a second of the fastest run, and the same for a plain copy that moves as many bytes with the
// same threads (so many read, so many written).
func measure(b *testing.B, team *Team, op Operation, outs, ins [][]byte, moved int) {
	b.Helper()
	scratch := aligned(op.Scratch(team.Threads()))
	best := time.Duration(math.MaxInt64)
	for range max(b.N, 1) {
		start := time.Now()
		op.Run(team, outs, ins, scratch)
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(moved)/float64(best.Nanoseconds()), "GB/s")
	b.ReportMetric(float64(best.Nanoseconds())/1e3, "us/best")
	half := aligned(moved / 2)
	from := aligned(moved / 2)
	clone := &Assemble{Size: len(half), Width: 1, Parts: []Part{{Dims: []int{len(half)}, From: View{Strides: []int{1}}, To: View{Strides: []int{1}}}}}
	best = time.Duration(math.MaxInt64)
	for range max(min(b.N, 20), 5) {
		start := time.Now()
		clone.Run(team, [][]byte{half}, [][]byte{from}, nil)
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(moved)/float64(best.Nanoseconds()), "copy-GB/s")
}

func dense(dims ...int) View {
	v := View{Strides: make([]int, len(dims))}
	for d, stride := len(dims)-1, 1; d >= 0; d-- {
		v.Strides[d] = stride
		stride *= dims[d]
	}
	return v
}

// programs are what training steps are made of, over arrays of 4 MB: longer ones are never measured undisturbed on a machine
// that others use.
func programs() map[string]*Map {
	dims := []int{2, 16, 1 << 15}
	whole := Load{View: dense(dims...)}
	channel := Load{View: View{Strides: []int{0, 1, 0}}}
	single := Load{View: View{Strides: []int{0, 0, 0}}}
	over := []bool{true, false, true}
	return map[string]*Map{
		"add":  {Dims: dims, Loads: []Load{whole, whole}, Code: []Instr{{Op: AddF, B: 1}}, Outs: []Result{{Register: 2}}},
		"relu": {Dims: dims, Loads: []Load{whole}, Code: []Instr{{Op: Constant}, {Op: MaxF, B: 1}}, Outs: []Result{{Register: 2}}},
		"relugrad": {
			Dims: dims, Loads: []Load{whole, whole},
			Code: []Instr{{Op: Constant}, {Op: LessF, A: 2, B: 0}, {Op: Select, A: 3, B: 1, C: 2}},
			Outs: []Result{{Register: 4}},
		},
		"batchnorm": {
			Dims: dims, Loads: []Load{whole, channel, channel},
			Code: []Instr{{Op: MulAddF, B: 1, C: 2}},
			Outs: []Result{{Register: 3}},
		},
		"channelsums": {
			Dims: dims, Loads: []Load{whole}, Code: []Instr{{Op: MulF}},
			Outs: []Result{{Register: 0, Reduce: Sum, Over: over}, {Register: 1, Reduce: Sum, Over: over}},
		},
		"fullsum": {Dims: dims, Loads: []Load{whole}, Outs: []Result{{Register: 0, Reduce: Sum, Over: []bool{true, true, true}}}},
		"columnsums": {Dims: []int{1024, 1024}, Loads: []Load{{View: dense(1024, 1024)}}, Outs: []Result{{
			Register: 0, Reduce: Sum, Over: []bool{true, false},
		}}},
		"shortcolumns": {Dims: []int{1 << 16, 16}, Loads: []Load{{View: dense(1<<16, 16)}}, Outs: []Result{{
			Register: 0, Reduce: Sum, Over: []bool{true, false},
		}}},
		"rowsums": {Dims: []int{1 << 14, 64}, Loads: []Load{{View: dense(1<<14, 64)}}, Outs: []Result{{
			Register: 0, Reduce: Sum, Over: []bool{false, true},
		}}},
		"shortrows": {Dims: []int{1 << 16, 10}, Loads: []Load{{View: dense(1<<16, 10)}}, Outs: []Result{{
			Register: 0, Reduce: Max, Over: []bool{false, true},
		}}},
		"exp": {Dims: dims, Loads: []Load{whole}, Code: []Instr{{Op: ExpF}}, Outs: []Result{{Register: 1}}},
		"gelu": {
			Dims: dims, Loads: []Load{whole},
			Code: []Instr{
				{Op: Constant, Bits: math.Float32bits(0.70710678)},
				{Op: MulF, B: 1},
				{Op: ErfF, A: 2},
				{Op: Constant, Bits: math.Float32bits(0.5)},
				{Op: MulAddF, A: 3, B: 4, C: 4},
				{Op: MulF, A: 5, B: 0},
			},
			Outs: []Result{{Register: 6}},
		},
		"transpose": {Dims: []int{1024, 1000}, Loads: []Load{{View: View{Strides: []int{1, 1024}}}}, Outs: []Result{{Register: 0}}},
		"addtransposed": {
			Dims: []int{1024, 1000}, Loads: []Load{{View: View{Strides: []int{1, 1024}}}, {View: dense(1024, 1000)}},
			Code: []Instr{{Op: AddF, B: 1}},
			Outs: []Result{{Register: 2}},
		},
		"adam":     adam(dims, whole, single),
		"tinyadam": adam([]int{128}, Load{View: dense(128)}, Load{View: View{Strides: []int{0}}}),
		"scalar":   {Loads: []Load{{}, {}}, Code: []Instr{{Op: MulF, B: 1}}, Outs: []Result{{Register: 2}}},
	}
}

// adam is one update: loads are weights, gradient, two moments and the step's learning rate; weights and moments come out.
func adam(dims []int, whole, single Load) *Map {
	number := func(x float32) Instr { return Instr{Op: Constant, Bits: math.Float32bits(x)} }
	return &Map{
		Dims: dims, Loads: []Load{whole, whole, whole, whole, single},
		Code: []Instr{
			number(0.9),                      // 5
			number(0.1),                      // 6
			number(0.999),                    // 7
			number(0.001),                    // 8
			number(1e-8),                     // 9
			{Op: MulF, A: 1, B: 6},           // 10
			{Op: MulAddF, A: 2, B: 5, C: 10}, // 11: m
			{Op: MulF, A: 1, B: 1},           // 12
			{Op: MulF, A: 12, B: 8},          // 13
			{Op: MulAddF, A: 3, B: 7, C: 13}, // 14: v
			{Op: SqrtF, A: 14},               // 15
			{Op: AddF, A: 15, B: 9},          // 16
			{Op: MulF, A: 11, B: 4},          // 17
			{Op: DivF, A: 17, B: 16},         // 18
			{Op: SubF, A: 0, B: 18},          // 19
		},
		Outs: []Result{{Register: 19}, {Register: 11}, {Register: 14}},
	}
}

func BenchmarkMap(b *testing.B) {
	team := newTeam(b, 2)
	all := programs()
	for _, name := range []string{
		"add", "relu", "relugrad", "batchnorm", "channelsums", "fullsum", "columnsums", "shortcolumns", "rowsums", "shortrows", "exp", "gelu",
		"transpose", "addtransposed", "adam", "tinyadam", "scalar",
	} {
		m := all[name]
		b.Run(name, func(b *testing.B) {
			var ins, outs [][]byte
			moved := 0
			for _, n := range m.translated().ins {
				ins = append(ins, aligned(n))
				moved += n
			}
			for _, in := range ins {
				for i, x := range float32s(in) {
					float32s(in)[i] = x*0 + float32(i%97)*0.01
				}
			}
			for i, n := range m.translated().out {
				outs = append(outs, aligned(n))
				moved += n
				if name == "adam" || name == "tinyadam" {
					outs[i] = ins[[]int{0, 2, 3}[i]]
				}
			}
			measure(b, team, m, outs, ins, moved)
		})
	}
}

func BenchmarkAssemble(b *testing.B) {
	team := newTeam(b, 2)
	for _, c := range []struct {
		name  string
		width int
		dims  []int
		from  []int
	}{
		{"copy", 4, []int{1 << 20}, []int{1}},
		{"transpose", 4, []int{1024, 1024}, []int{1, 1024}},
		{"transpose-odd", 4, []int{1023, 1001}, []int{1, 1023}},
		{"channelslast", 4, []int{4, 8192, 32}, []int{1 << 18, 1, 8192}},
		{"heads", 4, []int{2, 12, 512, 64}, []int{512 * 768, 64, 768, 1}},
		{"transpose-bytes", 1, []int{1024, 1024}, []int{1, 1024}},
		{"reverse", 4, []int{1 << 20}, []int{-1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := product(c.dims)
			p := Part{Dims: c.dims, From: View{Strides: c.from}, To: dense(c.dims...)}
			for d, s := range c.from {
				p.From.Offset += max(0, -s) * (c.dims[d] - 1)
			}
			a := &Assemble{Size: n, Width: c.width, Parts: []Part{p}}
			measure(b, team, a, [][]byte{aligned(n * c.width)}, [][]byte{aligned(n * c.width)}, 2*n*c.width)
		})
	}
}
