package onnx_test

import (
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// models returns the paths of the shared exports, of their truth files, and of the community's models.
func models(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shared.Dir(t), "models", "*", "*.onnx"))
	if err != nil || len(paths) == 0 {
		t.Skipf("no models in the shared folder: %v", err)
	}
	real, err := filepath.Glob(filepath.Join(shared.Dir(t), "real", "models", "*.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return append(paths, real...)
}

func TestReadShared(t *testing.T) {
	for _, path := range models(t) {
		m, err := onnx.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, i := range m.Graph().Initializers {
			b, err := i.Tensor.Bytes()
			if err != nil {
				t.Errorf("%s: %s: %v", path, i.Name, err)
			}
			if want := i.Tensor.Len() * i.Tensor.DType().Size(); len(b) != want {
				t.Errorf("%s: %s: want %d bytes, got %d", path, i.Name, want, len(b))
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
