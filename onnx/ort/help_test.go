//go:build cgo

package ort

import (
	"math"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
)

// openTest opens a model of testdata. The test is skipped where onnxruntime is not installed.
func openTest(tb testing.TB, name string, o Options) *Session {
	tb.Helper()
	needLibrary(tb)
	s, err := Open("testdata/"+name+".onnx", o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func needLibrary(tb testing.TB) {
	tb.Helper()
	if _, err := native.Library(native.ONNXRuntime); err != nil {
		tb.Skipf("onnxruntime is not installed: %v (%s)", err, hintOf(err))
	}
}

func floats(tb testing.TB, shape []int, values ...float32) *onnx.Tensor {
	tb.Helper()
	x, err := onnx.FromFloat32(shape, values)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func ints(tb testing.TB, shape []int, values ...int64) *onnx.Tensor {
	tb.Helper()
	x, err := onnx.FromInt64(shape, values)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

// values returns the elements of a tensor as float32.
func values(tb testing.TB, x *onnx.Tensor) []float32 {
	tb.Helper()
	out, err := x.Float32()
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func run(tb testing.TB, s *Session, inputs map[string]*onnx.Tensor) map[string]*onnx.Tensor {
	tb.Helper()
	out, err := s.Run(tb.Context(), inputs)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// wantError fails the test unless err holds every text.
func wantError(tb testing.TB, err error, texts ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("want an error with %q, got none", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("want %q in the error, got: %v", text, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		tb.Errorf("want an error of one line, got: %v", err)
	}
}

// relative returns the largest difference over the largest value, NaN when one of them is.
func relative(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, scale float64
	for i := range want {
		diff = max(diff, math.Abs(float64(got[i])-float64(want[i]))) // max keeps NaN
		scale = max(scale, math.Abs(float64(want[i])))
	}
	if diff == 0 {
		return 0
	}
	return diff / scale
}
