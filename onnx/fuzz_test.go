package onnx_test

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"github.com/nitrain/nitrain/onnx"
)

// seeds are small models of many kinds.
func seeds(f *testing.F) {
	f.Helper()
	ref, err := os.ReadFile("testdata/ref/tensors.onnx")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ref)
	for name, edit := range edits() {
		m := sound()
		if err := edit(m); err != nil {
			f.Fatal(name, err)
		}
		data, err := onnx.Encode(m)
		if err != nil {
			f.Fatal(name, err)
		}
		f.Add(data)
	}
	f.Add([]byte("\x08\x08\x3a\x00"))
}

// FuzzRead reads arbitrary bytes. Nothing may panic; memory stays in proportion; what is read is written as
// it was; every question about it is answered.
func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+400*uint64(len(data)) {
			t.Errorf("%d bytes took %d", len(data), used)
		}
		if err != nil {
			return
		}
		if same, err := onnx.Verbatim(m); !same || err != nil {
			t.Errorf("an untouched model is written differently (%v)", err)
		}
		onnx.Check(m)
		onnx.Describe(m)
		for _, i := range m.Graph().Initializers {
			_, _ = i.Tensor.Float32()
			_, _ = i.Tensor.Int64()
			_, _ = i.Tensor.Strings()
		}
		_, _ = onnx.Sort(m.Graph())
	})
}

// FuzzEdit changes what was read and reads it again: what was changed is there, the rest is as before.
func FuzzEdit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		m.SetMetadata("fuzz", "value")
		m.ProducerName = "fuzz"
		for _, n := range m.Graph().Nodes {
			n.SetAttr(onnx.IntsAttr("fuzz", 1, 2, 3))
		}
		out, err := onnx.Encode(m)
		if err != nil {
			return
		}
		back, err := onnx.Read(bytes.NewReader(out), int64(len(out)))
		if err != nil {
			t.Fatal(err)
		}
		if back.Metadata()["fuzz"] != "value" || back.ProducerName != "fuzz" || len(back.Graph().Nodes) != len(m.Graph().Nodes) {
			t.Error("the changes are not there")
		}
		for i, n := range back.Graph().Nodes {
			was := m.Graph().Nodes[i]
			if len(n.Ints("fuzz", nil)) != 3 || n.OpType != was.OpType || len(n.Inputs) != len(was.Inputs) || len(n.Attrs) != len(was.Attrs) {
				t.Errorf("node %d changed", i)
			}
		}
	})
}
