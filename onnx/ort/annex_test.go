package ort

import (
	"math"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// TestFloat16Bits widens every float16 by its definition (IEEE 754-2008, 3.4) and narrows it again.
func TestFloat16Bits(t *testing.T) {
	for h := range 1 << 16 {
		sign, exponent, fraction := 1-2*float64(h>>15), h>>10&31, float64(h&1023)
		v := sign * math.Ldexp(1+fraction/1024, exponent-15)
		switch {
		case exponent == 0:
			v = sign * math.Ldexp(fraction/1024, -14)
			if fraction == 0 && sign < 0 {
				v = math.Copysign(0, -1)
			}
		case exponent == 31 && fraction == 0:
			v = sign * math.Inf(1)
		case exponent == 31:
			continue // NaNs have no value
		}
		if got := float16Bits(math.Float32bits(float32(v))); got != uint16(h) {
			t.Fatalf("%g: want %04x, got %04x", v, h, got)
		}
	}
	if got := float16Bits(math.Float32bits(float32(math.NaN()))); got&0x7c00 != 0x7c00 || got&0x3ff == 0 {
		t.Errorf("want a NaN, got %04x", got)
	}
}

func TestParseProvider(t *testing.T) {
	for text, want := range map[string]Provider{"": {}, "auto": {}, "cpu": {}, "cuda": {CUDA: true}, "cuda:3": {CUDA: true, Device: 3}} {
		if got, err := ParseProvider(text); err != nil || got != want {
			t.Errorf("%q: want %v, got %v, %v", text, want, got, err)
		}
	}
	for _, text := range []string{"gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"} {
		if got, err := ParseProvider(text); err == nil {
			t.Errorf("%q: want an error, got %v", text, got)
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		want, got []int
		fits      bool
	}{
		{nil, []int{1, 2}, true},
		{[]int{}, []int{}, true},
		{[]int{}, []int{1}, false},
		{[]int{-1, 2}, []int{7, 2}, true},
		{[]int{-1, 2}, []int{7, 3}, false},
		{[]int{-1}, []int{0}, true},
		{[]int{1}, []int{1, 1}, false},
	} {
		if got := fits(c.want, c.got); got != c.fits {
			t.Errorf("%v, %v: want %v", c.want, c.got, c.fits)
		}
	}
}

func TestAnnexOnlyWhereNeeded(t *testing.T) {
	x := onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: []int{-1}}
	half := onnx.ValueInfo{Name: "h", DType: onnx.Float16, Shape: []int{-1}}
	if !newAnnex([]onnx.ValueInfo{half}, []onnx.ValueInfo{x}).empty() {
		t.Error("want nothing to be added")
	}
	if newAnnex([]onnx.ValueInfo{x}, []onnx.ValueInfo{half}).empty() || newAnnex(nil, []onnx.ValueInfo{x}).empty() {
		t.Error("want something to be added")
	}
}
