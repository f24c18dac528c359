package convert_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

func backend(t testing.TB, device string) *convert.Backend {
	t.Helper()
	b, err := convert.NewBackend(convert.BackendOptions{Device: device})
	if err != nil {
		t.Skipf("no engine %q: %v", device, err)
	}
	return b
}

// TestModels compares every model of the shared corpus with its truth.
func TestModels(t *testing.T) {
	b := backend(t, "cpu")
	dir := shared.Dir(t, "models")
	list, err := filepath.Glob(filepath.Join(dir, "*", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			m, err := onnx.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			truth, err := onnx.ReadFile(filepath.Join(filepath.Dir(path), "truth.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			defer truth.Close()
			r, err := convert.CheckModel(context.Background(), b, m, convert.CheckOptions{Truth: truth})
			if err != nil {
				t.Fatal(err)
			}
			js, _ := json.Marshal(r)
			if os.Getenv("V") != "" {
				t.Logf("%s", js)
			}
			if !r.OK {
				t.Errorf("%s", js)
			}
		})
	}
}
