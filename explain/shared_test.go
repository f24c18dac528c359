package explain_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/explain"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// captumReport is what testdata/gen/explain_shared.py prints.
type captumReport struct {
	Same           float64
	Shape, Out     []int
	Window, Stride []int
	Baseline       float32
	Versions       string
	Rows           []struct {
		Part                           string
		Batch1, Batch3, Double, Captum float64
	}
	Captum float64 `json:"occlusion_captum"`
}

// TestSharedModels compares all methods on six architectures with captum on the same weights, and the exported gradient
// models in Python's onnxruntime at batch 1 and 3; the table goes to docs/explain.md.
func TestSharedModels(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("six models through PyTorch take minutes: set NITRAIN_ACCEPTANCE=1")
	}
	python := os.Getenv("NITRAIN_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import captum, onnx2torch, onnxruntime").CombinedOutput(); err != nil {
		t.Skipf("no Python with captum, onnx2torch and onnxruntime (set NITRAIN_PYTHON): %v %.200s", err, out)
	}
	var table []string
	versions := ""
	for _, name := range []string{"tv_resnet_small", "monai_densenet2d", "monai_resnet3d", "monai_unet2d", "monai_basicunet3d", "monai_vit3d"} {
		t.Run(name, func(t *testing.T) {
			dir := shared.Dir(t, "models", name)
			rows, v := againstCaptum(t, python, name, dir)
			table, versions = append(table, rows...), v
		})
	}
	if !t.Failed() && len(table) > 0 {
		writeFigures(t, table, versions)
	}
}

func againstCaptum(t *testing.T, python, name, dir string) (rows []string, versions string) {
	t.Helper()
	path := filepath.Join(dir, "model.onnx")
	work := t.TempDir()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	layer := ""
	for _, method := range []convert.GradientMethod{convert.Saliency, convert.IntegratedGradients, convert.GradCAM} {
		gm, err := g.GradientModel(method, convert.GradientOptions{Signed: method == convert.GradCAM})
		if err != nil {
			t.Fatal(err)
		}
		info, err := convert.ReadGradientInfo(gm)
		if err != nil {
			t.Fatal(err)
		}
		layer = info.Layer
		if err := onnx.WriteFile(filepath.Join(work, string(method)+".onnx"), gm); err != nil {
			t.Fatal(err)
		}
	}
	var stderr strings.Builder
	cmd := exec.Command(python, filepath.Join("..", "testdata", "gen", "explain_shared.py"), path, filepath.Join(dir, "truth.onnx"), work, layer)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var r captumReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Same > 1e-5 {
		t.Errorf("PyTorch's copy gives other outputs: %g", r.Same)
	}
	own := explainShared(t, path, work, r)
	figure := func(v float64) string { return fmt.Sprintf("%.1e", v) }
	for _, row := range r.Rows {
		cells := []string{name, row.Part, figure(own[row.Part]), figure(row.Batch1), figure(row.Batch3), figure(row.Double), figure(row.Captum)}
		if row.Part == "map" {
			cells[2] = "-"
		}
		rows = append(rows, "| "+strings.Join(cells, " | ")+" |")
		// Where captum's own single precision is farther than that from its double precision (a voxel at the kink of an
		// activation, a norm over eight voxels), the difference to double precision may be as large as captum's is.
		if far := max(row.Batch1, row.Batch3, own[row.Part]); far > 1e-4 && row.Double > max(1e-4, 2*row.Captum) {
			t.Errorf("%s: %v", row.Part, cells[2:])
		} else if far > 1e-4 && row.Captum < 1e-4 {
			t.Errorf("%s: %v, though captum's single precision is good to %g", row.Part, cells[2:], row.Captum)
		}
	}
	if own["occlusion"] > 1e-4 {
		t.Errorf("occlusion: %g", own["occlusion"])
	}
	rows = append(rows, fmt.Sprintf("| %s | occlusion | %.1e | | | | %.1e |", name, own["occlusion"], r.Captum))
	for _, row := range rows {
		t.Log(row)
	}
	return rows, r.Versions
}

// explainShared explains the first image by this package and returns how far each method is from captum.
func explainShared(t *testing.T, path, work string, r captumReport) map[string]float64 {
	t.Helper()
	layout := patch.ZYX
	if len(r.Shape) == 3 {
		layout = patch.YX
	}
	size, err := layout.Size(r.Shape[1:])
	if err != nil {
		t.Fatal(err)
	}
	spec := &predict.Spec{
		Version: 1, Task: predict.Segmentation, Input: predict.Input{Layout: layout},
		Decode: predict.Decode{Activation: predict.Softmax, Pick: predict.Argmax},
	}
	for c := range r.Shape[0] {
		spec.Input.Channels = append(spec.Input.Channels, predict.Channel{Name: strconv.Itoa(c)})
	}
	for c := range r.Out[0] {
		spec.Labels = append(spec.Labels, predict.Label{Value: c, Name: fmt.Sprint("label ", c)})
	}
	target := explain.Target{Kind: explain.Mask, Label: 1}
	if len(r.Out) == 1 {
		spec.Task, target.Kind = predict.Classification, explain.Class
	}
	im := imageio.New(imageio.Grid{Size: size, Affine: imageio.Identity()}, r.Shape[0], imageio.Intensity)
	copy(im.Data, readFloats(t, filepath.Join(work, "image.f32")))
	e := open(t, path, spec)
	p, err := e.Problem(context.Background(), []*imageio.Image{im}, target)
	if err != nil {
		t.Fatal(err)
	}
	order := func(v []int) (out [3]int) {
		out, err := layout.Size(v)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	far := map[string]float64{}
	for _, m := range []explain.Method{
		explain.Saliency{},
		explain.IntegratedGradients{},
		explain.GradCAM{Signed: true},
		explain.Occlusion{Window: order(r.Window), Stride: order(r.Stride), Baseline: r.Baseline},
	} {
		a, err := m.Attribute(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		want := readFloats(t, filepath.Join(work, m.Name()+".f32"))
		top, worst := 0.0, 0.0
		for i, v := range want {
			top = max(top, math.Abs(float64(v)))
			got := a.Image.Data[i%len(a.Image.Data)] // one channel stands for all of captum's
			worst = max(worst, math.Abs(float64(v)-float64(got)))
		}
		far[m.Name()] = worst / max(top, 1e-30)
	}
	return far
}

func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

// writeFigures replaces the table in docs/explain.md.
func writeFigures(t *testing.T, table []string, versions string) {
	t.Helper()
	path := filepath.Join("..", "docs", "explain.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
	from, to := strings.Index(string(text), begin), strings.Index(string(text), end)
	if from < 0 || to < from {
		t.Fatalf("%s has no place for the figures", path)
	}
	figures := "Versions: " + versions + ".\n\n" +
		"| model | method | `explain` | file, batch 1 | file, batch 3 | file, captum in float64 | captum, its own float64 |\n|---|---|---|---|---|---|---|\n" +
		strings.Join(table, "\n") + "\n"
	whole := string(text[:from]) + begin + figures + string(text[to:])
	if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
}
