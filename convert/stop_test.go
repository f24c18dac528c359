package convert_test

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// TestStopStep cancels steps at any moment and goes on: the losses and the state must be those of a training that nobody
// cancelled, bit for bit, since a cancelled step leaves no trace.
func TestStopStep(t *testing.T) {
	b := backend(t)
	for _, name := range []string{"monai_unet2d_train", "tv_resnet_small_train"} { // the second has running statistics
		t.Run(name, func(t *testing.T) { stopStep(t, b, shared.Dir(t, "models", name)) })
	}
}

func stopStep(t *testing.T, b *convert.Backend, dir string) {
	t.Helper()
	truth, err := onnx.ReadFile(filepath.Join(dir, "truth.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close()
	train := func(cancel bool) (losses []float64, stopped int) {
		m, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		g, err := convert.Import(m, convert.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		input, output := g.Inputs()[0].Name, g.Outputs()[0].Name
		in, _ := truth.Initializer("in:" + input)
		target, _ := truth.Initializer("target:" + output)
		batch := map[string]*onnx.Tensor{input: in, "target": target}
		s, err := g.NewStep(b, convert.StepConfig{
			Optimizer: convert.DefaultOptimizer(convert.Adam),
			Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
				return graph.ReduceAllMean(graph.Square(graph.Sub(out[output], batch["target"]))), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var took time.Duration
		for i := 0; len(losses) < 20; i++ {
			ctx, end := context.WithCancel(t.Context())
			if cancel && i > 2 {
				time.AfterFunc(took*time.Duration(i%8)/8, end)
			}
			start := time.Now()
			r, err := s.Run(ctx, 1e-2, batch)
			took = max(time.Since(start), took*9/10)
			switch {
			case err == nil:
				losses = append(losses, r.Loss)
			case errors.Is(err, context.Canceled) && i < 4000:
				stopped++
			default:
				t.Fatalf("step %d: %v", i, err)
			}
			end()
		}
		state, err := s.State()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(state)) {
			if v, err := state[name].Float32(); err == nil {
				for _, x := range v {
					losses = append(losses, float64(x))
				}
			}
		}
		return losses, stopped
	}
	want, _ := train(false)
	got, stopped := train(true)
	if stopped == 0 {
		t.Error("want some steps stopped")
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("number %d of the losses, then the state, after %d stopped steps: want %v, got %v", i, stopped, want[i], got[i])
		}
	}
	t.Logf("%d steps stopped", stopped)
}
