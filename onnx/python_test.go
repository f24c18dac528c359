package onnx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// python returns a Python that has the onnx package: $NITRAIN_PYTHON or python3.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("NITRAIN_PYTHON")
	if name == "" {
		name = "python3"
	}
	if out, err := exec.Command(name, "-c", "import onnx").CombinedOutput(); err != nil {
		t.Skipf("no Python with the onnx package (set NITRAIN_PYTHON): %v %.80s", err, out)
	}
	return name
}

// TestPythonReadsWhatIsWritten changes every parameter that trains and lets Python's onnx compare the files.
func TestPythonReadsWhatIsWritten(t *testing.T) {
	py := python(t)
	names := []string{
		"monai_unet2d", "box_fp16", "box_ir3", "box_constants", "monai_segresnet3d_dynamo", "keras_unet2d_bn",
		"tv_resnet_small_train", "box_external_data",
	}
	if os.Getenv("NITRAIN_ACCEPTANCE") == "1" {
		names = nil
		for _, path := range models(t) {
			if filepath.Base(path) == "model.onnx" {
				names = append(names, filepath.Base(filepath.Dir(path)))
			}
		}
	}
	for _, name := range names {
		m := model(t, name)
		changed := scale(t, m, 1.5)
		m.SetMetadata("nitrain.test", "yes")
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := onnx.WriteFile(path, m); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"testdata/readback.py", filepath.Join(shared.Dir(t, "models", name), "model.onnx"), path, "1.5"}, changed...)
		if out, err := exec.Command(py, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// scale multiplies every parameter that trains and returns their names.
func scale(t *testing.T, m *onnx.Model, factor float32) []string {
	t.Helper()
	var out []string
	for _, p := range onnx.Params(m) {
		if !p.Trainable {
			continue
		}
		v, err := p.Tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		for i := range v {
			v[i] *= factor
		}
		if err := p.Set(m, must(onnx.FromFloat32(p.Tensor.Shape(), v))); err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Name)
	}
	return out
}

// TestPythonAcceptsEdits lets the ONNX project's own checker judge models that were made and edited here.
func TestPythonAcceptsEdits(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	args := []string{"-c", "import sys, onnx\nfor p in sys.argv[1:]:\n    onnx.checker.check_model(p)\n    onnx.shape_inference.infer_shapes(onnx.load(p), strict_mode=True, check_type=True) if 'replace' not in p else None"}
	for name, edit := range edits() {
		for kind, m := range map[string]*onnx.Model{"made": sound(), "read": again(t, sound())} {
			if err := edit(m); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+"-"+kind+".onnx")
			if err := onnx.WriteFile(path, m); err != nil {
				t.Fatal(err)
			}
			args = append(args, path)
		}
	}
	if out, err := exec.Command(py, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPythonChecker compares Check with the ONNX project's own checker on the table of violations: both
// refuse a model or both accept it.
func TestPythonChecker(t *testing.T) {
	py := python(t)
	dir := t.TempDir()
	args := []string{"-c", "import sys, onnx\nfor p in sys.argv[1:]:\n    try:\n        onnx.checker.check_model(p); print('ok')\n    except Exception as e: print('bad', str(e).replace('\\n', ' '))"}
	var names []string
	bad := map[string]bool{}
	for name, c := range violations() {
		m := sound()
		c.damage(m)
		path := filepath.Join(dir, name+".onnx")
		if err := onnx.WriteFile(path, m); err != nil {
			t.Fatal(err)
		}
		for _, v := range onnx.Check(m) {
			bad[name] = bad[name] || !v.Warning
		}
		names, args = append(names, name), append(args, path)
	}
	out, err := exec.Command(py, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, name := range names {
		refused := lines[i] != "ok"
		if why := differs(name); refused != bad[name] && why == "" {
			t.Errorf("%s: Check refuses: %v; Python: %s", name, bad[name], lines[i])
		}
	}
}

// differs says why the two checkers judge a case differently.
func differs(name string) string {
	return map[string]string{
		"deprecated":    "a warning here: onnxruntime still runs it in older opsets",
		"order":         "a warning here: Sort repairs it",
		"opset twice":   "the empty domain and ai.onnx are the same",
		"unknown opset": "onnxruntime refuses an opset that it does not know",
		"function":      "Python's checker does not look into functions that nothing calls",
		"reference":     "Python's checker takes a reference outside of functions for a value",
	}[name]
}
