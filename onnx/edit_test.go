package onnx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nitrain/nitrain/onnx"
)

// again writes a model and reads it back.
func again(t *testing.T, m *onnx.Model) *onnx.Model {
	t.Helper()
	data, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	back, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// edits are structural changes; each leaves the model sound.
func edits() map[string]func(m *onnx.Model) error {
	return map[string]func(m *onnx.Model) error{
		"insert": func(m *onnx.Model) error {
			m.Graph().Nodes[1].Inputs[0] = "s"
			return m.InsertNode(1, &onnx.Node{
				Name: "new", OpType: "LeakyRelu", Inputs: []string{"r"}, Outputs: []string{"s"},
				Attrs: []onnx.Attr{onnx.FloatAttr("alpha", 0)},
			})
		},
		"remove": func(m *onnx.Model) error {
			m.Graph().Nodes[1].Inputs[0] = "x"
			return m.RemoveNode(m.Graph().Nodes[0])
		},
		"attribute": func(m *onnx.Model) error {
			n := m.Graph().Nodes[1]
			n.SetAttr(onnx.IntsAttr("dilations", 2, 2))
			n.SetAttr(onnx.StringAttr("auto_pad", "NOTSET"))
			n.RemoveAttr("pads")
			return nil
		},
		"replace": func(m *onnx.Model) error {
			return m.ReplaceInitializer("w", must(onnx.FromFloat32([]int{5, 1, 1, 1}, []float32{1, 2, 3, 4, 5})))
		},
		"bias": func(m *onnx.Model) error {
			n := m.Graph().Nodes[1]
			n.Inputs = append(n.Inputs, "b")
			return m.AddInitializer("b", must(onnx.FromFloat32([]int{1}, []float32{3})))
		},
		"rename":  func(m *onnx.Model) error { return m.RenameValue("x", "image") },
		"rename2": func(m *onnx.Model) error { return m.RenameValue("y", "logits") },
		"output": func(m *onnx.Model) error {
			return m.AddOutput(onnx.ValueInfo{Name: "r", DType: onnx.Float32, Shape: []int{-1, 1, 3, 3}, Dims: []string{"batch", "", "", ""}})
		},
		"dynamic": func(m *onnx.Model) error {
			return m.SetInput("x", onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: []int{-1, 1, -1, -1}, Dims: []string{"batch", "", "h", "w"}})
		},
		"opset": func(m *onnx.Model) error { m.Opsets[0].Version = 18; m.ProducerName = "edited"; return nil },
		"doc": func(m *onnx.Model) error {
			m.Graph().Nodes[0].Metadata = map[string]string{"k": "v"}
			m.Graph().Nodes[0].Doc, m.Graph().Doc, m.Doc = "node", "graph", "model"
			return nil
		},
	}
}

func TestEdits(t *testing.T) {
	for name, edit := range edits() {
		source := again(t, sound()) // one that was read, so that its bytes are kept
		for kind, m := range map[string]*onnx.Model{"made": sound(), "read": source} {
			if err := edit(m); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for _, v := range onnx.Check(m) {
				t.Errorf("%s: %s: %v", name, kind, v)
			}
			back := again(t, m)
			for _, v := range onnx.Check(back) {
				t.Errorf("%s: %s: read back: %v", name, kind, v)
			}
			if d := cmp.Diff(summary(t, m), summary(t, back)); d != "" {
				t.Errorf("%s: %s: %s", name, kind, d)
			}
		}
	}
}

// summary is the whole of a small model as plain values.
func summary(t *testing.T, m *onnx.Model) map[string]any {
	t.Helper()
	g := m.Graph()
	out := map[string]any{
		"ir": m.IRVersion, "producer": m.ProducerName, "opset": m.Opset(""), "doc": m.Doc, "gdoc": g.Doc,
		"meta": m.Metadata(),
	}
	var nodes []string
	d := onnx.Describe(m)
	out["in"], out["out"] = d.Inputs, d.Outputs
	for _, n := range g.Nodes {
		line := n.Name + " " + n.OpType + " " + strings.Join(n.Inputs, ",") + " " + strings.Join(n.Outputs, ",") + " " + n.Doc + n.Metadata["k"]
		var attrs strings.Builder
		for _, a := range n.Attrs {
			attrs.WriteString(" " + a.Name + a.Kind.String())
		}
		line += attrs.String()
		nodes = append(nodes, line)
	}
	out["nodes"] = nodes
	for _, i := range g.Initializers {
		v, err := i.Tensor.Float32()
		if err != nil {
			t.Fatal(err)
		}
		out[i.Name] = v
		out[i.Name+" shape"] = i.Tensor.Shape()
	}
	return out
}

func TestEditsRefused(t *testing.T) {
	x := must(onnx.FromFloat32([]int{2}, []float32{1, 2}))
	cases := map[string]func(m *onnx.Model) error{
		"set absent":      func(m *onnx.Model) error { return m.SetInitializer("v", x) },
		"set other shape": func(m *onnx.Model) error { return m.SetInitializer("w", x) },
		"set other type": func(m *onnx.Model) error {
			return m.SetInitializer("w", must(onnx.FromInt64([]int{1, 1, 1, 1}, []int64{1})))
		},
		"constant absent":  func(m *onnx.Model) error { return m.SetConstant("v", x) },
		"constant is none": func(m *onnx.Model) error { return m.SetConstant("r", x) },
		"add taken":        func(m *onnx.Model) error { return m.AddInitializer("r", x) },
		"remove absent":    func(m *onnx.Model) error { return m.RemoveInitializer("v") },
		"input taken":      func(m *onnx.Model) error { return m.AddInput(onnx.ValueInfo{Name: "w"}) },
		"output twice":     func(m *onnx.Model) error { return m.AddOutput(onnx.ValueInfo{Name: "y"}) },
		"output unknown":   func(m *onnx.Model) error { return m.AddOutput(onnx.ValueInfo{Name: "v"}) },
		"remove output":    func(m *onnx.Model) error { return m.RemoveOutput("v") },
		"remove input":     func(m *onnx.Model) error { return m.RemoveInput("v") },
		"insert outside":   func(m *onnx.Model) error { return m.InsertNode(3, &onnx.Node{}) },
		"insert taken":     func(m *onnx.Model) error { return m.InsertNode(0, &onnx.Node{Outputs: []string{"y"}}) },
		"remove foreign":   func(m *onnx.Model) error { return m.RemoveNode(&onnx.Node{}) },
		"rename unknown":   func(m *onnx.Model) error { return m.RenameValue("v", "u") },
		"rename to taken":  func(m *onnx.Model) error { return m.RenameValue("x", "y") },
		"set input":        func(m *onnx.Model) error { return m.SetInput("v", onnx.ValueInfo{}) },
	}
	for name, f := range cases {
		m := again(t, sound())
		before, _ := onnx.Encode(m)
		if err := f(m); err == nil || !strings.HasPrefix(err.Error(), "onnx: ") {
			t.Errorf("%s: want an error, got %v", name, err)
		}
		if after, _ := onnx.Encode(m); !bytes.Equal(before, after) {
			t.Errorf("%s: the model changed", name)
		}
	}
}

// TestEditKeepsOthers changes one node of a real export: all other records stay as they are.
func TestEditKeepsOthers(t *testing.T) {
	m := model(t, "monai_unet2d_dynamo")
	path := filepath.Join(t.TempDir(), "a.onnx")
	if err := onnx.WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	data := read(t, path)
	n := m.Graph().Nodes[3]
	old := n.Name
	n.Name = "x" + old[1:]
	out, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	first, last := differ(out, data)
	if len(out) != len(data) || last-first != 1 {
		t.Errorf("want one byte changed, got %d to %d", first, last)
	}
	n.Name = old + "_longer"
	out, _ = onnx.Encode(m)
	n.Name = old
	if len(out) != len(data)+7 {
		t.Errorf("want 7 bytes more, got %d", len(out)-len(data))
	}
	if out, _ = onnx.Encode(m); !bytes.Equal(out, data) {
		t.Error("a change that is taken back leaves something")
	}
}

func TestSort(t *testing.T) {
	m := model(t, "monai_swinunetr2d")
	want := append([]*onnx.Node{}, m.Graph().Nodes...)
	if moved, err := onnx.Sort(m.Graph()); moved || err != nil {
		t.Errorf("a sorted graph: %v %v", moved, err)
	}
	n := len(want)
	m.Graph().Nodes[0], m.Graph().Nodes[n-1] = m.Graph().Nodes[n-1], m.Graph().Nodes[0]
	if moved, err := onnx.Sort(m.Graph()); !moved || err != nil {
		t.Errorf("an unsorted graph: %v %v", moved, err)
	}
	for _, v := range onnx.Check(m) {
		t.Error(v)
	}
	c := sound()
	c.Graph().Nodes[0].Inputs[0] = "y"
	if _, err := onnx.Sort(c.Graph()); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("a cycle: %v", err)
	}
}

// TestWriteLeavesNothing checks that a failed write leaves no file and does not touch the old one.
func TestWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "s.onnx")
	if err := onnx.WriteFile(source, sound()); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	m.Close() // its bytes cannot be copied any more
	if err := onnx.WriteFile(path, m); err == nil {
		t.Error("want an error")
	}
	if b := read(t, path); string(b) != "old" {
		t.Errorf("the old file changed: %q", b)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("left over: %v", files)
	}
	if err := onnx.WriteFile(filepath.Join(dir, "absent", "m.onnx"), sound()); err == nil {
		t.Error("want an error for a folder that does not exist")
	}
}

// TestSourceMayBeReplaced writes a model over the file that it was read from.
func TestSourceMayBeReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := onnx.WriteFile(path, sound()); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 3 {
		m.SetMetadata("k", m.Metadata()["k"]+"v")
		if err := onnx.WriteFile(path, m); err != nil {
			t.Fatal(err)
		}
	}
	back, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if back.Metadata()["k"] != "vvv" {
		t.Errorf("got %v", back.Metadata())
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	m, err := onnx.ReadFile(sparse(t, 3, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	path := filepath.Join(t.TempDir(), "m.onnx")
	err = onnx.WriteFile(path, m)
	var size *onnx.SizeError
	if !errors.As(err, &size) || !strings.Contains(size.Hint(), "external") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was written")
	}
}
