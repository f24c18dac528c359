package convert_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// BenchmarkStep trains brainchop_tissue_high, a net of dilated convolutions, on volumes of 48x48x64.
func BenchmarkStep(b *testing.B) {
	engine := backend(b)
	m, err := onnx.ReadFile(filepath.Join(shared.Dir(b, "real", "models"), "brainchop_tissue_high.onnx"))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := g.NewStep(engine, convert.StepConfig{
		Optimizer: convert.DefaultOptimizer(convert.Adam),
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			return graph.ReduceAllMean(graph.Square(graph.Sub(out["logits"], batch["target"]))), nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill := func(shape ...int) *onnx.Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i%17) / 17
		}
		t, err := onnx.FromFloat32(shape, v)
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	batch := map[string]*onnx.Tensor{"input": fill(1, 1, 48, 48, 64), "target": fill(1, 3, 48, 48, 64)}
	for b.Loop() {
		if _, err := s.Run(context.Background(), 1e-3, batch); err != nil {
			b.Fatal(err)
		}
	}
}
