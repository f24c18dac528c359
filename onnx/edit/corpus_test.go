package edit_test

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/onnx/ort"
)

// leftOut are the models of the corpus without a class axis that can have five entries, and why.
func leftOut() map[string]string {
	return map[string]string{
		"zoo_groupnorm":        "it has no layer with weights: its channels are those of its input",
		"zoo_groupnorm_dynamo": "a GroupNormalization of 4 groups stands behind its channels, and 5 channels do not make 4 groups",
	}
}

// sample are the models of ordinary tests: one of each kind of head and of what stands behind it.
func sample() []string {
	return []string{
		"box_fp16", "box_ir3", "keras_classifier2d", "keras_torch_unet2d", "monai_fullyconnected", "monai_unet2d_train", "trap_shared_prelu",
		"trap_transposed_linear", "tv_resnet_small_train", "zoo_activations", "zoo_batchnorm_momentum_train", "zoo_convtranspose_outpad",
		"zoo_instancenorm3d", "zoo_layernorm_softmax", "zoo_resize_dynamo",
	}
}

// TestCorpus gives every model of the corpus five classes, the first of them the old one: it runs, its
// first channel is the old one, it trains, and what training exports runs again.
func TestCorpus(t *testing.T) {
	dir := shared.Dir(t, "models")
	if _, _, err := ort.Library(""); err != nil {
		t.Skip(err)
	}
	all := os.Getenv("NITRAIN_ACCEPTANCE") != ""
	paths, err := filepath.Glob(filepath.Join(dir, "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	backend, err := convert.NewBackend(convert.BackendOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	passed := 0
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path))
		if !all && !slices.Contains(sample(), name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if reason, ok := leftOut()[name]; ok {
				t.Skip(reason)
			}
			fiveClasses(t, backend, path)
			passed++
		})
	}
	t.Logf("%d models have five classes, %d are left out", passed, len(leftOut()))
}

func fiveClasses(t *testing.T, backend *convert.Backend, path string) {
	m := read(t, path)
	in := inputs(m)
	before := runModel(t, m, in)
	changes, err := edit.Classes{Count: 5, From: map[int]int{0: 0}, Seed: 1}.Apply(m)
	if err != nil {
		t.Fatal(err)
	}
	if changes.Mixed { // then class 0 stays only together with the others
		all := map[int]int{}
		for i := range min(changes.Was, 5) {
			all[i] = i
		}
		m = read(t, path)
		if changes, err = (edit.Classes{Count: 5, From: all, Seed: 1}).Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range onnx.Check(m) {
		if !v.Warning {
			t.Error(v)
		}
	}
	after := runModel(t, m, in)
	name := m.Outputs()[0].Name
	sameFirstChannel(t, m, before[name], after[name], changes)
	trained := train(t, backend, m, in)
	for _, out := range runModel(t, trained, in) {
		finite(t, out)
	}
}

func read(t *testing.T, path string) *onnx.Model {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// inputs draws normal numbers of the sizes that the corpus uses where a model leaves them free.
func inputs(m *onnx.Model) map[string]*onnx.Tensor {
	rng := rand.New(rand.NewPCG(1, 2))
	out := map[string]*onnx.Tensor{}
	for _, info := range m.Inputs() {
		shape := slices.Clone(info.Shape)
		n := 1
		for i, d := range shape {
			if d < 0 {
				shape[i] = 32
				if i == 0 {
					shape[i] = 2
				}
			}
			n *= shape[i]
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		t, err := onnx.FromFloat32(shape, v)
		if err != nil {
			panic(err)
		}
		if t, _, err = t.Convert(info.DType); err != nil {
			panic(err)
		}
		out[info.Name] = t
	}
	return out
}

func runModel(t *testing.T, m *onnx.Model, in map[string]*onnx.Tensor) map[string]*onnx.Tensor {
	t.Helper()
	undo := edit.Inference(m)
	defer undo()
	s, err := ort.OpenModel(m, ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameFirstChannel compares the first entries of the axis that changed, unless a softmax or a normalisation
// mixes the classes. A dense form of a grouped layer adds in another order: rounding of float32 is allowed.
func sameFirstChannel(t *testing.T, m *onnx.Model, before, after *onnx.Tensor, c *edit.Changes) {
	t.Helper()
	was, now := before.Shape(), after.Shape()
	axis := slices.IndexFunc(was, func(int) bool { return true })
	for axis < len(was) && was[axis] == now[axis] {
		axis++
	}
	if c.Was != 5 && (axis == len(was) || was[axis] != c.Was || now[axis] != 5) {
		t.Fatalf("want 5 classes, got shape %v from %v", now, was)
	}
	if mixes(t, m) || c.Was == 5 {
		return
	}
	a, b := first(t, before, axis), first(t, after, axis)
	largest, difference := 0.0, 0.0
	for i := range a {
		largest = max(largest, math.Abs(float64(a[i])))
		difference = max(difference, math.Abs(float64(a[i]-b[i])))
	}
	if !(difference <= 1e-5*largest) {
		t.Errorf("class 0 differs by %g of %g", difference, largest)
	}
}

func mixes(t *testing.T, m *onnx.Model) bool {
	heads, err := onnx.Heads(m, m.Outputs()[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		for _, n := range h.After {
			if slices.Contains([]string{"Softmax", "LogSoftmax", "LayerNormalization", "GroupNormalization"}, n.OpType) {
				return true
			}
		}
	}
	return false
}

func first(t *testing.T, x *onnx.Tensor, axis int) []float32 {
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	shape := x.Shape()
	inner := 1
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	var out []float32
	for o := 0; o < len(v); o += inner * shape[axis] {
		out = append(out, v[o:o+inner]...)
	}
	return out
}

func finite(t *testing.T, x *onnx.Tensor) {
	t.Helper()
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v {
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			t.Fatal("an output is not finite")
		}
	}
}

// train makes five steps of Adam towards 0.3 everywhere and exports.
func train(t *testing.T, backend *convert.Backend, m *onnx.Model, in map[string]*onnx.Tensor) *onnx.Model {
	t.Helper()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	output := m.Outputs()[0].Name
	s, err := g.NewStep(backend, convert.StepConfig{
		Optimizer: convert.DefaultOptimizer(convert.Adam),
		Loss: func(out, _ map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			d := graph.AddScalar(out[output], -0.3)
			return graph.ReduceAllMean(graph.Mul(d, d)), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var losses []float64
	for range 5 {
		r, err := s.Run(context.Background(), 1e-3, maps.Clone(in))
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, r.Loss)
	}
	if !(losses[4] <= losses[0]) { // equal where an instance norm ends the model: its mean square is 1 whatever comes before
		t.Errorf("losses rise: %v", losses)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	trained, err := g.Export()
	if err != nil {
		t.Fatal(err)
	}
	return trained
}

// TestCorpusChannels gives every model of the corpus two input channels and runs it, but for those whose input
// reaches more than a first layer.
func TestCorpusChannels(t *testing.T) {
	refused := map[string]string{
		"monai_vnet2d_train": "Expand", "monai_vnet3d": "Expand", // the image itself, sixteen times over, is added
		"trap_transposed_linear": "Add", "trap_transposed_linear_dynamo": "node_add", // a residual of the input
		"zoo_conv3d_dilated_group": "grouped", "zoo_convtranspose_group_dil": "grouped", "zoo_groupnorm": "channel axis",
	}
	paths, err := filepath.Glob(filepath.Join(shared.Dir(t, "models"), "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ort.Library(""); err != nil {
		t.Skip(err)
	}
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path))
		if os.Getenv("NITRAIN_ACCEPTANCE") == "" && !slices.Contains(sample(), name) {
			continue
		}
		m := read(t, path)
		_, err := edit.Channels{Count: 2}.Apply(m)
		if word, no := refused[name]; no {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: want an error about %s, got %v", name, word, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, out := range runModel(t, m, inputs(m)) {
			finite(t, out)
		}
	}
}
