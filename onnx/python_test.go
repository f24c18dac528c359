package onnx_test

import (
	"os"
	"os/exec"
	"path/filepath"
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
	names := []string{"monai_unet2d", "box_fp16", "box_ir3", "box_constants", "monai_segresnet3d_dynamo", "keras_unet2d_bn",
		"tv_resnet_small_train", "box_external_data"}
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
