package onnx

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestHalfAll takes every binary16 number to float32 and back; and its value is computed from its parts.
func TestHalfAll(t *testing.T) {
	for h := range 1 << 16 {
		f := halfToFloat(uint16(h))
		exp, frac := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 31 && frac != 0:
			if f == f {
				t.Fatalf("%#x: want NaN, got %g", h, f)
			}
			continue
		case exp == 31:
			want = math.Inf(1)
		case exp == 0:
			want = math.Ldexp(frac, -24)
		}
		if math.Abs(float64(f)) != want || math.Signbit(float64(f)) != (h>>15 == 1) {
			t.Fatalf("%#x: want %g, got %g", h, want, f)
		}
		if back := floatToHalf(f); back != uint16(h) {
			t.Fatalf("%#x: comes back as %#x", h, back)
		}
	}
}

// TestHalfRounds compares with the nearer of the two neighbours, ties to the even one.
func TestHalfRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200000 {
		f := math.Float32frombits(r.Uint32())
		if f != f || math.Abs(float64(f)) > 65504 {
			continue
		}
		if r.IntN(2) == 0 {
			f = float32(r.NormFloat64())
		}
		got := floatToHalf(f)
		d := math.Abs(float64(halfToFloat(got)) - float64(f))
		for _, n := range []uint16{got - 1, got + 1} {
			v := float64(halfToFloat(n))
			if e := math.Abs(v - float64(f)); e < d || e == d && n&1 == 0 && got&1 == 1 {
				t.Fatalf("%g: %g is nearer than %g", f, v, halfToFloat(got))
			}
		}
	}
}

func TestBFloat(t *testing.T) {
	for f, want := range map[float32]uint16{1: 0x3f80, -2: 0xc000, 1.00390625: 0x3f80, 1.01171875: 0x3f82, 3.4e38: 0x7f80, 0: 0} {
		if got := floatToBFloat(f); got != want {
			t.Errorf("%g: want %#x, got %#x", f, want, got)
		}
	}
}
