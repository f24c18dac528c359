package onnx_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nitrain/nitrain/onnx"
)

// reference is a tensor as Python's onnx reads it.
type reference struct {
	DType  string
	Shape  []int
	Values []any
}

func TestTensorsAgainstPython(t *testing.T) {
	m, want := tensors(t)
	if len(m.Graph().Initializers) != len(want) {
		t.Errorf("want %d tensors, got %d", len(want), len(m.Graph().Initializers))
	}
	for _, i := range m.Graph().Initializers {
		w := want[i.Name]
		if i.Tensor.DType().String() != w.DType || !cmp.Equal(i.Tensor.Shape(), w.Shape) {
			t.Errorf("%s: want %s %v, got %v %v", i.Name, w.DType, w.Shape, i.Tensor.DType(), i.Tensor.Shape())
		}
		if got := values(t, i.Tensor); !cmp.Equal(got, w.Values) {
			t.Errorf("%s: want %v, got %v", i.Name, w.Values, got)
		}
	}
	if v := onnx.Check(m); len(v) > 0 {
		t.Error(v)
	}
}

func tensors(t *testing.T) (*onnx.Model, map[string]reference) {
	t.Helper()
	m, err := onnx.ReadFile("testdata/ref/tensors.onnx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	data, err := os.ReadFile("testdata/ref/tensors.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]reference
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // int64 would not survive float64
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	for name, r := range want {
		for k, v := range r.Values {
			if n, ok := v.(json.Number); ok {
				want[name].Values[k] = number(t, r.DType, n)
			}
		}
	}
	return m, want
}

func number(t *testing.T, dtype string, n json.Number) any {
	t.Helper()
	if dtype == "float32" || dtype == "float64" || dtype == "float16" || dtype == "bfloat16" {
		f, err := n.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return float32(f)
	}
	i, err := n.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func values(t *testing.T, x *onnx.Tensor) []any {
	t.Helper()
	out := []any{}
	switch {
	case x.DType() == onnx.String:
		s, err := x.Strings()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range s {
			out = append(out, v)
		}
	case x.DType().Float():
		f, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range f {
			out = append(out, v)
		}
	default:
		f, err := x.Int64()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range f {
			out = append(out, v)
		}
	}
	return out
}

func TestConstantValues(t *testing.T) {
	m, _ := tensors(t)
	want := map[string][]any{
		"c_value": {float32(1.5), float32(2.5)}, "c_float": {float32(0.5)}, "c_floats": {float32(0.25), float32(-0.5)},
		"c_int": {int64(-3)}, "c_ints": {int64(4), int64(-5), int64(6)}, "c_strings": {"a", "b"},
	}
	for name, w := range want {
		v, ok := m.Graph().Producer(name).ConstantValue()
		if !ok || !cmp.Equal(values(t, v), w) {
			t.Errorf("%s: want %v, got %v %v", name, w, v, ok)
		}
	}
}

// TestSetKeepsEncoding gives every floating point tensor new values: the file keeps its length and the new
// values are read back as rounded.
func TestSetKeepsEncoding(t *testing.T) {
	data, err := os.ReadFile("testdata/ref/tensors.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := tensors(t)
	for _, i := range m.Graph().Initializers {
		if !i.Tensor.DType().Float() {
			continue
		}
		v := make([]float32, i.Tensor.Len())
		for k := range v {
			v[k] = float32(k) - 2.25
		}
		x, err := onnx.FromFloat32(i.Tensor.Shape(), v)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetInitializer(i.Name, x); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range map[string][]float32{"c_value": {7, 8}, "c_floats": {9, 10}} {
		x, _ := onnx.FromFloat32([]int{2}, v)
		if err := m.SetConstant(name, x); err != nil {
			t.Fatal(err)
		}
	}
	out, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	// float16 and bfloat16 in int32_data are varints: their length may change, nothing else's does.
	if d := len(out) - len(data); d < -60 || d > 60 {
		t.Errorf("want about %d bytes, got %d", len(data), len(out))
	}
	back, err := onnx.Read(bytes.NewReader(out), int64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range back.Graph().Initializers {
		if !i.Tensor.DType().Float() {
			continue
		}
		want, _ := m.Graph().Initializers[k].Tensor.Float32()
		got, err := i.Tensor.Float32()
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: want %v, got %v (%v)", i.Name, want, got, err)
		}
	}
	if v, _ := back.Graph().Producer("c_floats").ConstantValue(); !cmp.Equal(values(t, v), []any{float32(9), float32(10)}) {
		t.Errorf("c_floats: got %v", v)
	}
}

func TestConvertOverflow(t *testing.T) {
	x, _ := onnx.FromFloat32([]int{4}, []float32{1, 1e6, 1e-9, 1e-5})
	_, loss, err := x.Convert(onnx.Float16)
	if err != nil || loss != (onnx.Loss{Overflow: 1, Underflow: 2}) {
		t.Errorf("got %+v, %v", loss, err)
	}
	m, _ := tensors(t)
	if err := m.SetInitializer("float16_raw", must(onnx.FromFloat32([]int{2, 5}, make([]float32, 10)))); err != nil || len(m.Warnings()) > 0 {
		t.Errorf("zeros fit: %v %v", err, m.Warnings())
	}
	big := make([]float32, 10)
	big[3] = 1e6
	if err := m.SetInitializer("float16_raw", must(onnx.FromFloat32([]int{2, 5}, big))); err != nil || len(m.Warnings()) != 1 {
		t.Errorf("want a warning, got %v %v", err, m.Warnings())
	}
}

func must(t *onnx.Tensor, err error) *onnx.Tensor {
	if err != nil {
		panic(err)
	}
	return t
}

func TestSizesThatCannotBe(t *testing.T) {
	for _, shape := range [][]int{{-1}, {1 << 40, 1 << 40}, {3}} {
		if _, err := onnx.NewTensor(onnx.Float32, shape, make([]byte, 8)); err == nil {
			t.Errorf("shape %v: want an error", shape)
		}
	}
	if _, err := onnx.NewTensor(onnx.String, []int{2}, nil); err == nil {
		t.Error("strings have no raw data: want an error")
	}
	if n, err := onnx.Elements([]int{0, math.MaxInt}); err != nil || n != 0 {
		t.Errorf("want 0 elements, got %d %v", n, err)
	}
}
