//go:build cgo

package engine

import (
	"testing"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/internal/native"
)

// options returns the options of the ONNX engine, or skips.
func options(t testing.TB) Options {
	t.Helper()
	path, err := native.Library("onnxruntime")
	if err != nil {
		t.Skipf("no onnxruntime library: %v", err)
	}
	return Options{Kind: ONNX, Library: path}
}

// repaired returns the engine under test.
func repaired(t testing.TB) compute.Backend {
	t.Helper()
	b, err := New(options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}

// bare returns compute-onnx without the decorator.
func bare(t testing.TB) compute.Backend {
	t.Helper()
	b, err := bareONNX(options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}

// TestRepairs holds every case against the interpreter in float64 and finite differences. A repair whose case works on
// the bare backend too has become needless: the test fails, so that it is removed.
func TestRepairs(t *testing.T) {
	good, old := repaired(t), bare(t)
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) {
			o := c.askOracle(t)
			if err := c.check(good, o); err != nil {
				t.Error(err)
			}
			if c.crashes {
				return
			}
			err := c.check(old, o)
			if c.bareGood && err != nil {
				t.Errorf("bare backend: %v", err)
			}
			if !c.bareGood && err == nil {
				t.Error("the bare backend does it right: the repair can go")
			}
		})
	}
}
