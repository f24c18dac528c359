package convert_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

func noise(t testing.TB, seed uint64, shape ...int) *onnx.Tensor {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	n, err := onnx.Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	out, err := onnx.FromFloat32(shape, v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func values(t testing.TB, x *onnx.Tensor) []float32 {
	t.Helper()
	if x == nil {
		t.Fatal("no tensor")
	}
	v, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// apart is the largest difference as a part of the largest value.
func apart(a, b []float32) float64 {
	top, worst := 0.0, 0.0
	for i, v := range b {
		top = max(top, math.Abs(float64(v)))
		worst = max(worst, math.Abs(float64(v)-float64(a[i])))
	}
	return worst / max(top, 1e-30)
}

func importFile(t testing.TB, path string) *convert.Graph {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func gradientSession(t testing.TB, g *convert.Graph, method convert.GradientMethod, o convert.GradientOptions) (*onnx.Model, *ort.Session) {
	t.Helper()
	backend(t).Close()
	m, err := g.GradientModel(method, o)
	if err != nil {
		t.Fatal(err)
	}
	if bad := onnx.Check(m); len(bad) > 0 {
		t.Errorf("the gradient model is not sound: %v", bad[0])
	}
	raw, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.OpenBytes(raw, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return m, s
}

func run(t testing.TB, s onnx.Runner, x, w *onnx.Tensor) map[string]*onnx.Tensor {
	t.Helper()
	out, err := s.Run(context.Background(), map[string]*onnx.Tensor{convert.GradientImage: x, convert.GradientWeight: w})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGradientModelShared makes every gradient model of a few real architectures (two of them, or with
// NITRAIN_ACCEPTANCE all) and runs them at batch 1 and 3. One has its batch freed by two exports, the other by a loop.
func TestGradientModelShared(t *testing.T) {
	dir := shared.Dir(t, "models")
	names := []string{"tv_resnet_small", "monai_vit3d"}
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		names = append(names, "monai_densenet2d", "monai_resnet3d", "monai_unet2d", "monai_basicunet3d")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			g := importFile(t, filepath.Join(dir, name, "model.onnx"))
			for _, method := range []convert.GradientMethod{convert.Saliency, convert.IntegratedGradients, convert.GradCAM} {
				m, s := gradientSession(t, g, method, convert.GradientOptions{Steps: 8})
				info, err := convert.ReadGradientInfo(m)
				if err != nil {
					t.Fatal(err)
				}
				out := m.Inputs()[1].Shape
				loops := 0
				for _, n := range m.Graph().Nodes {
					if n.OpType == "Loop" {
						loops++
					}
				}
				x, w := noise(t, 1, append([]int{3}, info.Shape...)...), noise(t, 2, append([]int{3}, out[1:]...)...)
				all := run(t, s, x, w)
				for i := range 3 {
					one := run(t, s, imageOf(t, x, i), imageOf(t, w, i))
					for name, v := range one {
						if d := apart(values(t, v), values(t, imageOf(t, all[name], i))); d > 1e-4 {
							t.Errorf("%s: %s of image %d: %g apart in a batch", method, name, i, d)
						}
					}
				}
				t.Logf("%s: %d nodes, %d loops, layer %q", method, len(m.Graph().Nodes), loops, info.Layer)
			}
		})
	}
}

// imageOf is one image of a batch.
func imageOf(t testing.TB, x *onnx.Tensor, i int) *onnx.Tensor {
	t.Helper()
	shape := x.Shape()
	n := x.Len() / shape[0]
	out, err := onnx.FromFloat32(append([]int{1}, shape[1:]...), values(t, x)[i*n:(i+1)*n])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// smooth is a small network without kinks, whose derivative differences approach: convolutions of stride 1 and 2, tanh,
// an average pool and a matrix.
func smooth(t testing.TB) *convert.Graph {
	t.Helper()
	m := onnx.New(8, "smooth", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "in", DType: onnx.Float32, Shape: []int{-1, 2, 12, 12}, Dims: []string{"batch", "", "", ""}}}
	g.Outputs = []onnx.ValueInfo{{Name: "out", DType: onnx.Float32, Shape: []int{-1, 3}, Dims: []string{"batch", ""}}}
	for name, shape := range map[string][]int{"k1": {4, 2, 3, 3}, "k2": {5, 4, 4, 4}, "k3": {5, 3}} {
		if err := m.AddInitializer(name, noise(t, uint64(len(name)+shape[0]), shape...)); err != nil {
			t.Fatal(err)
		}
	}
	node := func(op, out string, in []string, attrs ...onnx.Attr) {
		g.Nodes = append(g.Nodes, &onnx.Node{Name: out, OpType: op, Inputs: in, Outputs: []string{out}, Attrs: attrs})
	}
	node("Conv", "c1", []string{"in", "k1"}, onnx.IntsAttr("pads", 1, 1, 1, 1))
	node("Tanh", "t1", []string{"c1"})
	node("Conv", "c2", []string{"t1", "k2"}, onnx.IntsAttr("strides", 2, 2))
	node("Tanh", "t2", []string{"c2"})
	node("GlobalAveragePool", "p", []string{"t2"})
	node("Flatten", "f", []string{"p"})
	node("Gemm", "out", []string{"f", "k3"})
	graph, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return graph
}

// TestGradientModelDifferences holds saliency against central differences of the model's own output, and integrated
// gradients against the completeness that defines them: the attributions sum to the rise of the score.
func TestGradientModelDifferences(t *testing.T) {
	g := smooth(t)
	_, s := gradientSession(t, g, convert.Saliency, convert.GradientOptions{})
	x, w := noise(t, 3, 1, 2, 12, 12), noise(t, 4, 1, 3)
	gradient := values(t, run(t, s, x, w)[convert.GradientAttribution])
	score := func(v []float32) float64 {
		moved, err := onnx.FromFloat32(x.Shape(), v)
		if err != nil {
			t.Fatal(err)
		}
		y, sum := values(t, run(t, s, moved, w)[convert.GradientOutput]), 0.0
		for i, c := range values(t, w) {
			sum += float64(c) * float64(y[i])
		}
		return sum
	}
	for seed := range uint64(4) {
		u := values(t, noise(t, 10+seed, x.Shape()...))
		at := func(h float32) []float32 {
			v := values(t, x)
			for i := range v {
				v[i] += h * u[i]
			}
			return v
		}
		const h = 5e-4
		want := (score(at(h)) - score(at(-h))) / (2 * h)
		got := 0.0
		for i, v := range gradient {
			got += float64(v) * float64(u[i])
		}
		// The score is good to some 1e-7 in single precision, its differences to 1e-4.
		if math.Abs(got-want) > 1e-3*max(math.Abs(want), 0.1) {
			t.Errorf("direction %d: derivative %g, differences %g", seed, got, want)
		}
	}
	_, ig := gradientSession(t, g, convert.IntegratedGradients, convert.GradientOptions{Steps: 200, Baseline: []float32{0.1}})
	sum := 0.0
	for _, v := range values(t, run(t, ig, x, w)[convert.GradientAttribution]) {
		sum += float64(v)
	}
	base := make([]float32, x.Len())
	for i := range base {
		base[i] = 0.1
	}
	if rise := score(values(t, x)) - score(base); math.Abs(sum-rise) > 1e-3*math.Abs(rise) {
		t.Errorf("integrated gradients sum to %g, the score rises by %g", sum, rise)
	}
}

// TestGradientModelRefuses asks for what cannot be made.
func TestGradientModelRefuses(t *testing.T) {
	g := importFile(t, filepath.Join("..", "testdata", "models", "unet3d_a.onnx"))
	for name, o := range map[string]convert.GradientOptions{
		"free sizes": {},
		"rank":       {Shape: []int{1, 16, 16}},
		"channels":   {Shape: []int{2, 16, 16, 16}},
		"layer":      {Shape: []int{1, 16, 16, 16}, Layer: "nowhere"},
		"output":     {Shape: []int{1, 16, 16, 16}, Output: "nothing"},
		"steps":      {Shape: []int{1, 16, 16, 16}, Steps: -1},
		"baseline":   {Shape: []int{1, 16, 16, 16}, Baseline: make([]float32, 7)},
	} {
		if _, err := g.GradientModel(convert.GradCAM, o); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
	if _, err := g.GradientModel("magic", convert.GradientOptions{Shape: []int{1, 16, 16, 16}}); err == nil {
		t.Error("an unknown method: no error")
	}
}
