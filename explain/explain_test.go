package explain_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
)

func TestMain(m *testing.M) {
	ort.ProbeMain()
	os.Exit(m.Run())
}

// unet is the demo's segmentation model.
func unet() string { return filepath.Join("..", "testdata", "models", "unet3d_a.onnx") }

// plain is a Spec that leaves the image as it is.
func plain(tile *predict.Tile) *predict.Spec {
	labels := []predict.Label{{Value: 0, Name: "background"}}
	for i, name := range []string{"grey", "white", "ventricles", "lesion"} {
		labels = append(labels, predict.Label{Value: i + 1, Name: name})
	}
	return &predict.Spec{
		Version: 1, Task: predict.Segmentation, Tile: tile,
		Input:  predict.Input{Name: "image", Layout: patch.XYZ, Channels: []predict.Channel{{Name: "head"}}},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax}, Labels: labels,
	}
}

func open(t testing.TB, path string, spec *predict.Spec) *explain.Explainer {
	t.Helper()
	if _, _, err := ort.Library(""); err != nil {
		t.Skipf("no onnxruntime: %v", err)
	}
	e, err := explain.Open(path, explain.Options{Spec: spec, Cache: filepath.Join(t.TempDir(), "cache")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// scramble is the noise of testdata/gen/unet_steps.py.
func scramble(i uint64) float32 {
	h := i * 2654435761 & 0xFFFFFFFF
	h ^= h >> 15
	h = h * 2246822519 & 0xFFFFFFFF
	h ^= h >> 13
	return float32(float64(h) / (1 << 32))
}

// checkered is the image of testdata/gen/explain.py.
func checkered() *imageio.Image {
	im := imageio.New(imageio.Grid{Size: [3]int{16, 16, 16}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	n := 0
	for x := range 16 {
		for y := range 16 {
			for z := range 16 {
				label := (x/4 + 2*(y/4) + 3*(z/4)) % 5
				im.Data[im.Grid.Index(x, y, z)] = float32(0.15)*float32(label) + float32(0.3)*scramble(uint64(n+77))
				n++
			}
		}
	}
	return im
}

// captum reads what testdata/gen/explain.py wrote.
func captum(t *testing.T) (parts map[string][]float32, score float64) {
	t.Helper()
	var head struct {
		Score float64
		Parts []struct {
			Name  string
			Shape []int
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "testdata", "ref", "explain_unet3d_a.json"))
	if err == nil {
		err = json.Unmarshal(text, &head)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "ref", "explain_unet3d_a.f32"))
	if err != nil {
		t.Fatal(err)
	}
	parts = map[string][]float32{}
	for _, p := range head.Parts {
		n, err := onnx.Elements(p.Shape)
		if err != nil || len(raw) < 4*n {
			t.Fatalf("%s: want %v numbers, got %d bytes", p.Name, p.Shape, len(raw))
		}
		for i := range n {
			parts[p.Name] = append(parts[p.Name], math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
		raw = raw[4*n:]
	}
	return parts, head.Score
}

// apart is the largest difference as a part of the largest value; want is in C order of x, y, z.
func apart(im *imageio.Image, want []float32) float64 {
	got := make([]float32, len(want))
	patch.XYZ.Pack(got, im.Channel(0), im.Grid.Size)
	top, worst := 0.0, 0.0
	for i, v := range want {
		top = max(top, math.Abs(float64(v)))
		worst = max(worst, math.Abs(float64(v)-float64(got[i])))
	}
	return worst / top
}

// TestCaptum compares every method with captum's on one image. Both compute in single precision; the promise is 1e-4
// of the largest value. The score differs from a plain mask by a voxel, so it is asked for as the sum of both.
func TestCaptum(t *testing.T) {
	parts, score := captum(t)
	e := open(t, unet(), plain(nil))
	ctx := context.Background()
	im := []*imageio.Image{checkered()}
	total := 0.0
	explained := map[string]*imageio.Image{}
	for _, target := range []string{"mask:2", "voxel:7,8,9@1"} {
		at, err := explain.ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		p, err := e.Problem(ctx, im, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []explain.Method{
			explain.Saliency{},
			explain.IntegratedGradients{},
			explain.Occlusion{Window: [3]int{6, 5, 4}, Stride: [3]int{4, 5, 3}, Baseline: 0.25},
			explain.GradCAM{Layer: "enc2", Signed: true},
		} {
			x, err := p.Explain(ctx, m)
			if err != nil {
				t.Fatal(err)
			}
			if explained[m.Name()] == nil {
				explained[m.Name()] = imageio.New(x.Prepared.Grid, 1, imageio.Intensity)
			}
			for i, v := range x.Prepared.Data {
				explained[m.Name()].Data[i] += v
			}
			if m.Name() == "saliency" {
				total += x.Score
			}
		}
	}
	if math.Abs(total-score) > 1e-5*score {
		t.Errorf("score %g, want %g", total, score)
	}
	for _, name := range []string{"saliency", "ig", "occlusion"} {
		d := apart(explained[name], parts[name])
		t.Logf("%s: %.2g of the largest value", name, d)
		if !(d <= 1e-4) {
			t.Errorf("%s: %g of the largest value apart from captum's", name, d)
		}
	}
}

// TestWindows holds the gradient of a volume that goes through overlapping windows, padded at its sides, against
// differences of its score, and integrated gradients to their sum.
func TestWindows(t *testing.T) {
	tile := &predict.Tile{Size: [3]int{8, 8, 24}, Overlap: predict.Overlap{0.5, 0.25, 0.5}, Blend: patch.Gaussian, Pad: patch.Reflect}
	e := open(t, unet(), plain(tile))
	ctx := context.Background()
	p, err := e.Problem(ctx, []*imageio.Image{checkered()}, explain.Target{Kind: explain.Class, Label: 3})
	if err != nil {
		t.Fatal(err)
	}
	score, g, err := p.Gradient(ctx, p.Image)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Score(ctx, p.Image); err != nil || math.Abs(again-score) > 1e-4*math.Abs(score) {
		t.Errorf("score %g with the gradient, %g without (%v)", score, again, err)
	}
	// Along the gradient itself, where the slope is largest and rounding counts least.
	norm := 0.0
	for _, v := range g.Data {
		norm += float64(v) * float64(v)
	}
	norm = math.Sqrt(norm)
	const h = 2e-3
	at := func(by float64) float64 {
		moved := imageio.New(p.Image.Grid, 1, imageio.Intensity)
		for i, v := range p.Image.Data {
			moved.Data[i] = v + float32(by*float64(g.Data[i])/norm)
		}
		s, err := p.Score(ctx, moved)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	slope := (at(h) - at(-h)) / (2 * h)
	t.Logf("slope %g, differences %g", norm, slope)
	if math.Abs(slope-norm) > 0.02*norm {
		t.Errorf("slope along the gradient %g, differences %g", norm, slope)
	}
}
