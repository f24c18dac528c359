package finetune

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
)

// hashNoise is the noise of testdata/gen/unet_steps.py: the same integer arithmetic, so that both sides make
// the same batches without storing any.
func hashNoise(i uint64) float32 {
	h := i * 2654435761 & 0xFFFFFFFF
	h ^= h >> 15
	h = h * 2246822519 & 0xFFFFFFFF
	h ^= h >> 13
	return float32(float64(h) / (1 << 32))
}

// unetBatch returns images and classes [2, 1, 16, 16, 16].
func unetBatch(t *testing.T, step int) map[string]*onnx.Tensor {
	t.Helper()
	const side, batch, classes = 16, 2, 5
	shape := []int{batch, 1, side, side, side}
	image := make([]float32, batch*side*side*side)
	labels := make([]byte, 4*len(image))
	i := 0
	for n := range batch {
		for x := range side {
			for y := range side {
				for z := range side {
					label := (x/4 + 2*(y/4) + 3*(z/4) + n + step) % classes
					image[i] = float32(0.15)*float32(label) + float32(0.3)*hashNoise(uint64(i+131071*step))
					binary.LittleEndian.PutUint32(labels[4*i:], uint32(label))
					i++
				}
			}
		}
	}
	x, err := onnx.FromFloat32(shape, image)
	if err != nil {
		t.Fatal(err)
	}
	y, err := onnx.NewTensor(onnx.Int32, shape, labels)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*onnx.Tensor{"image": x, "classes": y}
}

// TestUNetFollowsPyTorch trains the demo's model for 20 steps on the batches on which PyTorch was trained.
// Losses and the outputs afterwards may differ by 1e-3 of the largest value: both sides sum float32 in
// their own order, and training amplifies that.
func TestUNetFollowsPyTorch(t *testing.T) {
	library, err := native.Library(native.ONNXRuntime)
	if err != nil {
		t.Skipf("the onnxruntime library is absent (make setup): %v", err)
	}
	var ref struct {
		Shape  []int
		Losses []float64
	}
	root := filepath.Join("..", "testdata")
	raw, err := os.ReadFile(filepath.Join(root, "ref", "unet3d_a_steps.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile(filepath.Join(root, "models", "unet3d_a.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := convert.NewBackend(convert.BackendOptions{Device: "cpu", Library: library})
	if err != nil {
		t.Skipf("no training engine here: %v", err)
	}
	defer b.Close()
	loss := newLoss(DiceCE, DefaultLossOptions(), false)
	step, err := g.NewStep(b, convert.StepConfig{
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			return loss(out["logits"], batch["classes"]), nil
		},
		Optimizer: convert.DefaultOptimizer(convert.Adam),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	for i, want := range ref.Losses {
		got, err := step.Run(context.Background(), 1e-3, unetBatch(t, i))
		if err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(got.Loss - want); d > 1e-3*ref.Losses[0] {
			t.Errorf("step %d: loss %.6f, PyTorch has %.6f", i+1, got.Loss, want)
		}
	}
	if err := step.Sync(); err != nil {
		t.Fatal(err)
	}
	run := g.Runner(b)
	defer run.Close()
	batch := unetBatch(t, 0)
	out, err := run.Run(context.Background(), map[string]*onnx.Tensor{"image": batch["image"]})
	if err != nil {
		t.Fatal(err)
	}
	got, err := out["logits"].Float32()
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(root, "ref", "unet3d_a_after.f32"))
	if err != nil {
		t.Fatal(err)
	}
	var worst, largest float64
	for i, v := range got {
		want := float64(math.Float32frombits(binary.LittleEndian.Uint32(after[4*i:])))
		worst, largest = max(worst, math.Abs(float64(v)-want)), max(largest, math.Abs(want))
	}
	if worst > 1e-3*largest {
		t.Errorf("outputs after %d steps differ by %.3g of the largest value", len(ref.Losses), worst/largest)
	}
	t.Logf("outputs after %d steps: largest difference %.2g of the largest value", len(ref.Losses), worst/largest)
}
