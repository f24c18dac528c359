//go:build cgo

package ort

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// TestTruth runs real exports on the inputs of their source frameworks and compares the outputs with those that
// the frameworks computed in float64. 1e-4 of the largest value is what float32 arithmetic in another order
// allows (a model in half precision: 1e-2).
func TestTruth(t *testing.T) {
	root := shared.Dir(t, "models")
	needLibrary(t)
	folders, err := filepath.Glob(filepath.Join(root, "*", "truth.onnx"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no models in %s: %v", root, err)
	}
	ran, worst := 0, 0.0
	for _, path := range folders {
		folder := filepath.Dir(path)
		if modeOf(t, folder) != "eval" {
			continue
		}
		ran++
		t.Run(filepath.Base(folder), func(t *testing.T) { worst = max(worst, compareWithTruth(t, folder)) })
	}
	t.Logf("%d models ran, the largest difference is %.2g", ran, worst)
}

func modeOf(t *testing.T, folder string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, "info.json"))
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		Mode string `json:"mode"`
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		t.Fatal(err)
	}
	return info.Mode
}

// compareWithTruth returns the largest relative difference over the model's outputs, at both sizes if the truth
// has two.
func compareWithTruth(t *testing.T, folder string) float64 {
	t.Helper()
	truth, err := onnx.ReadFile(filepath.Join(folder, "truth.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close()
	s, err := Open(filepath.Join(folder, "model.onnx"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	limit, worst := 1e-4, 0.0
	if slices.ContainsFunc(s.Inputs(), func(v onnx.ValueInfo) bool { return v.DType == onnx.Float16 }) || filepath.Base(folder) == "box_fp16" {
		limit = 1e-2
	}
	for _, size := range []string{"", "2"} {
		in := map[string]*onnx.Tensor{}
		for _, v := range s.Inputs() {
			if x, ok := truth.Initializer("in" + size + ":" + v.Name); ok {
				in[v.Name] = x
			}
		}
		if len(in) == 0 && size != "" {
			continue
		}
		out := run(t, s, in)
		for _, v := range s.Outputs() {
			want, ok := truth.Initializer("out" + size + ":" + v.Name)
			if !ok {
				t.Errorf("the truth has no output %q", v.Name)
				continue
			}
			diff := relative(values(t, out[v.Name]), values(t, want))
			worst = max(worst, diff)
			if !slices.Equal(out[v.Name].Shape(), want.Shape()) || !(diff <= limit) {
				t.Errorf("output%s %q: want %v, got %v, relative difference %.3g", size, v.Name, want.Shape(), out[v.Name].Shape(), diff)
			}
		}
	}
	return worst
}
