package convert_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// TestExport trains a few steps, exports, and runs the export in onnxruntime: it must give the graph's own
// outputs. The models hold weights in initializers, in Constant nodes, in half precision, behind Identity, in
// ties that are false, and BatchNormalization in training form.
func TestExport(t *testing.T) {
	b := backend(t)
	for _, name := range []string{
		"monai_unet2d_train", "box_constants", "box_fp16", "box_ir3", "trap_fresh_convbn", "trap_shared_prelu",
		"trap_shared_prelu_dynamo", "trap_transposed_linear", "tv_resnet_small_train", "zoo_batchnorm_momentum_train", "tv_vit_dynamo_dyn",
	} {
		t.Run(name, func(t *testing.T) { export(t, b, shared.Dir(t, "models", name)) })
	}
}

func export(t *testing.T, b *convert.Backend, dir string) {
	ctx := context.Background()
	m, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	truth, err := onnx.ReadFile(filepath.Join(dir, "truth.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	input, output := g.Inputs()[0].Name, g.Outputs()[0].Name
	in, _ := truth.Initializer("in:" + input)
	target, _ := truth.Initializer("target:" + output)
	s, err := g.NewStep(b, convert.StepConfig{
		Optimizer: convert.DefaultOptimizer(convert.AdamW),
		Clip:      1,
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			loss := graph.ReduceAllMean(graph.Square(graph.Sub(out[output], batch["target"])))
			return loss, map[string]*graph.Node{"twice": graph.MulScalar(loss, 2)}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := map[string]*onnx.Tensor{input: in, "target": target}
	for range 3 {
		r, err := s.Run(ctx, 1e-2, batch)
		if err != nil {
			t.Fatal(err)
		}
		if r.Extra["twice"] != 2*r.Loss || !(r.Norm > 0) {
			t.Errorf("extra %v and norm %g do not fit loss %g", r.Extra, r.Norm, r.Loss)
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	tuned, err := g.Export()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range onnx.Check(tuned) {
		if !v.Warning {
			t.Errorf("the export breaks a rule: %v", v)
		}
	}
	raw, err := onnx.Encode(tuned)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ort.OpenBytes(raw, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	// The exporter's own tolerance for half precision is that of its type.
	limit := 1e-5
	if filepath.Base(dir) == "box_fp16" {
		limit = 1e-2
	}
	d, err := g.Parity(ctx, b, other, 1)
	if err != nil {
		t.Fatal(err)
	}
	if float64(d.MaxRel) > limit {
		t.Errorf("onnxruntime's output differs by %g", float64(d.MaxRel))
	}
}

// TestStepState stops a training, continues it elsewhere, and wants the same bits; micro-batches must give
// the step of the whole.
func TestStepState(t *testing.T) {
	b := backend(t)
	dir := shared.Dir(t, "models", "monai_unet2d_train")
	ctx := context.Background()
	truth, err := onnx.ReadFile(filepath.Join(dir, "truth.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close()
	in, _ := truth.Initializer("in:input")
	target, _ := truth.Initializer("target:output")
	batch := map[string]*onnx.Tensor{"input": in, "target": target}
	start := func() *convert.Step {
		m, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		g, err := convert.Import(m, convert.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.NewStep(b, convert.StepConfig{
			Optimizer: convert.DefaultOptimizer(convert.Adam), Dropout: true, Seed: 7,
			Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
				return graph.ReduceAllMean(graph.Square(graph.Sub(out["output"], batch["target"]))), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	run := func(s *convert.Step, n int) (loss float64) {
		for range n {
			r, err := s.Run(ctx, 1e-3, batch)
			if err != nil {
				t.Fatal(err)
			}
			loss = r.Loss
		}
		return loss
	}
	whole := start()
	want := run(whole, 5)
	first := start()
	run(first, 3)
	state, err := first.State()
	if err != nil {
		t.Fatal(err)
	}
	second := start()
	if err := second.SetState(state); err != nil {
		t.Fatal(err)
	}
	if got := run(second, 2); got != want || second.Count() != 5 {
		t.Errorf("after %d steps the loss is %v, want %v", second.Count(), got, want)
	}
	micro := start()
	if _, err := micro.Run(ctx, 1e-3, batch, batch); err != nil {
		t.Fatal(err)
	}
	if micro.Count() != 1 {
		t.Errorf("two micro-batches made %d steps", micro.Count())
	}
}

// TestProve compares a model in training form through a copy in inference form, and leaves it as it was.
func TestProve(t *testing.T) {
	b := backend(t)
	m, err := onnx.ReadFile(filepath.Join(shared.Dir(t, "models", "zoo_batchnorm_momentum_train"), "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !g.TrainingForm() {
		t.Fatal("the model is not seen to be in training form")
	}
	d := g.Prove(context.Background(), b, convert.CheckOptions{Seed: 1, Open: func(m *onnx.Model) (onnx.Runner, error) {
		if g.TrainingForm() {
			t.Error("the other runtime gets the training form")
		}
		raw, err := onnx.Encode(m)
		if err != nil {
			return nil, err
		}
		s, err := ort.OpenBytes(raw, ort.Options{})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { s.Close() })
		return s, nil
	}})
	if !d.OK() {
		t.Errorf("differs by %g: %s", float64(d.MaxRel), d.Error)
	}
	if !g.TrainingForm() {
		t.Error("the model did not keep its form")
	}
}

// TestHalfInput gives a half-precision input in float32, which the graph computes in: same output.
func TestHalfInput(t *testing.T) {
	b := backend(t)
	m, err := onnx.ReadFile(filepath.Join(shared.Dir(t, "models", "box_fp16"), "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Graph().Inputs[0].DType = onnx.Float16 // the file casts a float32 input to this first
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info := g.Inputs()[0]
	if info.DType != onnx.Float16 {
		t.Fatalf("the model's input is %v", info.DType)
	}
	truth, err := onnx.ReadFile(filepath.Join(shared.Dir(t, "models", "box_fp16"), "truth.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close()
	in, _ := truth.Initializer("in:" + info.Name)
	r := g.Runner(b)
	defer r.Close()
	var outs [2][]float32
	for i, want := range []onnx.DType{onnx.Float16, onnx.Float32} {
		x, _, err := in.Convert(onnx.Float16)
		if err == nil {
			x, _, err = x.Convert(want)
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Run(context.Background(), map[string]*onnx.Tensor{info.Name: x})
		if err != nil {
			t.Fatal(err)
		}
		if outs[i], err = out[g.Outputs()[0].Name].Float32(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(outs[0], outs[1]) {
		t.Error("outputs differ")
	}
}
