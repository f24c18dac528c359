package hub

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// spec is a Spec with provenance, as a fine-tuned model carries one.
const spec = `{"version":1,"task":"segmentation","input":{"name":"x","layout":"xyz","channels":[{"name":"T1w","modality":"MR"}]},` +
	`"prepare":[{"op":"orient","axes":"RAS"}],"tile":{"size":[96,96,96],"overlap":0.5},"decode":{"activation":"softmax","pick":"argmax"},` +
	`"labels":[{"value":0,"name":"background"},{"value":1,"name":"spleen"}],` +
	`"provenance":{"source":"unet.onnx","sha256":"aaaa1111","tool":"nitrain v0.1.0","licence":"Apache-2.0",` +
	`"trained":{"cases":41,"steps":500,"score":0.93,"data":"dddd2222"}}}`

// writeModel writes a model with a Spec and about size bytes of random weights and returns its path.
func writeModel(t testing.TB, size int, seed byte) string {
	t.Helper()
	m := onnx.New(8, "g", onnx.Opset{Version: 17})
	raw := make([]byte, size/4*4)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(raw)
	w, err := onnx.NewTensor(onnx.Float32, []int{len(raw) / 4}, raw)
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) onnx.ValueInfo {
		return onnx.ValueInfo{Name: name, DType: onnx.Float32, Shape: []int{-1, 1}, Dims: []string{"batch", ""}}
	}
	for _, err := range []error{
		m.AddInitializer("w", w), m.AddInput(value("x")),
		m.InsertNode(0, &onnx.Node{Name: "n", OpType: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}), m.AddOutput(value("y")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m.SetMetadata(SpecKey, spec)
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := onnx.WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

func newHub(t testing.TB) *Hub {
	t.Helper()
	return openHub(t, filepath.Join(t.TempDir(), "hub"))
}

func openHub(t testing.TB, dir string) *Hub {
	t.Helper()
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ref(t testing.TB, text string) Ref {
	t.Helper()
	r, err := ParseRef(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// push pushes a model and fails the test if that fails.
func push(t testing.TB, h *Hub, model, to string) *Pushed {
	t.Helper()
	p, err := h.Push(context.Background(), Source{Model: model}, ref(t, to))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pull pulls a model and fails the test if that fails.
func pull(t testing.TB, h *Hub, from string) *Pulled {
	t.Helper()
	p, err := h.Pull(context.Background(), ref(t, from), Ref{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sound fails the test unless the hub verifies; it returns what was found.
func sound(t testing.TB, h *Hub) *Verification {
	t.Helper()
	v, err := h.Verify(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if !v.OK() {
		raw, _ := json.Marshal(v.Findings)
		t.Fatalf("the hub does not verify: %s", raw)
	}
	return v
}

// same fails the test unless a model of the hub has the bytes of a file.
func same(t testing.TB, h *Hub, name, file string) {
	t.Helper()
	dir := t.TempDir()
	paths, err := h.Checkout(context.Background(), ref(t, name), dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("%s: %d bytes that are not the %d of %s", paths[0], len(got), len(want), file)
	}
}
