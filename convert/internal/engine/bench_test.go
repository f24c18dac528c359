//go:build cgo

package engine

import (
	"testing"
)

// BenchmarkStep trains the plain 3-D U-Net 16-32-64-128 on 1x1x64x64x64. testdata/gen/bench.py is the same in PyTorch.
func BenchmarkStep(b *testing.B) {
	u := unet{3, []int{16, 32, 64, 128}, 2}
	engine := repaired(b)
	tr := newTrainer(u, engine, 1e-3)
	x, labels := u.batch(1, 64)
	for range 2 {
		if _, err := tr.step(engine, x, labels); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := tr.step(engine, x, labels); err != nil {
			b.Fatal(err)
		}
	}
}
