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
func openTest(t testing.TB, name string, o Options) *Session {
	t.Helper()
	needLibrary(t)
	s, err := Open("testdata/"+name+".onnx", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := native.Library(native.ONNXRuntime); err != nil {
		t.Skipf("onnxruntime is not installed: %v (%s)", err, hintOf(err))
	}
}

func floats(t testing.TB, shape []int, values ...float32) *onnx.Tensor {
	t.Helper()
	x, err := onnx.FromFloat32(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func ints(t testing.TB, shape []int, values ...int64) *onnx.Tensor {
	t.Helper()
	x, err := onnx.FromInt64(shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// values returns the elements of a tensor as float32.
func values(t testing.TB, x *onnx.Tensor) []float32 {
	t.Helper()
	out, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t testing.TB, s *Session, inputs map[string]*onnx.Tensor) map[string]*onnx.Tensor {
	t.Helper()
	out, err := s.Run(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantError fails the test unless err holds every text.
func wantError(t testing.TB, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("want an error with %q, got none", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("want %q in the error, got: %v", text, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("want an error of one line, got: %v", err)
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
