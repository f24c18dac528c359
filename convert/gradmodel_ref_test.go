package convert_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// scramble is the noise of testdata/gen/unet_steps.py.
func scramble(i uint64) float32 {
	h := i * 2654435761 & 0xFFFFFFFF
	h ^= h >> 15
	h = h * 2246822519 & 0xFFFFFFFF
	h ^= h >> 13
	return float32(float64(h) / (1 << 32))
}

// checkered is the image of testdata/gen/explain.py.
func checkered() []float32 {
	var v []float32
	for x := range 16 {
		for y := range 16 {
			for z := range 16 {
				label := (x/4 + 2*(y/4) + 3*(z/4)) % 5
				v = append(v, float32(0.15)*float32(label)+float32(0.3)*scramble(uint64(len(v)+77)))
			}
		}
	}
	return v
}

// captum reads what testdata/gen/explain.py wrote.
func captum(t *testing.T) (parts map[string][]float32, score float64, mask int) {
	t.Helper()
	var head struct {
		Score float64
		Mask  int
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
	return parts, head.Score, head.Mask
}

// TestGradientModelCaptum compares with captum on the same image and score. Both compute in single precision: sums of
// thousands of terms differ by some 1e-6 of the largest value; the promise is 1e-4.
func TestGradientModelCaptum(t *testing.T) {
	want, _, wantMask := captum(t)
	g := importFile(t, filepath.Join("..", "testdata", "models", "unet3d_a.onnx"))
	shape := []int{1, 16, 16, 16}
	x, err := onnx.FromFloat32([]int{1, 1, 16, 16, 16}, checkered())
	if err != nil {
		t.Fatal(err)
	}
	weight := make([]float32, 5*4096)
	none, err := onnx.FromFloat32([]int{1, 5, 16, 16, 16}, weight)
	if err != nil {
		t.Fatal(err)
	}
	_, saliency := gradientSession(t, g, convert.Saliency, convert.GradientOptions{Shape: shape})
	y := values(t, run(t, saliency, x, none)[convert.GradientOutput])
	mask := 0
	for i := range 4096 {
		top := true
		for c := range 5 {
			top = top && (c == 2 || y[2*4096+i] > y[c*4096+i])
		}
		if top {
			weight[2*4096+i] = 1
			mask++
		}
	}
	if mask != wantMask {
		t.Fatalf("mask of %d voxels, want %d", mask, wantMask)
	}
	weight[4096+(7*16+8)*16+9]++
	w, err := onnx.FromFloat32([]int{1, 5, 16, 16, 16}, weight)
	if err != nil {
		t.Fatal(err)
	}
	_, ig := gradientSession(t, g, convert.IntegratedGradients, convert.GradientOptions{Shape: shape})
	_, cam := gradientSession(t, g, convert.GradCAM, convert.GradientOptions{Shape: shape, Layer: "enc2"})
	for _, c := range []struct {
		part, output string
		session      onnx.Runner
	}{
		{"saliency", convert.GradientAttribution, saliency},
		{"ig", convert.GradientAttribution, ig},
		{"map", convert.GradientMap, cam},
		{"gradcam", convert.GradientAttribution, cam},
	} {
		d := apart(values(t, run(t, c.session, x, w)[c.output]), want[c.part])
		t.Logf("%s: %.2g of the largest value", c.part, d)
		if !(d <= 1e-4) {
			t.Errorf("%s: %g of the largest value apart from captum's", c.part, d)
		}
	}
}
