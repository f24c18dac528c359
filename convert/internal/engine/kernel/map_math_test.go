//go:build cgo

package kernel

import (
	"fmt"
	"math"
	"os"
	"testing"
	"unsafe"
)

// TestMapMath compares the functions with those of package math, in every width of vectors: on samples of all float32,
// one in 127 where NITRAIN_ACCEPTANCE is set.
func TestMapMath(t *testing.T) {
	step := uint64(20011)
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		step = 127
	}
	team := newTeam(t, 2)
	for _, c := range []struct {
		name string
		op   MapOp
		most float64 // units in the last place
	}{
		{"exp", ExpF, 1.5},
		{"expm1", Expm1F, 2},
		{"log", LogF, 1.5},
		{"log1p", Log1pF, 2},
		{"tanh", TanhF, 4},
		{"logistic", LogisticF, 2},
		{"erf", ErfF, 2},
		{"sin", SinF, 2},
		{"cos", CosF, 2},
		{"sqrt", SqrtF, 0.501},
		{"rsqrt", RsqrtF, 1.5},
		{"floor", FloorF, 0},
		{"ceil", CeilF, 0},
		{"round", RoundF, 0},
	} {
		for _, wide := range []int{4, 8, 16} {
			t.Run(fmt.Sprint(c.name, wide), func(t *testing.T) {
				defer widest(wide)()
				worst, at := unary(team, c.op, step)
				t.Logf("%.2f ulp, at %v", worst, at)
				if worst > c.most {
					t.Errorf("want at most %v ulp, got %v at %v", c.most, worst, at)
				}
			})
		}
	}
}

const mathChunk = 1 << 16

// unary returns the largest error of a function and where it is.
func unary(team *Team, op MapOp, step uint64) (worst float64, at float32) {
	m := &Map{Dims: []int{mathChunk}, Loads: []Load{{View: View{Strides: []int{1}}}}, Code: []Instr{{Op: op}}, Outs: []Result{{Register: 1}}}
	in, out := aligned(4*mathChunk), aligned(4*mathChunk)
	x := unsafe.Slice((*uint32)(unsafe.Pointer(&in[0])), mathChunk)
	for bits := uint64(0); bits < 1<<32; {
		for i := range x {
			x[i] = uint32(min(bits, math.MaxUint32))
			bits += step
		}
		m.Run(team, [][]byte{out}, [][]byte{in}, nil)
		for i, got := range float32s(out) {
			v := math.Float32frombits(x[i])
			if e := ulps(got, float(op, float64(flushed(v)), 0, 0)); e > worst {
				worst, at = e, v
			}
		}
	}
	return worst, at
}

// ulps is how far got is from the truth, in units of the last place of the truth as float32.
func ulps(got float32, truth float64) float64 {
	want := float32(truth)
	switch {
	case math.IsNaN(truth) && math.IsNaN(float64(got)) || got == want:
		return 0
	case math.Abs(truth) < 0x1p-126:
		if got == 0 || math.Abs(float64(got)) == 0x1p-126 {
			return 0
		}
	case math.IsInf(float64(got), 0) && !math.IsInf(truth, 0) && math.Abs(truth) > 0x1.fffffcp127:
		return 1 // the next number would be as good
	}
	_, e := math.Frexp(truth)
	if d := math.Abs(float64(got)-truth) / math.Ldexp(1, e-24); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
}

// TestMapPow compares powers with those of package math.
func TestMapPow(t *testing.T) {
	team := newTeam(t, 2)
	var a, b []float32
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	special := []float32{
		0, float32(math.Copysign(0, -1)), 1, -1, 2, -2, 3, -3, 0.5, -0.5, 0.999999, 1.000001, inf, -inf, nan,
		1e30, -1e30, 1e-30, 16777216, 16777217, -16777215, 33, -33, 2147483648, 4e9,
	}
	for _, x := range special {
		for _, y := range special {
			a, b = append(a, x), append(b, y)
		}
	}
	for i := range 200000 {
		a = append(a, float32(math.Exp(40*math.Sin(float64(i)))))
		b = append(b, float32(3*math.Cos(1.7*float64(i))*math.Exp(2*math.Sin(0.37*float64(i)))))
	}
	for _, wide := range []int{4, 8, 16} {
		undo := widest(wide)
		m := &Map{Dims: []int{len(a)}, Loads: []Load{{View: View{Strides: []int{1}}}, {View: View{Strides: []int{1}}}}, Code: []Instr{{Op: PowF, B: 1}}, Outs: []Result{{Register: 2}}}
		out := run(team, m, [][]byte{floats(a...), floats(b...)})
		worst := 0.0
		for i, got := range float32s(out[0]) {
			e := ulps(got, math.Pow(float64(a[i]), float64(b[i])))
			if worst = max(worst, e); e > 1 {
				t.Errorf("%v to the power of %v: got %v, %.1f ulp off", a[i], b[i], got, e)
			}
		}
		t.Logf("width %d: %.2f ulp", wide, worst)
		undo()
	}
}
