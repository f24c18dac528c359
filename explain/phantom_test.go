package explain_test

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// The task: six blocks, each striped in its own way, each striped or not by the toss of a coin, in noise. The class is
// whether block 1 is striped. A network without any notion of place (convolutions, mean over space) learns its stripes.
const cause = 1

func taskGrid() imageio.Grid {
	return imageio.Grid{Size: [3]int{24, 16, 8}, Affine: imageio.Identity()}
}

// taskAtlas numbers the blocks from 1 to 6.
func taskAtlas() *imageio.Image {
	im := imageio.New(taskGrid(), 1, imageio.Label)
	for i := range im.Data {
		x, y, z := i%24, i/24%16, i/24/16
		if x%8 > 0 && x%8 < 7 && y%8 > 0 && y%8 < 7 && z > 0 && z < 7 {
			im.Data[i] = float32(1 + x/8 + 3*(y/8))
		}
	}
	return im
}

// stripes is the pattern of a block: along x, y or z, with a period of 2 or 4 voxels.
func stripes(block, x, y, z int) float32 {
	at := [3]int{x, y, z}[(block-1)%3]
	if block > 3 {
		at /= 2
	}
	return float32(1 - 2*(at%2))
}

// drawCase draws a scan; on says which blocks are striped.
func drawCase(rng *rand.Rand, atlas *imageio.Image, on func(block int) bool) *imageio.Image {
	im := imageio.New(atlas.Grid, 1, imageio.Intensity)
	var striped [7]bool
	for b := 1; b <= 6; b++ {
		striped[b] = on(b)
	}
	for i := range im.Data {
		im.Data[i] = 0.2 * float32(rng.NormFloat64())
		if b := int(atlas.Data[i]); b > 0 && striped[b] {
			im.Data[i] += stripes(b, i%24, i/24%16, i/24/16)
		}
	}
	return im
}

// network is two convolutions, the mean over space and a matrix.
func network(t *testing.T, rng *rand.Rand) *convert.Graph {
	t.Helper()
	m := onnx.New(8, "task", onnx.Opset{Version: 17})
	g := m.Graph()
	g.Inputs = []onnx.ValueInfo{{Name: "image", DType: onnx.Float32, Shape: []int{-1, 1, 8, 16, 24}, Dims: []string{"batch", "", "", "", ""}}}
	g.Outputs = []onnx.ValueInfo{{Name: "logits", DType: onnx.Float32, Shape: []int{-1, 2}, Dims: []string{"batch", ""}}}
	weight := func(name string, spread float64, shape ...int) {
		n, err := onnx.Elements(shape)
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(spread * rng.NormFloat64())
		}
		x, err := onnx.FromFloat32(shape, v)
		if err == nil {
			err = m.AddInitializer(name, x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	weight("conv1.weight", 0.27, 8, 1, 3, 3, 3)
	weight("conv1.bias", 0, 8)
	weight("conv2.weight", 0.1, 8, 8, 3, 3, 3)
	weight("conv2.bias", 0, 8)
	weight("head.weight", 0.5, 2, 8)
	weight("head.bias", 0, 2)
	node := func(op, out string, in []string, attrs ...onnx.Attr) {
		g.Nodes = append(g.Nodes, &onnx.Node{Name: out, OpType: op, Inputs: in, Outputs: []string{out}, Attrs: attrs})
	}
	pads := onnx.IntsAttr("pads", 1, 1, 1, 1, 1, 1)
	node("Conv", "c1", []string{"image", "conv1.weight", "conv1.bias"}, pads)
	node("Relu", "r1", []string{"c1"})
	node("Conv", "c2", []string{"r1", "conv2.weight", "conv2.bias"}, pads)
	node("Relu", "r2", []string{"c2"})
	node("GlobalAveragePool", "p", []string{"r2"})
	node("Flatten", "f", []string{"p"})
	node("Gemm", "logits", []string{"f", "head.weight", "head.bias"}, onnx.IntAttr("transB", 1))
	graph, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return graph
}

// trainTask trains the network, on true or shuffled labels, writes it with its Spec and returns the last losses' mean.
func trainTask(t *testing.T, path string, shuffled bool) float64 {
	t.Helper()
	b, err := convert.NewBackend(convert.BackendOptions{})
	if err != nil {
		t.Skipf("no engine: %v", err)
	}
	defer b.Close()
	rng := rand.New(rand.NewPCG(11, 12))
	g := network(t, rng)
	step, err := g.NewStep(b, convert.StepConfig{
		Optimizer: convert.DefaultOptimizer(convert.Adam),
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			// Softmax cross-entropy of two classes: log(1 + exp(-side * (logit1 - logit0))).
			y := out["logits"]
			n := y.Shape().Dimensions[0]
			margin := graph.Sub(graph.Slice(y, graph.AxisRange(), graph.AxisRange(1, 2)), graph.Slice(y, graph.AxisRange(), graph.AxisRange(0, 1)))
			return graph.MulScalar(graph.ReduceAllSum(graph.Log1P(graph.Exp(graph.Neg(graph.Mul(margin, batch["side"]))))), 1/float64(n)), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	atlas := taskAtlas()
	const batch, steps = 8, 250
	mean := 0.0
	for i := range steps {
		var x, side []float32
		for range batch {
			label := float32(-1)
			im := drawCase(rng, atlas, func(block int) bool {
				yes := rng.IntN(2) == 1
				if block == cause && yes {
					label = 1
				}
				return yes
			})
			if shuffled {
				label = float32(2*rng.IntN(2) - 1)
			}
			x, side = append(x, im.Data...), append(side, label)
		}
		xs, err1 := onnx.FromFloat32([]int{batch, 1, 8, 16, 24}, x)
		ys, err2 := onnx.FromFloat32([]int{batch, 1}, side)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		r, err := step.Run(context.Background(), 0.01, map[string]*onnx.Tensor{"image": xs, "side": ys})
		if err != nil {
			t.Fatal(err)
		}
		if i >= steps-50 {
			mean += r.Loss / 50
		}
	}
	if err := step.Sync(); err != nil {
		t.Fatal(err)
	}
	m, err := g.Export()
	if err != nil {
		t.Fatal(err)
	}
	err = predict.WriteSpec(m, predict.Spec{
		Version: 1, Task: predict.Classification,
		Input:  predict.Input{Name: "image", Layout: patch.ZYX, Channels: []predict.Channel{{Name: "scan"}}},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
		Labels: []predict.Label{{Value: 0, Name: "plain"}, {Value: 1, Name: "striped"}},
	})
	if err == nil {
		err = onnx.WriteFile(path, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return mean
}

func allMethods() []explain.Method {
	return []explain.Method{
		explain.Saliency{},
		explain.IntegratedGradients{Steps: 16},
		explain.SmoothGrad{Samples: 8},
		explain.GradCAM{},
		explain.Occlusion{Window: [3]int{4, 4, 4}, Stride: [3]int{2, 2, 2}},
	}
}

// rankOf explains scans in which every block is striped and returns the place of the cause among the regions, by the
// mean density over the scans.
func rankOf(t *testing.T, e *explain.Explainer, m explain.Method) int {
	t.Helper()
	rng := rand.New(rand.NewPCG(21, 22))
	atlas := taskAtlas()
	density := map[int]float64{}
	for range 3 {
		scan := drawCase(rng, atlas, func(int) bool { return true })
		x, err := e.Explain(context.Background(), []*imageio.Image{scan}, m, explain.Target{Kind: explain.Class, Label: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		regions, err := explain.Regions(x.Image, atlas, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range regions {
			density[r.Label] += r.Density / 3
		}
	}
	rank := 1
	for label, d := range density {
		if label != cause && d >= density[cause] {
			rank++
		}
	}
	t.Logf("%s: densities %v, rank %d", m.Name(), density, rank)
	return rank
}

// TestRegionOfTheTask trains on a task that depends on one region: every method puts that region first, and with
// shuffled labels none does.
func TestRegionOfTheTask(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "task.onnx")
		loss := trainTask(t, path, shuffled)
		t.Logf("shuffled %v: loss %.3f", shuffled, loss)
		if !shuffled && !(loss < 0.1) || math.IsNaN(loss) {
			t.Errorf("the task was not learnt: loss %g", loss)
		}
		e := open(t, path, nil)
		for _, m := range allMethods() {
			if rank := rankOf(t, e, m); (rank == 1) == shuffled {
				t.Errorf("%s, shuffled %v: the cause has rank %d", m.Name(), shuffled, rank)
			}
		}
	}
}
